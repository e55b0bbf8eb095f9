//! Restarts after ends that no operator asked for, and how they are reported.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use probelet_integration::{Host, IMAGE, SOON, eventually, with_host};
use serde_json::{Value, json};

fn create(host: &Host, name: &str, args: &[&str], restart_policy: &str) -> Result<Value> {
    let request = json!({
        "name": name, "image": IMAGE, "args": args,
        "restartPolicy": restart_policy, "start": true,
    });
    host.call("probelet.v1.Containers/CreateContainer", &request)
}

fn is_running(status: &Value) -> bool {
    status["state"]["running"].is_object()
}

#[test]
fn a_container_that_is_killed_from_outside_restarts_with_exit_code_137() -> Result<()> {
    with_host(|host| {
        create(host, "victim", &["sleep"], "ALWAYS")?;
        host.wait_status("victim", SOON, is_running)?;
        host.ctr(["task", "kill", "-s", "SIGKILL", "victim_0"])?;
        let back = |status: &Value| status["restartCount"] == 1 && is_running(status);
        let status = host.wait_status("victim", SOON, back)?;
        let last = &status["lastState"]["terminated"];
        assert_eq!(last["exitCode"], 137, "{status}");
        assert_eq!(last["signal"], 9, "{status}");
        assert_eq!(last["reason"], "Error", "{status}");
        host.task_pid("victim_1")?;
        Ok(())
    })
}

#[test]
fn exit_codes_are_reported_unchanged() -> Result<()> {
    with_host(|host| {
        for (name, code, reason) in
            [("zero", 0, "Completed"), ("one", 1, "Error"), ("forty-two", 42, "Error")]
        {
            create(host, name, &["exit", &code.to_string()], "NEVER")?;
            let ended = |status: &Value| status["state"]["terminated"].is_object();
            let status = host.wait_status(name, SOON, ended)?;
            let end = &status["state"]["terminated"];
            assert_eq!(end["exitCode"], code, "{status}");
            assert_eq!(end["reason"], reason, "{status}");
            assert_eq!(status["restartCount"], 0, "{status}");
        }
        Ok(())
    })
}

#[test]
fn a_crash_loop_backs_off() -> Result<()> {
    with_host(|host| {
        create(host, "crasher", &["exit", "1"], "ALWAYS")?;
        let backs_off = |status: &Value| status["state"]["waiting"]["reason"] == "CrashLoopBackOff";
        let status = host.wait_status("crasher", SOON, backs_off)?;
        assert_eq!(status["lastState"]["terminated"]["exitCode"], 1, "{status}");
        let table = host.probelet(["get", "pods"])?;
        assert!(table.contains("CrashLoopBackOff"), "{table}");
        host.probelet(["delete", "pod", "crasher"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn a_container_stays_terminated_after_max_restarts_in_a_row() -> Result<()> {
    with_host(|host| {
        let request = json!({
            "name": "app", "image": IMAGE, "args": ["exit", "3"], "restartPolicy": "ON_FAILURE",
            "backoff": { "base": "0.1s", "maxRestarts": 2 }, "start": true,
        });
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        let left = |status: &Value| status["state"]["terminated"]["exitCode"] == 3;
        let status = host.wait_status("app", SOON, |s| left(s) && s["restartCount"] == 2)?;
        assert_eq!(host.pod("app")?["status"]["phase"], "Failed", "{status}");
        let events = host.events()?;
        let exceeded = "Warning BackoffLimitExceeded Container app was restarted 2 times in a row";
        assert!(events.iter().any(|event| event.starts_with(exceeded)), "{events:#?}");
        // The next daemon does not restart it either, but an operator can.
        host.kill_daemon()?;
        host.start_daemon()?;
        assert!(left(&host.status("app")?));
        host.try_probelet(["restart", "app"], "")?;
        host.wait_status("app", SOON, |s| s["restartCount"].as_u64() >= Some(3))?;
        Ok(())
    })
}

/// The content of probelet's record of an attempt, as text.
fn record(host: &Host, id: &str) -> Result<String> {
    let info: Value = serde_json::from_str(&host.ctr(["container", "info", id])?)?;
    let value = info["Extensions"]["probelet.v1.record"]["value"].as_str();
    let mut decode =
        Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = decode.stdin.take().context("no stdin")?;
    stdin.write_all(value.context("no record")?.as_bytes())?;
    drop(stdin);
    Ok(String::from_utf8_lossy(&decode.wait_with_output()?.stdout).into_owned())
}

#[test]
fn a_daemon_that_crashes_leaves_the_container_running() -> Result<()> {
    with_host(|host| {
        create(host, "steady", &["sleep"], "ALWAYS")?;
        host.wait_status("steady", SOON, is_running)?;
        let pid = host.task_pid("steady_0")?;
        host.probelet(["pause", "steady", "--for", "1h"])?;
        // Once the record has this event, it has all earlier ones.
        eventually("the pause is written", SOON, || {
            record(host, "steady_0").ok()?.contains("ProbesPaused").then_some(())
        })?;
        let events = host.events()?;

        host.kill_daemon()?;
        assert_eq!(host.task_pid("steady_0")?, pid);
        host.start_daemon()?;
        assert_eq!(host.events()?, events, "the next daemon has other events");
        let status = host.wait_status("steady", SOON, is_running)?;
        assert_eq!(status["restartCount"], 0, "{status}");
        assert_eq!(host.task_pid("steady_0")?, pid);

        // The next daemon restarts the container.
        host.ctr(["task", "kill", "-s", "SIGKILL", "steady_0"])?;
        host.wait_status("steady", SOON, |status| status["restartCount"] == 1)?;
        eventually("the next attempt runs", SOON, || host.task_pid("steady_1").ok())?;
        Ok(())
    })
}
