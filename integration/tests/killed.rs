//! The daemon is killed during each kind of operation, at several moments. The next daemon reaches
//! the requested state, counts restarts correctly and leaves nothing behind.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, with_host};
use serde_json::{Value, json};

/// Milliseconds from a call to the kill of the daemon.
const QUICK: [u64; 6] = [0, 8, 20, 40, 70, 110];

fn create(name: &str) -> Value {
    json!({ "name": name, "image": IMAGE, "args": ["sleep"], "start": true })
}

fn is_running(status: &Value) -> bool {
    status["state"]["running"].is_object()
}

fn has_ended(status: &Value) -> bool {
    status["state"]["terminated"].is_object()
}

/// Makes a call, kills the daemon after this time, and starts the next one.
fn kill_in(host: &mut Host, method: &str, request: &Value, milliseconds: u64) -> Result<()> {
    let (mut call, _) = host.spawn_call(method, request)?;
    thread::sleep(Duration::from_millis(milliseconds));
    host.kill_daemon()?;
    call.wait()?;
    host.start_daemon()
}

fn delete(host: &Host, name: &str) -> Result<()> {
    host.probelet(["delete", "pod", name, "--grace-period", "0"])?;
    host.expect_nothing_left()
}

#[test]
fn the_daemon_dies_during_a_creation() -> Result<()> {
    with_host(|host| {
        for milliseconds in QUICK {
            let method = "probelet.v1.Containers/CreateContainer";
            kill_in(host, method, &create("app"), milliseconds)?;
            // The call may have failed before the container existed.
            if host.status("app").is_err() {
                host.call(method, &create("app"))?;
            }
            let status = host.wait_status("app", SOON, is_running)?;
            assert_eq!(status["restartCount"], 0, "after {milliseconds} ms: {status}");
            ensure!(host.ctr(["task", "ls", "-q"])?.lines().count() == 1, "one task");
            delete(host, "app")?;
        }
        Ok(())
    })
}

#[test]
fn the_daemon_dies_during_a_start_and_a_stop() -> Result<()> {
    with_host(|host| {
        host.call("probelet.v1.Containers/CreateContainer", &create("app"))?;
        for milliseconds in QUICK {
            host.wait_status("app", SOON, is_running)?;
            let request = json!({ "name": "app", "gracePeriod": "0s" });
            kill_in(host, "probelet.v1.Containers/StopContainer", &request, milliseconds)?;
            // The call may have failed before the stop was recorded.
            host.probelet(["stop", "app", "--grace-period", "0"])?;
            let before = host.wait_status("app", SOON, has_ended)?;
            assert_eq!(before["state"]["terminated"]["exitCode"], 137, "{before}");
            let request = json!({ "name": "app" });
            kill_in(host, "probelet.v1.Containers/StartContainer", &request, milliseconds)?;
            host.probelet(["start", "app"])?;
            let status = host.wait_status("app", SOON, is_running)?;
            let counts = [&before, &status].map(|status| status["restartCount"].as_u64());
            ensure!(counts[1] == counts[0].map(|count| count + 1), "{before} {status}");
            let tasks = host.ctr(["task", "ls", "-q"])?;
            ensure!(
                tasks.lines().count() <= 2,
                "more than the ended attempt's task is left: {tasks}"
            );
        }
        delete(host, "app")
    })
}

#[test]
fn the_daemon_dies_during_a_deletion() -> Result<()> {
    with_host(|host| {
        for milliseconds in QUICK {
            host.call("probelet.v1.Containers/CreateContainer", &create("app"))?;
            host.wait_status("app", SOON, is_running)?;
            let request = json!({ "name": "app", "gracePeriod": "0s" });
            kill_in(host, "probelet.v1.Pods/RemovePod", &request, milliseconds)?;
            eventually("the pod is deleted", SOON, || {
                let _ = host.try_probelet(["delete", "pod", "app", "--grace-period", "0"], "");
                host.status("app").is_err().then_some(())
            })?;
            host.expect_nothing_left()?;
        }
        Ok(())
    })
}

#[test]
fn the_daemon_dies_while_it_writes_a_record() -> Result<()> {
    with_host(|host| {
        host.call("probelet.v1.Containers/CreateContainer", &create("app"))?;
        let pid = host.wait_status("app", SOON, is_running).and_then(|_| host.task_pid("app_0"))?;
        for milliseconds in [0, 2, 4, 6, 8, 12] {
            let request = json!({ "name": "app", "length": "600s" });
            kill_in(host, "probelet.v1.Containers/PauseProbes", &request, milliseconds)?;
            let status = host.status("app")?;
            ensure!(is_running(&status) && status["restartCount"] == 0, "{status}");
            assert_eq!(host.task_pid("app_0")?, pid);
            host.probelet(["resume", "app"])?;
        }
        let events = host.events()?;
        ensure!(!events.iter().any(|event| event.contains("RecordBroken")), "{events:?}");
        delete(host, "app")
    })
}

#[test]
fn the_daemon_dies_during_a_pre_stop_hook() -> Result<()> {
    with_host(|host| {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "app" },
            "spec": {
                "terminationGracePeriodSeconds": 8,
                "containers": [{
                    "name": "app", "image": IMAGE, "args": ["sleep"],
                    "lifecycle": { "preStop": { "sleep": { "seconds": 5 } } },
                }],
            },
        });
        host.apply(&pod.to_string())?;
        host.wait_status("app", SOON, is_running)?;
        let pid = host.task_pid("app_0")?;
        let (mut call, _) =
            host.spawn_call("probelet.v1.Containers/RestartContainer", &json!({ "name": "app" }))?;
        let seen = eventually("the hook runs", SOON, || {
            host.events().ok()?.iter().any(|event| event.contains("Killing")).then_some(())
        });
        call.kill()?;
        call.wait()?;
        seen?;
        host.kill_daemon()?;
        assert_eq!(host.task_pid("app_0")?, pid, "the process ended before the hook was over");
        host.start_daemon()?;
        let back =
            |status: &Value| status["restartCount"].as_u64() >= Some(1) && is_running(status);
        let status = host.wait_status("app", SOON * 2, back)?;
        assert_eq!(status["restartCount"], 1, "{status}");
        let events = host.events()?;
        let killed = events.iter().filter(|event| event.contains("Killing")).count();
        ensure!(killed == 1, "not one Killing event: {events:?}");
        delete(host, "app")
    })
}

#[test]
fn the_daemon_dies_during_restarts() -> Result<()> {
    with_host(|host| {
        let backoff = json!({ "base": "0.1s", "cap": "0.1s" });
        let mut request = create("app");
        request["backoff"] = backoff;
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        let mut restarts = 0;
        for milliseconds in QUICK {
            host.wait_status("app", SOON, is_running)?;
            let request = json!({ "name": "app", "signal": "KILL" });
            kill_in(host, "probelet.v1.Containers/KillContainer", &request, milliseconds)?;
            let status = host.wait_status("app", SOON, is_running)?;
            let count = status["restartCount"].as_u64().context("no count")?;
            // The daemon may have died before it sent the signal.
            ensure!(count == restarts || count == restarts + 1, "{restarts}: {status}");
            if count > restarts {
                let last = &status["lastState"]["terminated"];
                assert_eq!(last["exitCode"], 137, "{status}");
                let id = format!("containerd://app_{restarts}");
                assert_eq!(last["containerID"], id, "{status}");
            }
            restarts = count;
        }
        delete(host, "app")
    })
}

/// The sequence numbers of the events that were streamed so far.
fn streamed(out: &std::path::Path) -> Result<Vec<u64>> {
    let text = std::fs::read_to_string(out)?;
    let stream = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let number = |event: Value| event["sequence"].as_str()?.parse().ok();
    // The client's error at the end of the daemon is no event and ends the list.
    stream.map_while(Result::ok).map(|event| number(event).context("no number")).collect()
}

#[test]
fn a_sequence_number_is_not_used_again_even_if_no_record_has_its_event() -> Result<()> {
    with_host(|host| {
        let mut request = create("app");
        // Failures of readiness are events, but no record is written for them.
        request["readinessProbe"] =
            json!({ "tcpSocket": { "port": 1 }, "period": "0.1s", "failureThreshold": 1 });
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        let method = "probelet.v1.Events/WatchEvents";
        let mut newest = 0;
        for _ in 0..3 {
            let (mut watch, out) = host.spawn_call(method, &json!({ "after": newest }))?;
            let seen = eventually("20 events more", SOON, || {
                (streamed(&out).ok()?.len() >= 20).then_some(())
            });
            host.kill_daemon()?;
            watch.wait()?;
            seen?;
            let numbers = streamed(&out)?;
            std::fs::remove_file(&out)?;
            let grow = |numbers: &[u64]| numbers.is_sorted_by(|a, b| a < b);
            ensure!(grow(&numbers) && numbers.first() > Some(&newest), "{newest}: {numbers:?}");
            newest = numbers.last().copied().context("no event")?;
            host.start_daemon()?;
        }
        delete(host, "app")
    })
}
