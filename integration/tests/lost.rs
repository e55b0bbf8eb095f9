//! Instances whose end was not observed.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, signal, with_host};
use rustix::process::Signal;
use serde_json::{Value, json};

const CREATE: &str = "probelet.v1.Containers/CreateContainer";
const GET: &str = "probelet.v1.Containers/GetContainer";

fn create(host: &Host, policy: &str) -> Result<u32> {
    let request = json!({
        "name": "app", "image": IMAGE, "args": ["sleep"], "start": true, "restartPolicy": policy,
    });
    host.call(CREATE, &request)?;
    running(host, 0)?;
    host.task_pid("app_0")
}

fn running(host: &Host, restarts: u64) -> Result<Value> {
    host.wait_status("app", SOON * 2, |status| {
        status["state"]["running"].is_object() && status["restartCount"].as_u64() >= Some(restarts)
    })
}

fn last(host: &Host) -> Result<Value> {
    Ok(host.call(GET, &json!({ "name": "app" }))?["lastState"]["terminated"].clone())
}

/// Kills the daemon and the container's process, and deletes the task from containerd.
fn take_away(host: &mut Host, pid: u32) -> Result<()> {
    host.kill_daemon()?;
    signal(pid, Signal::KILL)?;
    eventually("the task is deleted", SOON, || host.ctr(["task", "delete", "app_0"]).ok())?;
    Ok(())
}

#[test]
fn a_reboot_of_the_node_is_reported_as_the_cause() -> Result<()> {
    with_host(|host| {
        let pid = create(host, "ALWAYS")?;
        take_away(host, pid)?;
        host.start_daemon_in_another_boot()?;
        running(host, 1)?;
        let last = last(host)?;
        ensure!(last["cause"] == "the node was restarted", "{last}");
        ensure!(last["reason"] == "ContainerStatusUnknown" && last["exitCode"] == 137, "{last}");
        let message = last["message"].as_str().context("no message")?;
        ensure!(message.contains("node was shut down or restarted"), "{message}");
        Ok(())
    })
}

#[test]
fn the_cause_is_unknown_in_the_same_boot() -> Result<()> {
    with_host(|host| {
        let pid = create(host, "ALWAYS")?;
        take_away(host, pid)?;
        host.start_daemon()?;
        running(host, 1)?;
        let last = last(host)?;
        ensure!(last["cause"] == "unknown", "{last}");
        Ok(())
    })
}

#[test]
fn a_task_in_an_unknown_state_is_killed_before_the_next_attempt() -> Result<()> {
    with_host(|host| {
        let pid = create(host, "NEVER")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        let shim: u32 = parent.context("no parent")?.trim().parse()?;
        host.kill_daemon()?;
        // containerd waits two seconds for the shim and then reports the state as unknown.
        signal(shim, Signal::STOP)?;
        let killed = host.start_daemon().and_then(|()| {
            eventually("an event reports the kill", SOON, || {
                let reason = "Container is in \"unknown\" state, try killing it before restart";
                host.events().ok()?.iter().any(|event| event.contains(reason)).then_some(())
            })
        });
        let before = host.task_pid("app_1");
        signal(shim, Signal::CONT)?;
        killed?;
        ensure!(before.is_err(), "the next attempt started while the old one may run");
        running(host, 1)?;
        ensure!(!fs::exists(format!("/proc/{pid}"))?, "the old process still runs");
        Ok(())
    })
}
