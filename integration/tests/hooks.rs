//! Lifecycle hooks and stop signals, with real commands in real containers.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use probelet_integration::{Host, SOON, eventually, processes_with, with_host};
use serde_json::{Value, json};

const CREATE: &str = "probelet.v1.Containers/CreateContainer";

fn shell(script: &str) -> Value {
    json!({ "exec": { "command": ["sh", "-c", script] } })
}

/// A file that a container of this request writes.
fn file(request: &Value, path: &str) -> Result<PathBuf> {
    let rootfs = request["rootfs"].as_str().context("no rootfs")?;
    Ok(PathBuf::from(format!("{rootfs}{path}")))
}

fn event(host: &Host, text: &str) -> Result<()> {
    eventually(text, SOON, || {
        host.events().ok()?.iter().any(|event| event.starts_with(text)).then_some(())
    })
}

#[test]
fn hooks_run_after_the_start_and_before_the_configured_stop_signal() -> Result<()> {
    with_host(|host| {
        let script = "trap 'echo quit >> /tmp/said; exit 7' QUIT; echo up > /tmp/up; \
                      while true; do sleep 0.1; done";
        let mut request = host.busybox("app", script)?;
        request["lifecycle"] = json!({
            "postStart": shell("echo start >> /tmp/said"),
            "preStop": shell("echo stop >> /tmp/said"),
            "stopSignal": "QUIT",
        });
        host.call(CREATE, &request)?;
        let up = file(&request, "/tmp/up")?;
        host.wait_status("app", SOON, |status| status["started"] == true && up.exists())?;
        host.probelet(["stop", "app"])?;
        let status = host.status("app")?;
        assert_eq!(status["state"]["terminated"]["exitCode"], 7, "{status}");
        let said = fs::read_to_string(file(&request, "/tmp/said")?)?;
        assert_eq!(said, "start\nstop\nquit\n");
        Ok(())
    })
}

#[test]
fn a_failed_post_start_hook_ends_the_instance_and_its_output_is_not_reported() -> Result<()> {
    with_host(|host| {
        let mut request = host.busybox("app", "sleep 1000")?;
        request["lifecycle"] = json!({ "postStart": shell("echo password; exit 3") });
        request["terminationGracePeriod"] = json!("0s");
        host.call(CREATE, &request)?;
        event(host, "Warning FailedPostStartHook PostStartHook failed")?;
        event(host, "Normal Killing FailedPostStartHook")?;
        host.wait_status("app", SOON, |status| status["restartCount"].as_u64() >= Some(1))?;
        assert!(!host.events()?.concat().contains("password"));
        let described = host.probelet(["describe", "pod", "app"])?;
        assert!(described.contains("postStart hook failed"), "{described}");
        Ok(())
    })
}

#[test]
fn a_pre_stop_hook_that_hangs_is_ended_with_the_grace() -> Result<()> {
    with_host(|host| {
        let word = (2_000_000 + std::process::id()).to_string();
        let mut request = host.busybox("app", "sleep 1000")?;
        request["lifecycle"] = json!({ "preStop": shell(&format!("sleep {word}")) });
        host.call(CREATE, &request)?;
        host.probelet(["stop", "app", "--grace-period", "1"])?;
        event(host, "Warning FailedPreStopHook PreStopHook failed")?;
        let status = host.status("app")?;
        assert_eq!(status["state"]["terminated"]["exitCode"], 137, "{status}");
        eventually("the hook has ended too", SOON, || {
            processes_with(&word).is_empty().then_some(())
        })
    })
}
