//! kubectl itself writes pods: create, run, apply, edit, patch, replace, delete, by Debian's build.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::Kube;
use probelet_integration::{Host, IMAGE, SOON, eventually, finish, succeed};
use serde_json::Value;

fn start() -> Result<Kube> {
    let mut host = Host::start()?;
    host.busybox_image(&serde_json::json!({}))?;
    let static_pods = host.path(STATIC_PODS);
    std::fs::create_dir_all(&static_pods)?;
    let folder = static_pods.to_str().context("not UTF-8")?.to_owned();
    host.flags = vec!["--manifest-dir".to_owned(), folder];
    Kube::start_on(host)
}

/// The folder of static pods.
const STATIC_PODS: &str = "manifests";

/// kubectl with a manifest as `-f -`.
fn with(kube: &Kube, args: &[&str], manifest: &str) -> Result<String> {
    kube.apply(&[args, &["-f", "-"]].concat(), manifest)
}

/// A healthy pod with fields that have no effect on one host.
fn web(extra: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  labels: {{ app: web }}\nspec:\n  \
         nodeSelector: {{ disk: ssd }}\n  tolerations:\n  - {{ key: a, operator: Exists }}\n  \
         terminationGracePeriodSeconds: 1\n  containers:\n  - name: app\n    image: {BUSYBOX_IMAGE}\n    \
         command: [sleep, '10000']\n{extra}"
    )
}

#[test]
fn the_commands_of_the_founding_story() -> Result<()> {
    let kube = start()?;
    let file = kube.host.path("kubia-liveness-probe.yaml");
    std::fs::write(
        &file,
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: kubia-liveness\nspec:\n  \
             terminationGracePeriodSeconds: 1\n  containers:\n  - image: {IMAGE}\n    name: kubia\n    \
             livenessProbe:\n      httpGet:\n        path: /\n        port: 8080\n      \
             periodSeconds: 1\n"
        ),
    )?;
    let file = file.to_str().context("not UTF-8")?;
    ensure!(kube.kubectl(&["create", "-f", file])? == "pod/kubia-liveness created\n");
    let again = kube.refused(&["create", "-f", file], "")?;
    ensure!(
        again.contains("(AlreadyExists)")
            && again.contains("pods \"kubia-liveness\" already exists"),
        "{again}"
    );
    eventually("RESTARTS climbs", SOON * 4, || {
        let pod = kube.pod("kubia-liveness").ok()?;
        (pod["status"]["containerStatuses"][0]["restartCount"].as_u64()? > 0).then_some(())
    })?;
    let row = kube.kubectl(&["get", "po", "kubia-liveness"])?;
    ensure!(row.starts_with("NAME             READY   STATUS"), "{row}");
    let described = kube.kubectl(&["describe", "po", "kubia-liveness"])?;
    ensure!(described.contains("Exit Code:    137"), "{described}");
    ensure!(kube.kubectl(&["logs", "kubia-liveness", "--previous"])?.contains("Received request"));
    let deleted = kube.kubectl(&["delete", "po", "kubia-liveness"])?;
    ensure!(deleted == "pod \"kubia-liveness\" deleted from default namespace\n", "{deleted}");
    let gone = kube.refused(&["get", "po", "kubia-liveness"], "")?;
    ensure!(gone.contains("pods \"kubia-liveness\" not found"), "{gone}");
    let killing = kube.host.events()?;
    let by_tester = |event: &String| {
        event.contains("Stopping container kubia: delete by tester from 127.0.0.1:")
    };
    ensure!(killing.iter().any(by_tester), "{killing:?}");
    Ok(())
}

#[test]
fn an_applied_object_comes_back_and_a_second_apply_changes_nothing() -> Result<()> {
    let mut kube = start()?;
    let manifest =
        web("    ports: [{ containerPort: 80 }]\n    resources: { limits: { memory: 64Mi } }\n");
    ensure!(with(&kube, &["apply"], &manifest)? == "pod/web created\n");
    kube.ready("web")?;
    let pod = kube.pod("web")?;
    let spec = &pod["spec"];
    ensure!(
        spec["nodeSelector"]["disk"] == "ssd" && spec["tolerations"][0]["key"] == "a",
        "{spec}"
    );
    ensure!(spec["securityContext"].is_object() && spec["dnsPolicy"] == "ClusterFirst", "{spec}");
    let container = &spec["containers"][0];
    ensure!(container["ports"][0]["protocol"] == "TCP", "{container}");
    ensure!(container["resources"]["requests"]["memory"] == "64Mi", "{container}");
    ensure!(container["imagePullPolicy"] == "IfNotPresent", "{container}");
    ensure!(
        pod["metadata"]["generation"] == 1 && pod["status"]["observedGeneration"] == 1,
        "{pod}"
    );
    ensure!(spec["nodeName"].is_string() && pod["status"]["hostIP"].is_string(), "{pod}");
    with(&kube, &["diff"], &manifest)?;
    ensure!(with(&kube, &["apply"], &manifest)? == "pod/web unchanged\n");
    let server =
        with(&kube, &["apply", "--dry-run=server"], &manifest.replace("app: web", "app: x"))?;
    ensure!(server.ends_with("configured (server dry run)\n"), "{server}");
    ensure!(kube.pod("web")?["metadata"]["labels"]["app"] == "web");
    ensure!(kube.pod("web")?["status"]["containerStatuses"][0]["restartCount"] == 0);
    // The object survives the daemon.
    let before = kube.pod("web")?;
    kube.crash()?;
    let after = eventually("the pod is served again", SOON, || kube.pod("web").ok())?;
    ensure!(after["spec"] == before["spec"], "{after}");
    ensure!(after["metadata"]["annotations"] == before["metadata"]["annotations"]);
    with(&kube, &["diff"], &manifest)?;
    let shown = kube.kubectl(&["get", "pod", "web", "-o", "yaml"])?;
    let again = with(&kube, &["apply"], &shown)?;
    ensure!(again == "pod/web unchanged\n" || again == "pod/web configured\n", "{again}");
    ensure!(kube.pod("web")?["spec"] == *spec);
    Ok(())
}

#[test]
fn a_live_pod_takes_what_kubernetes_and_probelet_allow() -> Result<()> {
    let kube = start()?;
    with(&kube, &["create"], &web(""))?;
    kube.ready("web")?;
    let id = |pod: &Value| pod["status"]["containerStatuses"][0]["containerID"].clone();
    let first = id(&kube.pod("web")?);
    kube.kubectl(&["label", "pod", "web", "tier=a"])?;
    kube.kubectl(&["annotate", "pod", "web", "example.com/note=x y"])?;
    let patch = r#"{"spec":{"terminationGracePeriodSeconds":2}}"#;
    kube.kubectl(&["patch", "pod", "web", "--type", "merge", "-p", patch])?;
    let patch = r#"[{"op":"add","path":"/metadata/labels/json","value":"1"}]"#;
    kube.kubectl(&["patch", "pod", "web", "--type", "json", "-p", patch])?;
    let patch =
        r#"{"spec":{"containers":[{"name":"app","livenessProbe":{"exec":{"command":["true"]}}}]}}"#;
    kube.kubectl(&["patch", "pod", "web", "-p", patch])?;
    let pod = kube.pod("web")?;
    ensure!(
        pod["metadata"]["labels"] == serde_json::json!({"app": "web", "tier": "a", "json": "1"}),
        "{pod}"
    );
    ensure!(pod["metadata"]["annotations"]["example.com/note"] == "x y", "{pod}");
    let probe = &pod["spec"]["containers"][0]["livenessProbe"];
    ensure!(probe["periodSeconds"] == 10 && probe["exec"]["command"][0] == "true", "{probe}");
    ensure!(pod["metadata"]["generation"] == 3, "{pod}");
    ensure!(id(&pod) == first, "the container was restarted");
    // The other APIs show it too.
    let shown = kube.host.probelet(["get", "pod", "web", "-o", "json"])?;
    ensure!(serde_json::from_str::<Value>(&shown)?["spec"] == pod["spec"], "{shown}");
    let fixed = r#"{"spec":{"containers":[{"name":"app","command":["sleep","1"]}],"nodeSelector":{"disk":"x"}}}"#;
    let refused = kube.refused(&["patch", "pod", "web", "-p", fixed], "")?;
    ensure!(
        refused
            .starts_with("The Pod \"web\" is invalid: spec: Forbidden: pod updates may not change"),
        "{refused}"
    );
    let added = r#"[{"op":"add","path":"/spec/containers/-","value":{"name":"b","image":"b"}}]"#;
    let refused = kube.refused(&["patch", "pod", "web", "--type", "json", "-p", added], "")?;
    ensure!(refused.contains("pod updates may not add or remove containers"), "{refused}");
    ensure!(id(&kube.pod("web")?) == first);
    // Probes that the other API changes are in the object.
    let stale = kube.kubectl(&["get", "pod", "web", "-o", "yaml"])?;
    kube.kubectl(&["label", "pod", "web", "tier=b", "--overwrite"])?;
    let conflict = kube.refused(&["replace", "-f", "-"], &stale)?;
    ensure!(conflict.contains("the object has been modified"), "{conflict}");
    let fresh = kube.kubectl(&["get", "pod", "web", "-o", "yaml"])?;
    ensure!(with(&kube, &["replace"], &fresh)? == "pod/web replaced\n");
    Ok(())
}

#[test]
fn another_image_restarts_the_container() -> Result<()> {
    let kube = start()?;
    let other = "docker.io/luksa/other:latest";
    kube.host.ctr(["image", "tag", BUSYBOX_IMAGE, other])?;
    with(&kube, &["create"], &web(""))?;
    kube.ready("web")?;
    let changed = kube.kubectl(&["set", "image", "pod/web", &format!("app={other}")])?;
    ensure!(changed == "pod/web image updated\n", "{changed}");
    eventually("the container has another image", SOON * 2, || {
        let status = kube.pod("web").ok()?["status"]["containerStatuses"][0].clone();
        let is_new = status["image"] == other && status["restartCount"] == 1;
        (is_new && status["ready"] == true).then_some(())
    })?;
    ensure!(kube.pod("web")?["spec"]["containers"][0]["image"] == other);
    Ok(())
}

#[test]
fn two_managers_apply_one_pod() -> Result<()> {
    let kube = start()?;
    let apply = |manager: &str, more: &[&str], label: &str| {
        let manifest = web("").replace("app: web", label);
        let manager = format!("--field-manager={manager}");
        let args = [&["apply", "--server-side", &manager, "-f", "-"], more].concat();
        kube.try_kubectl(&args, &manifest)
    };
    let done = apply("ann", &[], "app: web, tier: a")?;
    ensure!(done.stdout == "pod/web serverside-applied\n", "{}", done.stderr);
    let conflict = apply("bob", &[], "app: other")?;
    ensure!(conflict.stderr.contains("Apply failed with 1 conflict"), "{}", conflict.stderr);
    ensure!(conflict.stderr.contains(".metadata.labels.app"), "{}", conflict.stderr);
    apply("bob", &["--force-conflicts"], "app: other").and_then(succeed)?;
    let labels = || anyhow::Ok(kube.pod("web")?["metadata"]["labels"].clone());
    ensure!(labels()? == serde_json::json!({"app": "other", "tier": "a"}));
    // What a manager leaves out is removed; what the other one applies stays.
    let done = apply("ann", &[], "tier: b")?;
    ensure!(done.code == Some(0), "{}", done.stderr);
    ensure!(labels()? == serde_json::json!({"app": "other", "tier": "b"}));
    Ok(())
}

#[test]
fn a_pod_is_checked_before_it_is_created() -> Result<()> {
    let kube = start()?;
    let rows = [
        (web("    imag: x\n"), "strict decoding error: unknown field \"spec.containers[0].imag\""),
        (
            web("    ports: [{ containerPort: 0 }]\n"),
            "spec.containers[0].ports[0].containerPort: Invalid value: 0",
        ),
        (
            web("").replace("name: app", "name: App"),
            "spec.containers[0].name: Invalid value: \"App\"",
        ),
        (web("").replace("name: web", "name: Web"), "metadata.name: Invalid value: \"Web\""),
        (
            web("").replace("app: web", "app: 'a b'"),
            "metadata.labels: Invalid value: \"a b\": a valid label must be",
        ),
        (
            web("    volumeDevices: [{ name: disk, devicePath: /dev/x }]\n"),
            "spec.containers[0].volumeDevices: Forbidden",
        ),
        (web("    command: 3\n"), "spec.containers[0].command"),
    ];
    for (manifest, text) in rows {
        let refused = kube.refused(&["create", "-f", "-"], &manifest)?;
        ensure!(refused.contains(text), "{text} is not in: {refused}");
    }
    let warned = kube.try_kubectl(
        &["create", "--validate=warn", "-f", "-", "--dry-run=server"],
        &web("    imag: x\n"),
    )?;
    ensure!(
        warned.stderr.contains("Warning: unknown field \"spec.containers[0].imag\""),
        "{}",
        warned.stderr
    );
    ensure!(warned.stderr.contains("Warning: spec.nodeSelector: ignored"), "{}", warned.stderr);
    ensure!(kube.kubectl(&["get", "pods", "-o", "name"])?.is_empty());
    let generated = with(
        &kube,
        &["create", "-o", "name"],
        &web("").replace("name: web", "generateName: web-"),
    )?;
    ensure!(
        generated.starts_with("pod/web-") && generated.trim().len() == "pod/web-".len() + 5,
        "{generated}"
    );
    let explained = kube.kubectl(&["explain", "pod.spec.containers.livenessProbe"])?;
    ensure!(
        explained.contains("Failures in a row after which the probe has failed"),
        "{explained}"
    );
    Ok(())
}

#[test]
fn deletions_have_a_grace_and_conditions() -> Result<()> {
    let kube = start()?;
    let stubborn = |name: &str| {
        web("")
            .replace("name: web", &format!("name: {name}"))
            .replace("terminationGracePeriodSeconds: 1", "terminationGracePeriodSeconds: 1000")
    };
    for name in ["a", "b", "c", "d"] {
        with(&kube, &["create"], &stubborn(name))?;
        kube.ready(name)?;
    }
    kube.kubectl(&["delete", "pod", "a", "--wait=false"])?;
    let pod = kube.pod("a")?;
    ensure!(pod["metadata"]["deletionGracePeriodSeconds"] == 1000, "{pod}");
    ensure!(pod["metadata"]["deletionTimestamp"].is_string(), "{pod}");
    // A later deletion shortens the grace.
    kube.kubectl(&["delete", "pod", "a", "--grace-period=1"])?;
    kube.kubectl(&["delete", "pod", "b", "--now"])?;
    kube.kubectl(&["delete", "pod", "c", "--force", "--grace-period=0"])?;
    kube.kubectl(&["delete", "pod", "d", "--dry-run=server"])?;
    ensure!(kube.kubectl(&["get", "pods", "-o", "name"])? == "pod/d\n");
    let raw =
        |path: &str, body: &str| kube.try_kubectl(&["delete", "--raw", path, "-f", "-"], body);
    let wrong = raw(
        "/api/v1/namespaces/default/pods/d",
        r#"{"preconditions":{"uid":"6c1f2d3e-0000-4000-8000-000000000000"}}"#,
    )?;
    ensure!(wrong.stderr.contains("Precondition failed: UID"), "{}", wrong.stderr);
    with(&kube, &["create"], &web(""))?;
    let path = "/api/v1/namespaces/default/pods?labelSelector=app%3Dweb";
    raw(path, r#"{"gracePeriodSeconds":0}"#).and_then(succeed)?;
    eventually("no pod is left", SOON, || {
        kube.kubectl(&["get", "pods", "-o", "name"]).ok()?.is_empty().then_some(())
    })?;
    with(&kube, &["create"], &web(""))?;
    let eviction = r#"{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"web"}}"#;
    let path = "/api/v1/namespaces/default/pods/web/eviction";
    kube.try_kubectl(&["create", "--raw", path, "-f", "-"], eviction).and_then(succeed)?;
    kube.kubectl(&["wait", "--for=delete", "pod/web", "--timeout=30s"])?;
    Ok(())
}

#[test]
fn some_pods_and_users_write_nothing() -> Result<()> {
    let kube = start()?;
    let viewer = kube.kubeconfig("viewer", &["--view"])?;
    with(&kube, &["create"], &web(""))?;
    for args in
        [&["delete", "pod", "web"][..], &["label", "pod", "web", "a=b"], &["run", "x", "--image=x"]]
    {
        let done = kube.as_user(&viewer, args, "")?;
        ensure!(
            done.stderr.contains("(Forbidden)") || done.stderr.contains("forbidden"),
            "{args:?}: {}",
            done.stderr
        );
    }
    ensure!(kube.kubectl(&["auth", "can-i", "create", "pods"])? == "yes\n");
    let file = kube.host.path(STATIC_PODS).join("fixed.yaml");
    std::fs::write(&file, web("").replace("name: web", "name: fixed"))?;
    eventually("the static pod", SOON, || kube.pod("fixed").ok())?;
    for args in [&["delete", "pod", "fixed"][..], &["label", "pod", "fixed", "a=b"]] {
        let refused = kube.refused(args, "")?;
        ensure!(refused.contains("fixed.yaml") && refused.contains("forbidden"), "{refused}");
    }
    Ok(())
}

#[test]
fn kubectl_run_edit_and_status() -> Result<()> {
    let kube = start()?;
    ensure!(
        kube.kubectl(&[
            "run",
            "one",
            &format!("--image={BUSYBOX_IMAGE}"),
            "--command",
            "--",
            "sleep",
            "100"
        ])? == "pod/one created\n"
    );
    kube.ready("one")?;
    ensure!(kube.pod("one")?["metadata"]["labels"]["run"] == "one");
    let edit = kube.host.path("edit.sh");
    std::fs::write(&edit, "#!/bin/sh\nsed -i 's/run: one/run: two/' \"$1\"\n")?;
    let mut command = kube.kubectl.command();
    command.env("KUBE_EDITOR", format!("sh {}", edit.display()));
    let edited = finish(command.args(["edit", "pod", "one"]), "").and_then(succeed)?;
    ensure!(edited == "pod/one edited\n", "{edited}");
    ensure!(kube.pod("one")?["metadata"]["labels"]["run"] == "two");
    let patch =
        r#"{"status":{"conditions":[{"type":"example.com/gate","status":"True","reason":"Ok"}]}}"#;
    kube.kubectl(&["patch", "pod", "one", "--subresource=status", "-p", patch])?;
    let conditions = kube.pod("one")?["status"]["conditions"].clone();
    let is_set = |it: &Value| it["type"] == "example.com/gate" && it["status"] == "True";
    ensure!(conditions.as_array().is_some_and(|all| all.iter().any(is_set)), "{conditions}");
    Ok(())
}
