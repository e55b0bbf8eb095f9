//! containerd, a shim or runc hangs: command probes that it delays do not count as failures of the
//! container.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, SOON, eventually, processes_with, shim_of, signal, with_host};
use rustix::process::Signal;
use serde_json::{Value, json};

/// A process that is suspended until this is dropped.
struct Frozen(u32);

impl Frozen {
    fn new(pid: u32) -> Result<Self> {
        signal(pid, Signal::STOP)?;
        Ok(Self(pid))
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = signal(self.0, Signal::CONT);
    }
}

/// Creates a container that a single failure of its probe would end. Returns its process id.
fn create(host: &Host, command: &[&str], timeout: &str) -> Result<u32> {
    let mut request = host.busybox("app", "sleep 1000")?;
    request["livenessProbe"] = json!({
        "exec": { "command": command }, "period": "0.3s", "timeout": timeout, "failureThreshold": 1,
    });
    request["terminationGracePeriod"] = json!("0s");
    host.call("probelet.v1.Containers/CreateContainer", &request)?;
    eventually("a probe has passed", SOON, || (count(host, "successes")? > 0).then_some(()))?;
    host.task_pid("app_0")
}

fn probe(host: &Host) -> Option<Value> {
    let seen = host.call("probelet.v1.Containers/GetContainer", &json!({ "name": "app" })).ok()?;
    seen["probes"].as_array()?.first().cloned()
}

fn count(host: &Host, what: &str) -> Option<u64> {
    let probe = probe(host)?;
    if probe[what].is_null() { Some(0) } else { probe[what].as_str()?.parse().ok() }
}

/// Waits until the probe's error is counted and reported as an event.
fn expect_error(host: &Host, text: &str) -> Result<()> {
    eventually("an error is counted", 2 * SOON, || (count(host, "errors")? > 0).then_some(()))
        .with_context(|| format!("{:?}", probe(host)))?;
    let errored = "Unhealthy Liveness probe errored and resulted in unknown state: ";
    eventually("an event reports it", 2 * SOON, || {
        let events = host.events().ok()?;
        events.iter().any(|event| event.contains(errored) && event.contains(text)).then_some(())
    })
    .with_context(|| format!("{:?} {:#?}", probe(host), host.events()))
}

/// Waits until probes pass again, and checks that it is the same process without a failure.
fn expect_well(host: &Host, pid: u32) -> Result<()> {
    let before = count(host, "successes").context("no probe")?;
    eventually("probes pass again", 8 * SOON, || {
        (count(host, "successes")? > before + 1).then_some(())
    })
    .with_context(|| format!("{:?} {:#?}", probe(host), host.events()))?;
    ensure!(count(host, "failures") == Some(0), "{:?}", probe(host));
    ensure!(host.task_pid("app_0")? == pid, "{:#?}", host.events());
    Ok(())
}

#[test]
fn probes_do_not_fail_while_containerd_is_frozen() -> Result<()> {
    with_host(|host| {
        let pid = create(host, &["true"], "1s")?;
        let frozen = Frozen::new(host.containerd_pid())?;
        expect_error(host, "not started within its timeout")?;
        drop(frozen);
        expect_well(host, pid)
    })
}

#[test]
fn probes_do_not_fail_while_the_shim_is_frozen() -> Result<()> {
    with_host(|host| {
        let pid = create(host, &["true"], "1s")?;
        let frozen = Frozen::new(shim_of(pid)?)?;
        expect_error(host, "not started within its timeout")?;
        drop(frozen);
        expect_well(host, pid)
    })
}

/// A command ends while the process that would report it is suspended.
fn ends_unseen(shim: bool) -> Result<()> {
    with_host(|host| {
        let word = format!("2.{}", 1_000_000 + std::process::id());
        let script = format!("[ -e /tmp/hold ] && exec sleep {word}; exit 0");
        let pid = create(host, &["sh", "-c", &script], "4s")?;
        host.ctr(["task", "exec", "--exec-id", "hold", "app_0", "sh", "-c", "echo > /tmp/hold"])?;
        eventually("the command runs", SOON, || {
            processes_with(&word).iter().any(|line| line.starts_with("sleep")).then_some(())
        })?;
        let frozen = Frozen::new(if shim { shim_of(pid)? } else { host.containerd_pid() })?;
        // While its shim is suspended the command stays a zombie, which has no arguments.
        eventually("the command has ended", SOON, || {
            processes_with(&word).is_empty().then_some(())
        })?;
        if shim {
            // The error may be that the command was not started, if the shim was suspended before
            // it answered the start.
            expect_error(host, "the command")?;
        } else {
            // This command's exit code may come from the kernel; then the next command is the
            // error.
            eventually("the next outcome", 2 * SOON, || {
                (count(host, "errors")? > 0).then_some(())
            })?;
        }
        drop(frozen);
        expect_well(host, pid)
    })
}

#[test]
fn a_command_that_ends_while_containerd_is_frozen_does_not_fail() -> Result<()> {
    ends_unseen(false)
}

#[test]
fn a_command_that_ends_while_the_shim_is_frozen_does_not_fail() -> Result<()> {
    ends_unseen(true)
}

#[test]
fn probes_do_not_fail_while_runc_hangs() -> Result<()> {
    with_host(|host| {
        let hang = host.path("hang");
        let script = format!(
            "#!/bin/sh\ncase \" $* \" in *' exec '*) while [ -e {} ]; do sleep 0.1; done;; esac\n\
             PATH=${{PATH#*:}} exec runc \"$@\"\n",
            hang.display()
        );
        let runc = host.path("bin/runc");
        fs::create_dir_all(host.path("bin"))?;
        fs::write(&runc, script)?;
        fs::set_permissions(&runc, fs::Permissions::from_mode(0o755))?;
        let pid = create(host, &["true"], "1s")?;
        fs::write(&hang, "")?;
        let seen = expect_error(host, "not started within its timeout");
        fs::remove_file(&hang)?;
        seen?;
        expect_well(host, pid)
    })
}

#[test]
fn a_command_that_hangs_by_itself_fails() -> Result<()> {
    with_host(|host| {
        let script = "[ -e /tmp/hang ] && exec sleep 1000; exit 0";
        create(host, &["sh", "-c", script], "1s")?;
        host.ctr(["task", "exec", "--exec-id", "hang", "app_0", "sh", "-c", "echo > /tmp/hang"])?;
        let again = |status: &Value| status["restartCount"] == 1;
        host.wait_status("app", 2 * SOON, again)?;
        let timed_out = "timed out after 1s";
        ensure!(
            host.events()?.iter().any(|event| event.contains(timed_out)),
            "{:#?}",
            host.events()
        );
        eventually("the next attempt runs", Duration::from_secs(15), || {
            host.task_pid("app_1").ok().map(drop)
        })
    })
}
