//! The daemon or containerd is killed during an operation, which is still completed.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::Result;
use probelet_integration::{Host, IMAGE, SOON, eventually, with_host};
use serde_json::{Value, json};

fn create(host: &Host, args: &[&str], more: Value) -> Result<Value> {
    let mut request = json!({ "name": "app", "image": IMAGE, "args": args, "start": true });
    if let (Some(request), Value::Object(more)) = (request.as_object_mut(), more) {
        request.extend(more);
    }
    host.call("probelet.v1.Containers/CreateContainer", &request)
}

fn is_running(status: &Value) -> bool {
    status["state"]["running"].is_object()
}

fn wait_event(host: &Host, reason: &str) -> Result<()> {
    eventually(reason, SOON, || {
        let events = host.events().ok()?;
        events.iter().any(|event| event.contains(reason)).then_some(())
    })
}

#[test]
fn a_stop_is_completed_if_the_daemon_dies_during_the_grace() -> Result<()> {
    with_host(|host| {
        create(host, &["sleep"], json!({}))?;
        let pid = host.task_pid("app_0")?;
        let stop = json!({ "name": "app", "gracePeriod": "6s" });
        let (mut call, _) = host.spawn_call("probelet.v1.Containers/StopContainer", &stop)?;
        let seen = wait_event(host, "Killing");
        call.kill()?;
        call.wait()?;
        seen?;
        host.kill_daemon()?;
        assert_eq!(host.task_pid("app_0")?, pid, "the grace is not over");

        host.start_daemon()?;
        let ended = |status: &Value| status["state"]["terminated"].is_object();
        let status = host.wait_status("app", SOON, ended)?;
        assert_eq!(status["state"]["terminated"]["exitCode"], 137, "{status}");
        assert_eq!(status["restartCount"], 0, "{status}");
        Ok(())
    })
}

#[test]
fn a_replacement_is_completed_if_the_daemon_dies_during_the_old_pods_grace() -> Result<()> {
    with_host(|host| {
        let manifest = |value: &str| {
            json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "app" },
                "spec": {
                    "terminationGracePeriodSeconds": 6,
                    "containers": [{
                        "name": "app", "image": IMAGE, "args": ["sleep"],
                        "env": [{ "name": "A", "value": value }],
                    }],
                },
            })
        };
        host.apply(&manifest("old").to_string())?;
        host.wait_status("app", SOON, is_running)?;
        let pid = host.task_pid("app_0")?;
        let request = json!({ "object": manifest("new") });
        let (mut call, _) = host.spawn_call("probelet.v1.Pods/ApplyPod", &request)?;
        let seen = wait_event(host, "Replaced");
        call.kill()?;
        call.wait()?;
        seen?;
        host.kill_daemon()?;
        assert_eq!(host.task_pid("app_0")?, pid, "the grace is not over");

        host.start_daemon()?;
        // The attempt numbers of the new pod are above the old one's.
        let is_new = |s: &Value| is_running(s) && s["containerID"] == "containerd://app_10";
        let status = host.wait_status("app", SOON, is_new)?;
        assert_eq!(status["restartCount"], 0, "{status}");
        assert!(host.task_pid("app_0").is_err(), "the old pod still runs");
        assert_eq!(host.apply(&manifest("new").to_string())?, "pod/app unchanged\n");
        Ok(())
    })
}

#[test]
fn a_liveness_kill_is_completed_if_the_daemon_dies_during_the_grace() -> Result<()> {
    with_host(|host| {
        let probe = json!({
            "httpGet": { "port": 8080 }, "period": "0.2s", "failureThreshold": 2,
            "terminationGracePeriod": "3s",
        });
        create(host, &["serve", "--fail-after", "3"], json!({ "livenessProbe": probe }))?;
        wait_event(host, "Killing")?;
        host.kill_daemon()?;
        host.task_pid("app_0")?;

        host.start_daemon()?;
        let back = |status: &Value| status["restartCount"] == 1 && is_running(status);
        let status = host.wait_status("app", SOON, back)?;
        assert_eq!(status["lastState"]["terminated"]["exitCode"], 137, "{status}");
        let described = host.probelet(["describe", "pod", "app"])?;
        assert!(described.contains("liveness probe failed"), "{described}");
        Ok(())
    })
}

#[test]
fn a_back_off_continues_if_the_daemon_dies_during_it() -> Result<()> {
    with_host(|host| {
        create(host, &["exit", "3"], json!({ "backoff": { "base": "8s" } }))?;
        let backs_off = |status: &Value| {
            status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
                && status["restartCount"] == 1
        };
        host.wait_status("app", SOON, backs_off)?;
        host.kill_daemon()?;
        host.start_daemon()?;
        let status = host.status("app")?;
        assert!(backs_off(&status), "{status}");
        assert_eq!(status["lastState"]["terminated"]["exitCode"], 3, "{status}");
        host.wait_status("app", SOON, |status| status["restartCount"] == 2)?;
        Ok(())
    })
}

#[test]
fn liveness_probes_continue_without_containerd_and_kill_when_it_is_back() -> Result<()> {
    with_host(|host| {
        let probe = json!({ "httpGet": { "port": 8080 }, "period": "0.2s" });
        let more = json!({ "livenessProbe": probe, "terminationGracePeriod": "1s" });
        create(host, &["serve", "--fail-after", "25"], more)?;
        let pid = host.task_pid("app_0")?;
        host.kill_containerd()?;
        assert!(is_running(&host.status("app")?), "probing needs no containerd");
        host.start_containerd()?;
        assert_eq!(host.task_pid("app_0")?, pid);

        let back = |status: &Value| status["restartCount"] == 1 && is_running(status);
        let status = host.wait_status("app", SOON * 2, back)?;
        assert_eq!(status["lastState"]["terminated"]["exitCode"], 137, "{status}");
        let described = host.probelet(["describe", "pod", "app"])?;
        assert!(described.contains("liveness probe failed"), "{described}");
        Ok(())
    })
}

#[test]
fn a_daemon_that_starts_without_containerd_answers_so_until_it_is_back() -> Result<()> {
    with_host(|host| {
        create(host, &["sleep"], json!({}))?;
        let pid = host.task_pid("app_0")?;
        host.kill_daemon()?;
        host.kill_containerd()?;
        host.spawn_daemon()?;
        let said = eventually("an answer", SOON, || {
            let done = host.try_probelet(["get", "pods"], "").ok()?;
            done.stderr.contains("containerd does not answer yet").then_some(())
        });
        host.start_containerd()?;
        said?;
        host.wait_daemon()?;
        assert!(is_running(&host.status("app")?));
        assert_eq!(host.task_pid("app_0")?, pid);
        Ok(())
    })
}
