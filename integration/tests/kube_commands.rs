//! Command lines of kubectl, as a user types them, by three versions of it: Debian sid's, and those
//! of Debian 13 and 12.
//!
//! The table has each command that needs the API. What needs more than a command line is elsewhere:
//! `get --watch`, `cp` and clients without rights in `kube_look.rs`; `attach`, terminals, parallel
//! port-forwards and broken connections in `kube_streams.rs`; conflicts, preconditions, evictions
//! and `--subresource` in `kube_write.rs`; finalizers and Secrets of readers in `kube_objects.rs`;
//! rollouts, schedules and cascades in `kube_workloads.rs`.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::{Forward, Kube, Kubectl};
use probelet_integration::{IMAGE, SOON, bounded, eventually, finish};

/// A command line of a shell, its exit code, and a text of its output.
struct Row {
    /// The first minor version of kubectl that has the command.
    since: u32,
    command: &'static str,
    code: i32,
    text: &'static str,
}

const fn row(command: &'static str, text: &'static str) -> Row {
    Row { since: 0, command, code: 0, text }
}

const fn fails(command: &'static str, text: &'static str) -> Row {
    Row { since: 0, command, code: 1, text }
}

impl Row {
    const fn since(mut self, minor: u32) -> Self {
        self.since = minor;
        self
    }
}

/// In this order, on one host.
const TABLE: &[Row] = &[
    row("kubectl version", "probelet"),
    row("kubectl api-resources", "pods"),
    row("kubectl api-versions", "apps/v1"),
    row("kubectl get --raw /readyz", "ok"),
    // Nodes.
    row("kubectl get nodes -o wide", "containerd://"),
    row("kubectl describe node", "Allocatable:"),
    row("kubectl top node", "CPU"),
    row("kubectl cordon $(kubectl get nodes -o name)", " cordoned"),
    row("kubectl uncordon $(kubectl get nodes -o name)", " uncordoned"),
    // The founding story, word for word.
    row("kubectl get po", "No resources found in default namespace."),
    row("kubectl create -f kubia-liveness-probe.yaml", "pod/kubia-liveness created"),
    fails("kubectl create -f kubia-liveness-probe.yaml", "(AlreadyExists)"),
    row("kubectl wait --for=condition=Ready pod/kubia-liveness --timeout=50s", "condition met"),
    row("kubectl get po kubia-liveness", "NAME             READY   STATUS    RESTARTS"),
    row(
        "kubectl describe po kubia-liveness",
        "http-get http://:8080/ delay=0s timeout=1s period=1s",
    ),
    row(
        "until kubectl get po kubia-liveness | grep -E ' [1-9][0-9]* \\(?'; do sleep 0.2; done; \
         kubectl logs kubia-liveness --previous",
        "Received request",
    ),
    row("kubectl describe po kubia-liveness", "Exit Code:    137"),
    row("kubectl get events", "Killing"),
    row(
        "kubectl get events --field-selector involvedObject.name=kubia-liveness,reason=Killing",
        "Killing",
    ),
    row("kubectl events --for pod/kubia-liveness", "Killing").since(26),
    row("kubectl delete po kubia-liveness", "pod \"kubia-liveness\" deleted"),
    // Pods: writes.
    row("kubectl apply -f box.yaml", "pod/box created"),
    row("kubectl apply -f box.yaml", "pod/box unchanged"),
    row("kubectl wait --for=condition=Ready pod/box --timeout=50s", "condition met"),
    row("kubectl diff -f box.yaml", ""),
    fails("sed 's/app: box/app: x/' box.yaml | kubectl diff -f -", "app: x"),
    row(
        "sed 's/app: box/app: x/' box.yaml | kubectl apply --dry-run=server -f -",
        "server dry run",
    ),
    row("kubectl apply --server-side --force-conflicts -f box.yaml", "pod/box serverside-applied"),
    row("kubectl run dry --image=x --dry-run=server", "pod/dry created (server dry run)"),
    fails("sed 's/name: box/name: Bad/' box.yaml | kubectl create -f -", "metadata.name"),
    fails("sed 's/command:/comand:/' box.yaml | kubectl create -f -", "unknown field"),
    row("kubectl label pod box tier=a", "pod/box labeled"),
    row("kubectl annotate pod box note=x", "pod/box annotated"),
    row("kubectl patch pod box -p '{\"metadata\":{\"labels\":{\"p\":\"1\"}}}'", "patched"),
    row(
        "kubectl patch pod box --type=merge -p '{\"metadata\":{\"labels\":{\"p\":\"2\"}}}'",
        "patched",
    ),
    row(
        "kubectl patch pod box --type=json \
         -p '[{\"op\":\"replace\",\"path\":\"/metadata/labels/p\",\"value\":\"3\"}]'",
        "patched",
    ),
    row("KUBE_EDITOR='sed -i s/tier:.a/tier:\\ b/' kubectl edit pod box", "pod/box edited"),
    row("kubectl get po -l tier=b,p=3 -o name", "pod/box"),
    row("kubectl get po box -o yaml | kubectl replace -f -", "pod/box replaced"),
    row("kubectl replace --force --grace-period=0 -f box.yaml", "pod/box replaced"),
    row("kubectl wait --for=condition=Ready pod/box --timeout=50s", "condition met"),
    fails("kubectl apply --prune -l app=box -f box.yaml", "no matches for kind"),
    // Pods: reads.
    row("kubectl get po -o wide", "NOMINATED NODE"),
    row("kubectl get po -A", "NAMESPACE"),
    row("kubectl get po --show-labels", "app=box"),
    row("kubectl get po -L app", "APP"),
    row("kubectl get po --field-selector=status.phase=Running -o name", "pod/box"),
    row("kubectl get po --field-selector=spec.nodeName!=x -o name", "pod/box"),
    fails("kubectl get po --field-selector=spec.hostname=x", "field label not supported"),
    row("kubectl get po --sort-by=.metadata.name", "box"),
    row("kubectl get po box -o json", "\"kind\": \"Pod\""),
    row("kubectl get po box -o jsonpath='{.status.phase}'", "Running"),
    row("kubectl get po -o custom-columns=N:.metadata.name,P:.status.phase", "Running"),
    row("kubectl get pods,cm", "configmap/kube-root-ca.crt"),
    row("kubectl get all", "pod/box"),
    fails("kubectl get po absent", "pods \"absent\" not found"),
    fails("kubectl get ingresses", "doesn't have a resource type"),
    row("kubectl describe po box", "Node:"),
    row("kubectl describe po -l app=box", "Name:"),
    row("kubectl explain pod.spec.containers.livenessProbe", "httpGet"),
    row("kubectl top pod", "box"),
    // Logs.
    row("until kubectl logs box | grep 'line 12'; do sleep 0.2; done", "line 12"),
    row("kubectl logs box --tail=1", "line "),
    row("kubectl logs box --since=1h", "line 1\n"),
    row("kubectl logs box --since-time=2020-01-01T00:00:00Z", "line 1\n"),
    row("kubectl logs box --timestamps", "Z line 1\n"),
    row("kubectl logs box --limit-bytes=6", "line 1"),
    row("kubectl logs box -c main", "line 1\n"),
    row("kubectl logs -l app=box --prefix --tail=1", "[pod/box/main] line "),
    row("kubectl logs box --all-containers", "line 1\n"),
    row("kubectl logs -f box | head -n 2", "line 2\n"),
    fails("kubectl logs box -p", "previous terminated container \"main\" in pod \"box\" not found"),
    // Commands.
    row("kubectl exec box -- echo hello", "hello\n"),
    row("echo words | kubectl exec -i box -- cat", "words\n"),
    Row { since: 0, command: "kubectl exec box -- sh -c 'exit 3'", code: 3, text: "exit code 3" },
    fails("kubectl exec box -c absent -- true", "container"),
    row("kubectl cp box.yaml box:/tmp/copy && kubectl exec box -- cat /tmp/copy", "name: box"),
    row("kubectl cp box:/tmp/copy copy && cat copy", "name: box"),
    fails("kubectl attach box -i </dev/null", "stdin"),
    fails("kubectl debug box --image=x", "ephemeral containers are disabled").since(25),
    row("kubectl delete pod box --grace-period=0 --force", "pod \"box\" force deleted"),
    // Other objects.
    row("kubectl create configmap web --from-literal=a=1", "configmap/web created"),
    row("kubectl create secret generic db --from-literal=password=x", "secret/db created"),
    row("kubectl create serviceaccount robot", "serviceaccount/robot created"),
    row("kubectl create namespace shop", "namespace/shop created"),
    row("kubectl get cm,secret,sa,ns", "configmap/web"),
    row("kubectl describe cm web", "a:\n----\n1\n"),
    row("kubectl describe secret db", "password:  1 bytes"),
    row("kubectl patch cm web -p '{\"data\":{\"a\":\"2\"}}'", "configmap/web patched"),
    row("kubectl get cm web -o jsonpath='{.data.a}'", "2"),
    row("kubectl delete cm/web secret/db sa/robot", "secret \"db\" deleted"),
    fails(
        "kubectl create quota q --hard=pods=1",
        "the server could not find the requested resource",
    ),
    fails("kubectl create -f service.yaml", "service.yaml"),
    // Workloads.
    row("kubectl create deployment web --image=$BUSYBOX -n shop -- sleep 1000", "created")
        .since(21),
    row("kubectl apply -n shop -f web.yaml", "deployment.apps/web").since(0),
    row("kubectl rollout status -n shop deploy/web --timeout=50s", "successfully rolled out"),
    row("kubectl wait -n shop --for=condition=available deploy/web --timeout=50s", "condition met"),
    row("kubectl get deploy -n shop -o wide", "SELECTOR"),
    row("kubectl describe deploy -n shop web", "1 desired | 1 updated | 1 total | 1 available"),
    row("kubectl logs -n shop deploy/web", ""),
    row("kubectl exec -n shop deploy/web -- echo hello", "hello\n"),
    row("kubectl set env -n shop deploy/web A=b", "deployment.apps/web env updated"),
    row(
        "kubectl set resources -n shop deploy/web --limits=memory=64Mi",
        "resource requirements updated",
    ),
    row("kubectl rollout status -n shop deploy/web --timeout=50s", "successfully rolled out"),
    row("kubectl rollout restart -n shop deploy/web", "deployment.apps/web restarted"),
    row("kubectl rollout status -n shop deploy/web --timeout=50s", "successfully rolled out"),
    row("kubectl rollout pause -n shop deploy/web", "deployment.apps/web paused"),
    row("kubectl rollout resume -n shop deploy/web", "deployment.apps/web resumed"),
    fails("kubectl rollout undo -n shop deploy/web", "no rollout history found"),
    row("kubectl scale -n shop deploy/web --replicas=0", "deployment.apps/web scaled"),
    fails("kubectl scale -n shop deploy/web --replicas=2", "one host"),
    fails("kubectl expose -n shop deploy/web --port=80", "create is not supported on"),
    // Each version reports it in its own way.
    fails("kubectl autoscale -n shop deploy/web --max=2", ""),
    row("kubectl create job once --image=$BUSYBOX -- true", "job.batch/once created"),
    row("kubectl wait --for=condition=complete job/once --timeout=50s", "condition met"),
    row("kubectl delete job once", "job.batch \"once\" deleted"),
    row("kubectl delete namespace shop", "namespace \"shop\" deleted"),
    // Who may do what.
    row("kubectl auth can-i get pods", "yes"),
    row("kubectl auth can-i --list", "*.*"),
    row("kubectl auth whoami", "tester").since(28),
    fails("kubectl get po --as=bob", "(Forbidden)"),
    // The rest.
    row("kubectl cluster-info", "is running at"),
    row("kubectl delete po --all", "No resources found"),
];

/// Adds files for the commands of the table, and a folder with kubectl for PATH.
fn prepare(kube: &Kube, kubectl: &Kubectl) -> Result<PathBuf> {
    let folder = kube.host.path("commands");
    std::fs::create_dir_all(folder.join("bin"))?;
    symlink(kubectl.program(), folder.join("bin/kubectl"))?;
    let pod = |name: &str, container: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  labels: {{ app: {name} }}\n\
             spec:\n  terminationGracePeriodSeconds: 1\n  containers:\n  - name: main\n    {container}"
        )
    };
    let story = pod(
        "kubia-liveness",
        &format!(
            "image: {IMAGE}\n    livenessProbe:\n      \
        httpGet: {{ path: /, port: 8080 }}\n      periodSeconds: 1\n"
        ),
    );
    let script = "i=0; while sleep 0.1; do i=$((i+1)); echo line $i; done";
    let forever =
        pod("box", &format!("image: {BUSYBOX_IMAGE}\n    command: [sh, -c, '{script}']\n"));
    let web = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: web }}\nspec:\n  \
         selector: {{ matchLabels: {{ app: web }} }}\n  template:\n    \
         metadata: {{ labels: {{ app: web }} }}\n    spec:\n      terminationGracePeriodSeconds: 1\n      \
         containers: [{{ name: busybox, image: {BUSYBOX_IMAGE}, command: [sleep, '1000'] }}]\n"
    );
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { ports: [{ port: 80 }] }\n";
    for (file, text) in [
        ("kubia-liveness-probe.yaml", story.as_str()),
        ("box.yaml", &forever),
        ("web.yaml", &web),
        ("service.yaml", service),
    ] {
        std::fs::write(folder.join(file), text)?;
    }
    Ok(folder)
}

fn walk(kube: &Kube, kubectl: &Kubectl, minor: u32) -> Result<()> {
    let folder = prepare(kube, kubectl)?;
    let path = format!("{}/bin:{}", folder.display(), std::env::var("PATH")?);
    let mut wrong = Vec::new();
    for row in TABLE.iter().filter(|row| row.since <= minor) {
        let mut shell = kubectl.for_user(bounded("sh"));
        shell.args(["-c", row.command]).current_dir(&folder);
        let done = finish(shell.env("PATH", &path).env("BUSYBOX", BUSYBOX_IMAGE), "")?;
        if done.code != Some(row.code)
            || !format!("{}{}", done.stdout, done.stderr).contains(row.text)
        {
            wrong.push(format!(
                "{}\n  {:?}, not {} with {:?}\n{}{}",
                row.command, done.code, row.code, row.text, done.stdout, done.stderr
            ));
        }
    }
    ensure!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

fn start() -> Result<Kube> {
    let kube = Kube::start()?;
    kube.host.busybox_image(&serde_json::json!({}))?;
    Ok(kube)
}

fn older(kube: &Kube, variable: &str) -> Result<Kubectl> {
    let program = std::env::var_os(variable).with_context(|| format!("{variable} is not set"))?;
    Ok(kube.kubectl.of_version(program.into()))
}

#[test]
fn the_table_by_the_newest_kubectl() -> Result<()> {
    let kube = start()?;
    walk(&kube, &kube.kubectl, 36)
}

#[test]
fn the_table_by_kubectl_of_debian_13() -> Result<()> {
    let kube = start()?;
    walk(&kube, &older(&kube, "KUBECTL_1_32")?, 32)
}

#[test]
fn the_table_by_kubectl_of_debian_12() -> Result<()> {
    let kube = start()?;
    walk(&kube, &older(&kube, "KUBECTL_1_20")?, 20)
}

/// What a table has no room for: streams that last, with an old kubectl.
#[test]
fn watches_and_ports_by_kubectl_of_debian_12() -> Result<()> {
    let kube = start()?;
    let old = older(&kube, "KUBECTL_1_20")?;
    let web = format!(
        "kind: Pod\napiVersion: v1\nmetadata: {{ name: web }}\nspec: {{ \
                       containers: [{{ name: web, image: {IMAGE} }}] }}\n"
    );
    old.run(&["create", "-f", "-"], &web)?;
    old.run(&["wait", "--for=condition=Ready", "pod/web", "--timeout=50s"], "")?;
    let forward = Forward::start(&old, "pod/web", 8080)?;
    for _ in 0..5 {
        let mut stream = forward.connect()?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 "), "{answer}");
    }
    drop(forward);
    let mut watch = old.spawn(&["get", "pod", "web", "--watch-only", "-o", "name"])?;
    let output = BufReader::new(watch.0.stdout.take().context("no output")?);
    let first = thread::spawn(move || output.lines().next());
    let mut number = 0;
    eventually("the watch shows a change", SOON, || {
        number += 1;
        let label = format!("number={number}");
        old.run(&["label", "--overwrite", "pod", "web", &label], "").ok()?;
        first.is_finished().then_some(())
    })?;
    let first = first.join().map_err(|_| anyhow::anyhow!("the reader has panicked"))?;
    ensure!(first.context("no line")?? == "pod/web");
    Ok(())
}
