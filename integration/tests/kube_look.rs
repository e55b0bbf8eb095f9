//! kubectl itself looks at a host: get, describe, logs, watch, top, wait, by Debian's build.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, bounded, eventually, finish, free_address, succeed};
use serde_json::Value;

/// A host whose daemon serves the Kubernetes API, and a kubeconfig for it.
struct Kube {
    host: Host,
    kubeconfig: PathBuf,
}

impl Kube {
    fn start() -> Result<Self> {
        let mut host = Host::start()?;
        let address = free_address()?;
        host.start_daemon_with(&["--kube-api", &address])?;
        let kubeconfig = host.path("kubeconfig");
        std::fs::write(&kubeconfig, host.probelet(["kubeconfig", "--name", "tester"])?)?;
        Ok(Self { host, kubeconfig })
    }

    fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.try_kubectl(args).and_then(succeed)
    }

    fn try_kubectl(&self, args: &[&str]) -> Result<probelet_integration::Done> {
        let program = std::env::var("KUBECTL").context("KUBECTL is not set")?;
        let mut command = bounded(program);
        command.env("KUBECONFIG", &self.kubeconfig).env("HOME", self.host.path("home"));
        finish(command.args(args), "")
    }

    fn json(&self, args: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.kubectl(&[args, &["-o", "json"]].concat())?)?)
    }

    /// Applies the Pod of the founding story with a fast probe.
    fn apply_story(&self) -> Result<()> {
        self.host.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{ name: kubia-liveness, labels: {{ app: kubia }} }}\n\
             spec:\n  terminationGracePeriodSeconds: 1\n  containers:\n  - name: kubia\n    \
             image: {IMAGE}\n    livenessProbe: {{ httpGet: {{ path: /, port: 8080 }}, \
             initialDelaySeconds: 0, periodSeconds: 1 }}\n"
        ))?;
        Ok(())
    }
}

#[test]
fn the_founding_story_is_seen_by_kubectl() -> Result<()> {
    let kube = Kube::start()?;
    kube.apply_story()?;
    eventually("RESTARTS climbs", SOON * 4, || {
        let pod = kube.json(&["get", "pod", "kubia-liveness"]).ok()?;
        (pod["status"]["containerStatuses"][0]["restartCount"].as_u64()? > 0).then_some(())
    })?;
    let row = kube.kubectl(&["get", "po"])?;
    ensure!(row.starts_with("NAME             READY   STATUS"), "{row}");
    ensure!(row.contains("kubia-liveness"), "{row}");
    let described = kube.kubectl(&["describe", "po", "kubia-liveness"])?;
    for text in
        ["Last State:     Terminated", "Exit Code:    137", "Liveness probe failed", "Killing"]
    {
        ensure!(described.contains(text), "{text} is not in\n{described}");
    }
    ensure!(kube.kubectl(&["logs", "kubia-liveness", "--previous"])?.contains("Received request"));
    let absent = kube.try_kubectl(&["get", "po", "absent"])?;
    ensure!(absent.code == Some(1));
    ensure!(absent.stderr.contains(r#"pods "absent" not found"#), "{}", absent.stderr);
    Ok(())
}

#[test]
fn the_forms_of_get_are_those_of_a_cluster() -> Result<()> {
    let kube = Kube::start()?;
    kube.apply_story()?;
    kube.kubectl(&["wait", "--for=condition=Ready", "pod/kubia-liveness", "--timeout=30s"])?;
    for (args, text) in [
        (&["get", "po", "-A", "-o", "wide"][..], "NAMESPACE"),
        (&["get", "po", "-l", "app=kubia"], "kubia-liveness"),
        (&["get", "po", "--field-selector", "status.phase=Running"], "kubia-liveness"),
        (&["get", "po", "--sort-by", ".metadata.name"], "kubia-liveness"),
        (&["get", "po", "-o", "name"], "pod/kubia-liveness"),
        (&["get", "all"], "kubia-liveness"),
        (&["get", "ns"], "default"),
        (&["get", "nodes"], "Ready"),
        (&["get", "events"], "Started"),
        (&["events", "--for", "pod/kubia-liveness"], "Started"),
        (&["api-resources"], "pods"),
        (&["version"], "probelet"),
        (&["auth", "whoami"], "tester"),
        (&["auth", "can-i", "get", "pods"], "yes"),
        (&["top", "pod"], "kubia-liveness"),
        (&["top", "node"], "CPU"),
        (&["explain", "pod.spec"], "KIND"),
    ] {
        let printed = kube.kubectl(args).with_context(|| format!("kubectl {args:?}"))?;
        ensure!(printed.contains(text), "kubectl {args:?}: {printed}");
    }
    ensure!(kube.kubectl(&["get", "po", "-l", "app=other", "-o", "name"])?.is_empty());
    let node = kube.json(&["get", "nodes"])?["items"][0]["metadata"]["name"].clone();
    let node = node.as_str().context("no name")?;
    let described = kube.kubectl(&["describe", "node", node])?;
    ensure!(described.contains("kubia-liveness"), "{described}");
    let unknown = kube.try_kubectl(&["get", "ingresses"])?;
    ensure!(unknown.stderr.contains("doesn't have a resource type"), "{}", unknown.stderr);
    Ok(())
}

#[test]
fn pods_of_one_name_are_apart_by_namespace() -> Result<()> {
    let kube = Kube::start()?;
    for namespace in ["a", "b"] {
        kube.host.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{ name: web, namespace: {namespace} }}\nspec:\n  \
             terminationGracePeriodSeconds: 1\n  containers: [{{ name: app, image: {IMAGE} }}]\n"
        ))?;
        kube.kubectl(&[
            "wait",
            "--for=condition=Ready",
            "-n",
            namespace,
            "pod/web",
            "--timeout=30s",
        ])?;
    }
    ensure!(kube.kubectl(&["get", "po", "-n", "a", "-o", "name"])? == "pod/web\n");
    ensure!(kube.kubectl(&["get", "po"])?.is_empty());
    let all = kube.kubectl(&["get", "po", "-A", "--no-headers"])?;
    ensure!(all.lines().count() == 2 && all.starts_with("a     web"), "{all}");
    kube.host.probelet(["delete", "pod", "web", "-n", "a"])?;
    kube.kubectl(&["wait", "--for=delete", "-n", "a", "pod/web", "--timeout=30s"])?;
    ensure!(kube.kubectl(&["get", "po", "-A", "-o", "name"])? == "pod/web\n");
    Ok(())
}

#[test]
fn a_watch_sees_a_pod_become_running() -> Result<()> {
    let kube = Kube::start()?;
    let program = std::env::var("KUBECTL").context("KUBECTL is not set")?;
    let mut watch = std::process::Command::new(program)
        .env("KUBECONFIG", &kube.kubeconfig)
        .env("HOME", kube.host.path("home"))
        .args(["get", "po", "-w", "-o", "jsonpath={.metadata.name} {.status.phase}{'\\n'}"])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(watch.stdout.take().context("no output")?).lines();
    // kubectl watches from the version of its list, which has this pod or does not.
    kube.host.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: first }}\n\
         spec: {{ containers: [{{ name: app, image: {IMAGE} }}] }}\n"
    ))?;
    lines.next().context("the watch ended")??;
    kube.apply_story()?;
    let mut seen = Vec::new();
    for line in lines {
        seen.push(line?);
        if seen.last().is_some_and(|line| line == "kubia-liveness Running") {
            break;
        }
    }
    watch.kill()?;
    watch.wait()?;
    ensure!(seen.contains(&"kubia-liveness Pending".to_owned()), "{seen:?}");
    Ok(())
}

#[test]
fn logs_are_followed_and_cut_as_asked() -> Result<()> {
    let kube = Kube::start()?;
    let mut request =
        kube.host.busybox("clock", "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done")?;
    request["terminationGracePeriod"] = serde_json::json!("0s");
    kube.host.call("probelet.v1.Containers/CreateContainer", &request)?;
    eventually("ten lines", SOON, || {
        kube.kubectl(&["logs", "clock"]).ok()?.lines().nth(10).map(drop)
    })?;
    ensure!(kube.kubectl(&["logs", "clock", "--tail=2"])?.lines().count() == 2);
    let stamped = kube.kubectl(&["logs", "clock", "--timestamps", "--tail=1"])?;
    ensure!(stamped.contains('T') && stamped.contains("line"), "{stamped}");
    let limited = kube.kubectl(&["logs", "clock", "--limit-bytes=7"])?;
    ensure!(limited == "line 1\n", "{limited:?}");
    Ok(())
}

#[test]
fn commands_run_and_files_are_copied() -> Result<()> {
    let kube = Kube::start()?;
    let mut request = kube.host.busybox("box", "sleep 1000")?;
    request["terminationGracePeriod"] = serde_json::json!("0s");
    kube.host.call("probelet.v1.Containers/CreateContainer", &request)?;
    kube.kubectl(&["wait", "--for=condition=Ready", "pod/box", "--timeout=30s"])?;
    let done =
        kube.try_kubectl(&["exec", "box", "--", "sh", "-c", "echo out; echo err >&2; exit 3"])?;
    ensure!(done.code == Some(3), "{:?}: {}", done.code, done.stderr);
    ensure!(done.stdout == "out\n" && done.stderr.contains("err"), "{}", done.stderr);
    let program = std::env::var("KUBECTL").context("KUBECTL is not set")?;
    let mut command = bounded(program);
    command.env("KUBECONFIG", &kube.kubeconfig).env("HOME", kube.host.path("home"));
    let echoed = finish(command.args(["exec", "-i", "box", "--", "cat"]), "from stdin\n")?;
    ensure!(echoed.stdout == "from stdin\n", "{}", echoed.stderr);
    let missing = kube.try_kubectl(&["exec", "box", "--", "no-such-program"])?;
    ensure!(missing.code != Some(0) && !missing.stderr.is_empty());
    // tar is in no image of these tests; kubectl cp needs it in the container.
    symlink("busybox", kube.host.path("busybox-box").join("bin/tar"))?;
    let (sent, received) = (kube.host.path("sent"), kube.host.path("received"));
    let bytes: Vec<u8> =
        (0..5_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(&sent, &bytes)?;
    kube.kubectl(&["cp", &sent.display().to_string(), "box:/tmp/file"])?;
    kube.kubectl(&["cp", "box:/tmp/file", &received.display().to_string()])?;
    ensure!(std::fs::read(&received)? == bytes, "the file has changed on its way");
    let path = "/api/v1/namespaces/default/pods/box/attach?stdin=true&stdout=true";
    let attached = kube.try_kubectl(&["create", "--raw", path, "-f", "/dev/null"])?;
    ensure!(attached.code != Some(0) && attached.stderr.contains("stdin: containers run without"));
    Ok(())
}

#[test]
fn a_client_without_a_certificate_sees_only_the_health() -> Result<()> {
    let kube = Kube::start()?;
    let config: String = std::fs::read_to_string(&kube.kubeconfig)?;
    let server = config.lines().find_map(|line| line.trim().strip_prefix("server: "));
    let server = server.context("no server")?.trim_matches('"').to_owned();
    let anonymous = kube.host.path("anonymous");
    std::fs::write(&anonymous, "apiVersion: v1\nkind: Config\n")?;
    let raw = |path: &str| {
        let program = std::env::var("KUBECTL").context("KUBECTL is not set")?;
        let mut command = bounded(program);
        command.env("KUBECONFIG", &anonymous).env("HOME", kube.host.path("home"));
        let flags =
            ["--server", &server, "--insecure-skip-tls-verify", "--username=x", "--password=y"];
        finish(command.args(flags).args(["get", "--raw", path]), "")
    };
    ensure!(raw("/healthz")?.stdout == "ok");
    let refused = raw("/api/v1/pods")?;
    ensure!(
        refused.code == Some(1) && refused.stderr.contains("Unauthorized"),
        "{}",
        refused.stderr
    );
    let view = kube.host.path("view");
    std::fs::write(&view, kube.host.probelet(["kubeconfig", "--view", "--name", "guest"])?)?;
    let mut kube = kube;
    kube.kubeconfig = view;
    ensure!(kube.kubectl(&["auth", "can-i", "list", "pods"])?.contains("yes"));
    let denied = kube.try_kubectl(&["auth", "can-i", "create", "pods/exec"])?;
    ensure!(denied.stdout.contains("no"), "{}", denied.stdout);
    Ok(())
}
