//! Changes by others to tasks, records, snapshots and folders of a running daemon.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;

use anyhow::{Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, with_host};
use serde_json::{Value, json};

fn create(host: &Host, name: &str, args: &[&str]) -> Result<Value> {
    let request = json!({ "name": name, "image": IMAGE, "args": args, "start": true });
    host.call("probelet.v1.Containers/CreateContainer", &request)
}

fn is_running(status: &Value) -> bool {
    status["state"]["running"].is_object()
}

fn wait_event(host: &Host, reason: &str) -> Result<()> {
    eventually(reason, SOON * 2, || {
        let events = host.events().ok()?;
        events.iter().any(|event| event.contains(reason)).then_some(())
    })
}

#[test]
fn a_killed_and_a_deleted_task_are_started_again() -> Result<()> {
    with_host(|host| {
        create(host, "app", &["sleep"])?;
        host.ctr(["task", "kill", "--signal", "SIGKILL", "app_0"])?;
        let back = |count: u64| {
            move |status: &Value| status["restartCount"] == count && is_running(status)
        };
        let status = host.wait_status("app", SOON, back(1))?;
        assert_eq!(status["lastState"]["terminated"]["exitCode"], 137, "{status}");
        // The command fails after the kill if probelet deletes the ended task first.
        let _ = host.ctr(["task", "rm", "--force", "app_1"]);
        let status = host.wait_status("app", SOON * 2, back(2))?;
        assert_eq!(status["lastState"]["terminated"]["exitCode"], 137, "{status}");
        Ok(())
    })
}

/// The daemon compares its state with containerd once a minute.
#[test]
fn a_deleted_record_is_written_again() -> Result<()> {
    with_host(|host| {
        create(host, "app", &["sleep"])?;
        host.wait_status("app", SOON, is_running)?;
        host.probelet(["stop", "app", "--grace-period", "0"])?;
        eventually("its record can be deleted", SOON, || {
            host.ctr(["container", "rm", "app_0"]).ok()
        })?;
        eventually("the record is back", SOON * 5, || {
            host.ctr(["container", "ls", "-q"]).ok()?.contains("app_0").then_some(())
        })?;
        wait_event(host, "RecordMissing")?;

        // The record has the state again.
        host.kill_daemon()?;
        host.start_daemon()?;
        let status = host.status("app")?;
        assert_eq!(status["state"]["terminated"]["exitCode"], 137, "{status}");
        host.probelet(["start", "app"])?;
        host.wait_status("app", SOON, is_running)?;
        Ok(())
    })
}

#[test]
fn a_pod_whose_records_are_deleted_while_the_daemon_is_down_no_longer_exists() -> Result<()> {
    with_host(|host| {
        create(host, "app", &["exit", "0"])?;
        host.probelet(["stop", "app"])?;
        host.kill_daemon()?;
        for id in host.ctr(["container", "ls", "-q"])?.lines() {
            let _ = host.ctr(["task", "rm", "--force", id]);
            host.ctr(["container", "rm", id])?;
        }
        host.start_daemon()?;
        ensure!(host.status("app").is_err());
        Ok(())
    })
}

#[test]
fn the_next_start_creates_a_removed_snapshot_again() -> Result<()> {
    with_host(|host| {
        create(host, "app", &["sleep"])?;
        host.probelet(["stop", "app", "--grace-period", "0"])?;
        host.call(
            "probelet.v1.Containers/CreateContainer",
            &json!({ "name": "new", "image": IMAGE, "args": ["sleep"] }),
        )?;
        for id in ["app_0", "new_0"] {
            eventually("the snapshot can be removed", SOON, || {
                host.ctr(["snapshots", "rm", id]).ok()
            })?;
        }
        for name in ["app", "new"] {
            host.probelet(["start", name])?;
            host.wait_status(name, SOON, is_running)?;
        }
        Ok(())
    })
}

#[test]
fn the_socket_is_created_again_after_the_run_folder_is_deleted_and_commands_work() -> Result<()> {
    with_host(|host| {
        let probe =
            json!({ "exec": { "command": ["/kubia-unhealthy", "exit", "0"] }, "period": "0.5s" });
        let request = json!({
            "name": "app", "image": IMAGE, "args": ["sleep"], "start": true,
            "readinessProbe": probe,
        });
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        let ready = |status: &Value| status["ready"] == true;
        host.wait_status("app", SOON, ready)?;
        fs::remove_file(host.socket())?;
        fs::remove_dir_all(host.path("run"))?;
        host.wait_status("app", SOON, ready)?;
        let probed = host.probelet(["probe", "app", "--kind", "readiness"])?;
        assert!(probed.contains("success"), "{probed}");
        Ok(())
    })
}

#[test]
fn a_container_starts_without_a_log_folder() -> Result<()> {
    with_host(|host| {
        create(host, "app", &["sleep"])?;
        host.wait_status("app", SOON, is_running)?;
        fs::remove_dir_all(host.path("log"))?;
        host.probelet(["restart", "app", "--grace-period", "0"])?;
        let back = |count: u64| {
            move |status: &Value| status["restartCount"] == count && is_running(status)
        };
        host.wait_status("app", SOON, back(1))?;
        fs::remove_dir_all(host.path("log"))?;
        // A file in its place prevents the folder, as a read-only or full file system would.
        fs::write(host.path("log"), "in the way")?;
        host.probelet(["restart", "app", "--grace-period", "0"])?;
        host.wait_status("app", SOON, back(2))?;
        wait_event(host, "NoLog")?;
        fs::remove_file(host.path("log"))?;
        Ok(())
    })
}
