//! Operations on probes, and that no probe kills by mistake.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use probelet_integration::target::TARGET_IMAGE;
use probelet_integration::{Host, SOON, eventually, signal, with_host};
use rustix::process::Signal;
use serde_json::{Value, json};

const WEB: &str = "http 127.0.0.1:8080";

fn counter(container: &Value, kind: &str, what: &str) -> u64 {
    let probes = container["probes"].as_array();
    let probe = probes.into_iter().flatten().find(|probe| probe["kind"] == kind);
    probe.and_then(|probe| probe[what].as_str()?.parse().ok()).unwrap_or_default()
}

/// Waits until a counter of a probe has reached `least`. Returns the container.
fn wait_counter(host: &Host, kind: &str, what: &str, least: u64) -> Result<Value> {
    let mut last = None;
    let seen = eventually("the counter's level", SOON, || {
        let container = host.container("app").ok()?;
        let reached = counter(&container, kind, what) >= least;
        last = Some(container.clone());
        reached.then_some(container)
    });
    seen.with_context(|| format!("{kind} {what}: {last:?}"))
}

/// Checks that the first instance still runs, as the same process.
fn expect_undisturbed(host: &Host, pid: &Value) -> Result<()> {
    let container = host.container("app")?;
    ensure!(container["pid"] == *pid && container["restartCount"].is_null(), "{container}");
    Ok(())
}

/// A liveness probe that does not fail while the server starts, because a startup probe delays it.
fn once_it_listens(probe: &Value) -> Value {
    let startup = json!({ "url": "tcp://:8080", "period": "0.1s", "failureThreshold": 100 });
    json!({ "startupProbe": startup, "livenessProbe": probe })
}

fn pause(host: &Host, length: &str) -> Result<Value> {
    let request = json!({ "name": "app", "length": length });
    host.call("probelet.v1.Containers/PauseProbes", &request)
}

#[test]
fn a_pause_outlives_the_daemon_and_ends_by_itself() -> Result<()> {
    with_host(|host| {
        let probe = json!({ "url": "tcp://:9", "period": "0.2s", "failureThreshold": 1000 });
        host.target("app", WEB, json!({ "livenessProbe": probe }))?;
        wait_counter(host, "liveness", "failures", 2)?;
        let paused = pause(host, "6s")?;
        let until = paused["probesPausedUntil"].clone();
        ensure!(until.is_string(), "{paused}");
        let table = host.probelet(["get", "pods"])?;
        ensure!(table.contains("Running,ProbesPaused"), "{table}");

        host.kill_daemon()?;
        host.start_daemon()?;
        let described = host.probelet(["describe", "pod", "app"])?;
        ensure!(described.contains("Probes Paused Until:"), "{described}");
        let ended = eventually("the pause ends", SOON, || {
            let container = host.container("app").ok()?;
            if container["probesPausedUntil"].is_null() {
                return Some(Ok(()));
            }
            // The restarted daemon has counted nothing yet.
            let quiet = counter(&container, "liveness", "failures") == 0
                && container["probesPausedUntil"] == until;
            (!quiet).then(|| Err(anyhow::anyhow!("probed while paused: {container}")))
        });
        ended??;
        wait_counter(host, "liveness", "failures", 2)?;
        let table = host.probelet(["get", "pods"])?;
        ensure!(!table.contains("ProbesPaused"), "{table}");
        expect_undisturbed(host, &paused["pid"])
    })
}

#[test]
fn a_resume_ends_a_pause_early() -> Result<()> {
    with_host(|host| {
        let probe = json!({ "url": "http://:8080/", "period": "0.2s" });
        host.target("app", WEB, json!({ "livenessProbe": probe }))?;
        pause(host, "3600s")?;
        let name = json!({ "name": "app" });
        let resumed = host.call("probelet.v1.Containers/ResumeProbes", &name)?;
        ensure!(resumed["probesPausedUntil"].is_null(), "{resumed}");
        let before = counter(&resumed, "liveness", "successes");
        wait_counter(host, "liveness", "successes", before + 2)?;
        Ok(())
    })
}

#[test]
fn a_probe_that_an_operator_runs_changes_no_counter() -> Result<()> {
    with_host(|host| {
        let probe = json!({ "url": "tcp://:9", "initialDelay": "3600s", "failureThreshold": 1 });
        let made = host.target("app", WEB, json!({ "livenessProbe": probe }))?;
        for _ in 0..3 {
            let said = host.run_probe("app", "liveness")?;
            ensure!(said.outcome == "failure", "{said:?}");
            ensure!(said.output == "dial tcp 127.0.0.1:9: connect: connection refused", "{said:?}");
        }
        let done = host.try_probelet(["probe", "app"], "")?;
        ensure!(done.code == Some(1) && done.stdout.contains("connection refused"), "{done:?}");
        let container = host.container("app")?;
        for what in ["successes", "failures", "errors"] {
            ensure!(counter(&container, "liveness", what) == 0, "{container}");
        }
        ensure!(host.events()?.iter().all(|event| !event.contains("Unhealthy")));
        expect_undisturbed(host, &made["pid"])
    })
}

#[test]
fn probes_change_without_a_restart() -> Result<()> {
    with_host(|host| {
        host.import("prober-target")?;
        let manifest = |probe: &str| {
            format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: app}}, spec: {{containers: \
                 [{{name: app, image: {TARGET_IMAGE}, args: [http, '127.0.0.1:8080'], {probe}}}]}}}}"
            )
        };
        let readiness = |path: &str| {
            let get = format!("httpGet: {{port: 8080, path: {path}}}");
            manifest(&format!("readinessProbe: {{{get}, periodSeconds: 1, failureThreshold: 1}}"))
        };
        ensure!(host.apply(&readiness("/ok/"))? == "pod/app created\n");
        host.wait_status("app", SOON, |status| status["ready"] == true)?;
        let pid = host.container("app")?["pid"].clone();

        ensure!(host.apply(&readiness("/status/503"))? == "pod/app configured\n");
        host.wait_status("app", SOON, |status| status["ready"] == false)?;
        ensure!(host.apply(&manifest("ports: []"))? == "pod/app configured\n");
        host.wait_status("app", SOON, |status| status["ready"] == true)?;
        expect_undisturbed(host, &pid)?;

        let probe = json!({ "url": "http://:8080/", "period": "0.2s" });
        let update = json!({ "name": "app", "livenessProbe": probe });
        host.call("probelet.v1.Containers/UpdateProbes", &update)?;
        wait_counter(host, "liveness", "successes", 2)?;
        expect_undisturbed(host, &pid)?;

        // The next daemon has the changed probes.
        host.kill_daemon()?;
        host.start_daemon()?;
        wait_counter(host, "liveness", "successes", 2)?;
        expect_undisturbed(host, &pid)
    })
}

#[test]
fn readiness_is_probed_while_a_container_is_stopping() -> Result<()> {
    with_host(|host| {
        let quick = |path: &str| json!({ "url": format!("http://:8080{path}"), "period": "0.2s" });
        let probes = json!({
            "readinessProbe": quick("/ok/readiness"), "livenessProbe": quick("/ok/liveness"),
        });
        // As PID 1 it ignores SIGTERM, so it runs on through its grace.
        host.target("app", WEB, probes)?;
        wait_counter(host, "readiness", "successes", 1)?;
        let stop = json!({ "name": "app", "gracePeriod": "30s" });
        let (mut call, _) = host.spawn_call("probelet.v1.Containers/StopContainer", &stop)?;
        let seen = eventually("it is being stopped", SOON, || {
            let stopping = host.events().ok()?.iter().any(|event| event.contains("Killing"));
            stopping.then(|| host.container("app"))
        });
        call.kill()?;
        call.wait()?;
        let seen = seen??;
        let readiness = counter(&seen, "readiness", "successes");
        let after = wait_counter(host, "readiness", "successes", readiness + 4)?;
        // One attempt may have been running when the stop began.
        let liveness = [&seen, &after].map(|container| counter(container, "liveness", "successes"));
        ensure!(liveness[1] <= liveness[0] + 1, "{seen} {after}");
        host.call(
            "probelet.v1.Containers/RemoveContainer",
            &json!({ "name": "app", "gracePeriod": "0s" }),
        )?;
        Ok(())
    })
}

#[test]
fn a_startup_period_notices_a_quick_start_before_the_next_regular_attempt() -> Result<()> {
    with_host(|host| {
        // The second counted failure would kill the container.
        let probe = json!({
            "url": "tcp://:8080", "period": "30s", "startupPeriod": "0.1s", "failureThreshold": 2,
        });
        let servers = format!("{WEB} --delay 700");
        let made = host.target("app", &servers, json!({ "startupProbe": probe }))?;
        // This is before the second attempt of the regular period.
        host.wait_status("app", SOON, |status| status["started"] == true)?;
        expect_undisturbed(host, &made["pid"])
    })
}

#[test]
fn an_error_is_counted_and_reported_and_never_kills() -> Result<()> {
    with_host(|host| {
        let probe = json!({
            "exec": { "command": ["/no/such/program"] },
            "period": "0.1s", "timeout": "10s", "failureThreshold": 1,
        });
        let made = host.target("app", WEB, json!({ "livenessProbe": probe }))?;
        let container = wait_counter(host, "liveness", "errors", 5)?;
        ensure!(counter(&container, "liveness", "failures") == 0, "{container}");
        let errored = "Warning Unhealthy Liveness probe errored and resulted in unknown state: ";
        let events = host.events()?;
        ensure!(events.iter().any(|event| event.starts_with(errored)), "{events:#?}");
        expect_undisturbed(host, &made["pid"])
    })
}

#[test]
fn a_server_that_floods_its_probe_fails_and_delays_no_other_container() -> Result<()> {
    with_host(|host| {
        let mut flood = host.busybox("app", "busybox nc -ll -p 8080 -e /tmp/flood")?;
        let script = host.path("busybox-app/tmp/flood");
        let hints = r#"exec busybox yes "$(printf 'HTTP/1.1 103 Early Hints\r\n\r')""#;
        fs::write(&script, format!("#!/bin/sh\n{hints}\n"))?;
        fs::set_permissions(&script, Permissions::from_mode(0o755))?;
        flood["livenessProbe"] = json!({
            "url": "http://:8080", "period": "0.1s", "timeout": "60s", "failureThreshold": 100_000,
        });
        host.call("probelet.v1.Containers/CreateContainer", &flood)?;
        // An attempt that waited for the final answer would take a minute.
        let flooded = "server sent more than 524288 bytes; aborted";
        eventually("an attempt has failed by the limit of bytes", SOON, || {
            let app = host.container("app").ok()?;
            app.pointer("/probes/0/lastOutput")?.as_str()?.ends_with(flooded).then_some(())
        })?;

        let hangs = json!({
            "url": "http://:8080/wait/100000", "period": "0.1s", "timeout": "1s",
            "failureThreshold": 1,
        });
        host.target("hung", WEB, once_it_listens(&hangs))?;
        let restarted = json!({ "name": "hung", "restarts": 1, "timeout": "30s" });
        host.call("probelet.v1.Containers/WaitContainer", &restarted).map(drop)
    })
}

#[test]
fn a_suspended_daemon_kills_no_container() -> Result<()> {
    with_host(|host| {
        // Mostly an attempt is running when the daemon is suspended. One failure would kill.
        let probe = json!({
            "url": "http://:8080/wait/500", "period": "0.6s", "timeout": "1.5s",
            "failureThreshold": 1,
        });
        let made = host.target("app", WEB, once_it_listens(&probe))?;
        for _ in 0..3 {
            let before = counter(&host.container("app")?, "liveness", "successes");
            host.hold_up_daemon(Duration::from_millis(2800))?;
            wait_counter(host, "liveness", "successes", before + 2)?;
        }
        expect_undisturbed(host, &made["pid"])
    })
}

#[test]
fn a_suspended_daemon_and_container_cause_no_kill() -> Result<()> {
    with_host(|host| {
        let probe = json!({
            "url": "http://:8080/", "period": "3s", "timeout": "0.2s", "failureThreshold": 1,
        });
        let made = host.target("app", WEB, once_it_listens(&probe))?;
        wait_counter(host, "liveness", "successes", 1)?;
        let pid = made["pid"].as_u64().context("no pid")?.try_into()?;

        // The container continues after the attempt that was due meanwhile, and before the next
        // one.
        signal(pid, Signal::STOP)?;
        let seen = host.hold_up_daemon(Duration::from_millis(4500)).and_then(|()| {
            eventually("the event ProbeLate", SOON, || {
                host.events().ok()?.iter().any(|event| event.contains("ProbeLate")).then_some(())
            })
        });
        signal(pid, Signal::CONT)?;
        seen?;
        wait_counter(host, "liveness", "successes", 2)?;
        expect_undisturbed(host, &made["pid"])
    })
}

#[test]
fn a_hanging_server_is_killed_although_the_timeout_is_longer_than_the_period() -> Result<()> {
    with_host(|host| {
        let probe = json!({
            "url": "http://:8080/accept-and-hang", "period": "0.1s", "timeout": "0.5s",
            "failureThreshold": 2,
        });
        host.target("app", &format!("{WEB} --after 1"), json!({ "livenessProbe": probe }))?;
        host.wait_status("app", SOON, |status| status["restartCount"].as_u64() >= Some(1))?;
        let described = host.probelet(["describe", "pod", "app"])?;
        ensure!(
            described.contains("Client.Timeout exceeded while awaiting headers"),
            "{described}"
        );
        Ok(())
    })
}
