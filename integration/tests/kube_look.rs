//! kubectl itself looks at a host: get, describe, logs, watch, top, wait, by Debian's build.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;

use anyhow::{Context, Result, ensure};
use probelet_integration::kube::Kube;
use probelet_integration::{IMAGE, SOON, eventually};

/// Applies the Pod of the founding story with a fast probe.
fn apply_story(kube: &Kube) -> Result<()> {
    kube.host.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: kubia-liveness, labels: {{ app: kubia }} }}\n\
         spec:\n  terminationGracePeriodSeconds: 1\n  containers:\n  - name: kubia\n    \
         image: {IMAGE}\n    livenessProbe: {{ httpGet: {{ path: /, port: 8080 }}, \
         initialDelaySeconds: 0, periodSeconds: 1 }}\n"
    ))?;
    Ok(())
}

#[test]
fn the_founding_story_is_seen_by_kubectl() -> Result<()> {
    let kube = Kube::start()?;
    apply_story(&kube)?;
    eventually("RESTARTS climbs", SOON * 4, || {
        let pod = kube.pod("kubia-liveness").ok()?;
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
    let absent = kube.try_kubectl(&["get", "po", "absent"], "")?;
    ensure!(absent.code == Some(1));
    ensure!(absent.stderr.contains(r#"pods "absent" not found"#), "{}", absent.stderr);
    Ok(())
}

#[test]
fn the_forms_of_get_are_those_of_a_cluster() -> Result<()> {
    let kube = Kube::start()?;
    apply_story(&kube)?;
    kube.ready("kubia-liveness")?;
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
    let unknown = kube.try_kubectl(&["get", "ingresses"], "")?;
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
    let path = "jsonpath={.metadata.name} {.status.phase}{'\\n'}";
    let mut watch = kube.kubectl.spawn(&["get", "po", "-w", "-o", path])?;
    let mut lines = BufReader::new(watch.0.stdout.take().context("no output")?).lines();
    // kubectl watches from the version of its list, which has this pod or does not.
    kube.host.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: first }}\n\
         spec: {{ containers: [{{ name: app, image: {IMAGE} }}] }}\n"
    ))?;
    lines.next().context("the watch ended")??;
    apply_story(&kube)?;
    let mut seen = Vec::new();
    for line in lines {
        seen.push(line?);
        if seen.last().is_some_and(|line| line == "kubia-liveness Running") {
            break;
        }
    }
    ensure!(seen.contains(&"kubia-liveness Pending".to_owned()), "{seen:?}");
    Ok(())
}

#[test]
fn logs_are_followed_and_cut_as_asked() -> Result<()> {
    let kube = Kube::start()?;
    kube.start_box("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done")?;
    eventually("ten lines", SOON, || {
        kube.kubectl(&["logs", "box"]).ok()?.lines().nth(10).map(drop)
    })?;
    ensure!(kube.kubectl(&["logs", "box", "--tail=2"])?.lines().count() == 2);
    let stamped = kube.kubectl(&["logs", "box", "--timestamps", "--tail=1"])?;
    ensure!(stamped.contains('T') && stamped.contains("line"), "{stamped}");
    let limited = kube.kubectl(&["logs", "box", "--limit-bytes=7"])?;
    ensure!(limited == "line 1\n", "{limited:?}");
    Ok(())
}

#[test]
fn commands_run_and_files_are_copied() -> Result<()> {
    let kube = Kube::start()?;
    kube.start_box("sleep 1000")?;
    let done =
        kube.try_kubectl(&["exec", "box", "--", "sh", "-c", "echo out; echo err >&2; exit 3"], "")?;
    ensure!(done.code == Some(3), "{:?}: {}", done.code, done.stderr);
    ensure!(done.stdout == "out\n" && done.stderr.contains("err"), "{}", done.stderr);
    let echoed = kube.try_kubectl(&["exec", "-i", "box", "--", "cat"], "from stdin\n")?;
    ensure!(echoed.stdout == "from stdin\n", "{}", echoed.stderr);
    let missing = kube.try_kubectl(&["exec", "box", "--", "no-such-program"], "")?;
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
    let attached = kube.try_kubectl(&["create", "--raw", path, "-f", "/dev/null"], "")?;
    ensure!(attached.code != Some(0) && attached.stderr.contains("stdin: containers run without"));
    Ok(())
}

#[test]
fn a_client_without_a_certificate_sees_only_the_health() -> Result<()> {
    let kube = Kube::start()?;
    let config: String = std::fs::read_to_string(&kube.kubectl.kubeconfig)?;
    let server = config.lines().find_map(|line| line.trim().strip_prefix("server: "));
    let server = server.context("no server")?.trim_matches('"').to_owned();
    let anonymous = kube.host.path("anonymous");
    std::fs::write(&anonymous, "apiVersion: v1\nkind: Config\n")?;
    let nobody = kube.kubectl.with_user(anonymous);
    let raw = |path: &str| {
        let flags =
            ["--server", &server, "--insecure-skip-tls-verify", "--username=x", "--password=y"];
        nobody.done(&[&flags[..], &["get", "--raw", path]].concat(), "")
    };
    ensure!(raw("/healthz")?.stdout == "ok");
    let refused = raw("/api/v1/pods")?;
    ensure!(
        refused.code == Some(1) && refused.stderr.contains("Unauthorized"),
        "{}",
        refused.stderr
    );
    let view = kube.kubectl.with_user(kube.kubeconfig("guest", &["--view"])?);
    ensure!(view.run(&["auth", "can-i", "list", "pods"], "")?.contains("yes"));
    let denied = view.done(&["auth", "can-i", "create", "pods/exec"], "")?;
    ensure!(denied.stdout.contains("no"), "{}", denied.stdout);
    Ok(())
}
