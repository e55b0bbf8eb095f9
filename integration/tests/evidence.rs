//! Evidence of containers that hang in different ways.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;

use anyhow::{Context, Result};
use probelet_integration::{Host, SOON, eventually, root, with_host};
use serde_json::{Value, json};

const CREATE: &str = "probelet.v1.Containers/CreateContainer";
const EVIDENCE: &str = "probelet.v1.Containers/GetEvidence";

/// A request for a container that hangs as its arguments say, with a liveness probe that fails.
fn hanging(host: &Host, name: &str, words: &[&str]) -> Result<Value> {
    let rootfs = host.path(&format!("rootfs-{name}"));
    for folder in ["proc", "dev", "tmp"] {
        fs::create_dir_all(rootfs.join(folder))?;
    }
    let binary = root().join("target/images/rootfs/kubia-unhealthy");
    fs::copy(binary, rootfs.join("kubia-unhealthy")).context("run scripts/build-image")?;
    let text = fs::read_to_string(root().join("examples/hand-written-oci.json"))?;
    let mut request: Value = serde_json::from_str(&text)?;
    let args: Vec<&str> = ["/kubia-unhealthy"].into_iter().chain(words.iter().copied()).collect();
    request["ociSpec"]["process"]["args"] = json!(args);
    request["name"] = json!(name);
    request["rootfs"] = json!(rootfs);
    // Nothing listens on port 1.
    request["livenessProbe"] =
        json!({ "url": "tcp://:1", "period": "1s", "initialDelay": "2s", "failureThreshold": 1 });
    request["terminationGracePeriod"] = json!("1s");
    // One kill is enough.
    request["restartPolicy"] = json!("NEVER");
    Ok(request)
}

/// The evidence of the only kill, from the API.
fn evidence(host: &Host, name: &str) -> Result<Value> {
    let ask = || host.call(EVIDENCE, &json!({ "name": name })).ok();
    eventually("evidence", SOON, || {
        let kept = ask()?["evidence"].as_array()?.first()?.clone();
        Some(kept)
    })
}

fn reading(evidence: &Value) -> String {
    let lines = evidence["reading"].as_array().cloned().unwrap_or_default();
    lines.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_deadlock_is_recognised_before_the_kill() -> Result<()> {
    with_host(|host| {
        host.call(CREATE, &hanging(host, "app", &["deadlock"])?)?;
        let evidence = evidence(host, "app")?;
        let said = reading(&evidence);
        assert!(said.contains("3 of 3 threads") && said.contains("looks deadlocked"), "{said}");
        let details = &evidence["details"];
        assert_eq!(details["captured"]["log"], json!(["hanging"]), "{details}");
        assert_eq!(details["probes"][0]["outcome"], "failure", "{details}");
        let threads = details["captured"]["processes"][0]["threads"].to_string();
        assert!(threads.contains("left") && threads.contains("right"), "{threads}");

        // The program has no handler for SIGTERM, so SIGKILL ends it after the grace.
        let ended = |status: &Value| status["state"]["terminated"]["signal"] == 9;
        host.wait_status("app", SOON, ended)?;
        let events = host.events()?;
        let at = |what: &str| events.iter().position(|event| event.contains(what));
        at("looks deadlocked").context("no event")?;
        at("Killing").context("no kill")?;

        let shown = host.probelet(["describe", "pod", "app", "--evidence", "-c", "app"])?;
        let (_, shown) = shown.split_once("\nEvidence:\n").context("no section")?;
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].contains("looks deadlocked"), "{shown}");
        assert!(shown.contains("futex"), "{shown}");

        // The evidence outlives the daemon and is removed with the container.
        host.kill_daemon()?;
        host.start_daemon()?;
        assert_eq!(self::evidence(host, "app")?, evidence);
        host.probelet(["delete", "pod", "app"])?;
        host.expect_nothing_left()?;
        eventually("no file is left", SOON, || (!host.path("log/app").exists()).then_some(()))
    })
}

#[test]
fn a_full_accept_queue_is_named() -> Result<()> {
    with_host(|host| {
        let mut request = hanging(host, "app", &["deaf", "8080"])?;
        // The failing probe itself fills the queue: connections that it gives up stay there.
        request["livenessProbe"] = json!({
            "httpGet": { "port": 8080, "path": "/" }, "period": "0.1s", "timeout": "0.05s",
            "failureThreshold": 200,
        });
        let sysctl = &mut request["ociSpec"]["linux"]["sysctl"];
        *sysctl = json!({ "net.core.somaxconn": "3" });
        host.call(CREATE, &request)?;
        let said = reading(&evidence_within(host, "app")?);
        assert!(said.contains("listener 127.0.0.1:8080 has 4 of 3"), "{said}");
        assert!(said.contains("accept queue full"), "{said}");
        Ok(())
    })
}

/// The evidence of a container whose probe takes up to a minute to reach its threshold.
fn evidence_within(host: &Host, name: &str) -> Result<Value> {
    host.wait_status(name, SOON * 4, |status| status["state"]["terminated"].is_object())?;
    evidence(host, name)
}

#[test]
fn an_exhausted_heap_is_named() -> Result<()> {
    with_host(|host| {
        let mut request = hanging(host, "app", &["hog", "62", "/tmp/file"])?;
        request["ociSpec"]["linux"]["resources"]["memory"]["limit"] = json!(64 << 20);
        request["livenessProbe"]["initialDelay"] = json!("4s");
        host.call(CREATE, &request)?;
        let evidence = evidence(host, "app")?;
        let said = reading(&evidence);
        let expected = said.contains("of 64 MiB") && said.contains("heap exhausted");
        assert!(expected, "{said} {}", evidence["details"]["captured"]["memory"]);
        Ok(())
    })
}

#[test]
fn the_evidence_signal_and_command_add_their_output() -> Result<()> {
    with_host(|host| {
        let script = "trap 'echo all my threads' QUIT; echo up; while true; do sleep 0.05; done";
        let mut request = host.busybox("app", script)?;
        request["livenessProbe"] = json!({ "url": "tcp://:1", "period": "1s", "initialDelay": "1s", "failureThreshold": 1 });
        request["restartPolicy"] = json!("NEVER");
        request["terminationGracePeriod"] = json!("0s");
        request["lifecycle"] = json!({
            "evidenceSignal": "QUIT", "evidenceExec": { "command": ["echo", "a dump"] },
        });
        host.call(CREATE, &request)?;
        let evidence = evidence(host, "app")?;
        let seen = &evidence["details"]["captured"];
        assert_eq!(seen["commandOutput"], "a dump\n", "{seen}");
        assert!(seen["log"].to_string().contains("all my threads"), "{seen}");
        Ok(())
    })
}

#[test]
fn a_spinning_thread_is_named_by_a_sample_of_an_earlier_failure() -> Result<()> {
    with_host(|host| {
        let mut request = hanging(host, "app", &["spin"])?;
        request["livenessProbe"]["failureThreshold"] = json!(3);
        host.call(CREATE, &request)?;
        let evidence = evidence(host, "app")?;
        let said = reading(&evidence);
        assert!(said.contains("'spinner'") && said.contains("looks spinning"), "{said}");
        // The threads were sampled at the second failure, a period of the probe before the third.
        let seen = &evidence["details"]["captured"];
        assert!(seen["sampleMilliseconds"].as_u64() >= Some(500), "{seen}");
        Ok(())
    })
}
