//! containerd is killed while containers run: this is reported, no container is killed for it, and
//! pending starts and deletions are carried out when containerd is back.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, shim_of, signal, with_host};
use rustix::process::Signal;
use serde_json::{Value, json};

fn create(host: &Host, name: &str, args: &[&str], more: Value) -> Result<Value> {
    let mut request = json!({ "name": name, "image": IMAGE, "args": args, "start": true });
    if let (Some(request), Value::Object(more)) = (request.as_object_mut(), more) {
        request.extend(more);
    }
    host.call("probelet.v1.Containers/CreateContainer", &request)
}

fn is_running(status: &Value) -> bool {
    status["state"]["running"].is_object()
}

fn health(host: &Host, service: &str) -> Result<String> {
    let answer = host.call("grpc.health.v1.Health/Check", &json!({ "service": service }))?;
    Ok(answer["status"].as_str().context("no status")?.to_owned())
}

fn wait_health(host: &Host, level: &str) -> Result<()> {
    eventually(level, SOON, || (health(host, "containerd").ok()? == level).then_some(()))
}

fn log_lines(host: &Host, text: &str) -> Result<usize> {
    Ok(fs::read_to_string(host.path("probelet.log"))?.matches(text).count())
}

#[test]
fn the_loss_is_reported_once_and_containers_that_end_meanwhile_restart_on_the_return() -> Result<()>
{
    with_host(|host| {
        let probe = json!({ "httpGet": { "port": 8080 }, "period": "0.2s" });
        create(
            host,
            "app",
            &["serve", "--fail-after", "100000"],
            json!({ "readinessProbe": probe.clone() }),
        )?;
        create(host, "exits", &["sleep"], json!({}))?;
        let command = json!({ "exec": { "command": ["/kubia-unhealthy", "exit", "0"] }, "period": "0.3s", "failureThreshold": 1 });
        create(host, "commands", &["sleep"], json!({ "livenessProbe": command }))?;
        host.wait_status("app", SOON, |status| status["ready"] == true)?;
        let pids =
            (host.task_pid("app_0")?, host.task_pid("exits_0")?, host.task_pid("commands_0")?);
        assert_eq!(health(host, "containerd")?, "SERVING");

        host.kill_containerd()?;
        wait_health(host, "NOT_SERVING")?;
        assert_eq!(health(host, "")?, "SERVING");
        signal(pids.1, Signal::KILL)?;
        // The container waits for containerd, and its last state has the end.
        host.wait_status("exits", SOON, |status| {
            !is_running(status) && status["lastState"]["terminated"]["exitCode"] == 137
        })?;
        let status = host.status("app")?;
        assert!(status["ready"] == true, "{status}");
        let refused = create(host, "late", &["sleep"], json!({}));
        ensure!(format!("{:#}", refused.err().context("made")?).contains("not reachable"));

        host.start_containerd()?;
        wait_health(host, "SERVING")?;
        let back = |status: &Value| status["restartCount"] == 1 && is_running(status);
        host.wait_status("exits", SOON, back)?;
        assert_eq!(host.task_pid("app_0")?, pids.0);
        assert_eq!(
            host.task_pid("commands_0")?,
            pids.2,
            "a command that cannot run killed its container"
        );
        assert_eq!(log_lines(host, "containerd is lost")?, 1);
        assert_eq!(log_lines(host, "containerd is back")?, 1);
        let log = fs::read_to_string(host.path("probelet.log"))?;
        let lost = log.lines().find(|line| line.contains("containerd is lost"));
        let address = host.containerd_socket().display().to_string();
        ensure!(lost.is_some_and(|line| line.contains(&address)), "{lost:?} has no {address}");
        let failed = host.events()?.into_iter().filter(|event| event.contains("not reachable"));
        ensure!(failed.count() <= 2, "reported more than once for a container");
        create(host, "late", &["sleep"], json!({}))?;
        host.wait_status("late", SOON, is_running)?;
        Ok(())
    })
}

#[test]
fn a_daemon_without_containerd_logs_its_address_and_waits() -> Result<()> {
    let mut host = Host::start()?;
    host.kill_containerd()?;
    host.spawn_daemon()?;
    // The daemon serves its socket after containerd has not answered for a while.
    eventually("calls are refused", SOON, || {
        let done = host.try_probelet(["get", "pods"], "").ok()?;
        done.stderr.contains("containerd does not answer yet").then_some(())
    })?;
    let log = fs::read_to_string(host.path("probelet.log"))?;
    let waits: Vec<_> =
        log.lines().filter(|line| line.contains("waiting for containerd")).collect();
    ensure!(waits.len() == 1, "{log}");
    let address = host.containerd_socket().display().to_string();
    let named = waits.iter().all(|line| line.contains(&address) && line.contains("refused"));
    ensure!(named && waits.iter().all(|line| line.contains("--containerd-address")), "{log}");
    ensure!(!log.contains("serving") && !log.contains("containerd is lost"), "{log}");

    host.start_containerd()?;
    host.wait_daemon()?;
    eventually("the log says that it serves", SOON, || {
        (log_lines(&host, "serving").ok()? == 1).then_some(())
    })
}

#[test]
fn a_killed_shim_is_followed_by_a_restart() -> Result<()> {
    with_host(|host| {
        create(host, "app", &["sleep"], json!({}))?;
        host.wait_status("app", SOON, is_running)?;
        let back = |count: u64| {
            move |status: &Value| status["restartCount"] == count && is_running(status)
        };
        signal(shim_of(host.task_pid("app_0")?)?, Signal::KILL)?;
        let status = host.wait_status("app", SOON, back(1))?;
        assert_eq!(status["lastState"]["terminated"]["exitCode"], 137, "{status}");

        // Without containerd nothing ends the container, so it runs on until containerd is back.
        let pid = host.task_pid("app_1")?;
        host.kill_containerd()?;
        signal(shim_of(pid)?, Signal::KILL)?;
        host.start_containerd()?;
        eventually("a restart, or the event TaskLost", SOON * 2, || {
            let restarted = host.status("app").is_ok_and(|status| back(2)(&status));
            let lost = host.events().ok()?.iter().any(|event| event.contains("TaskLost"));
            (restarted || lost).then_some(())
        })?;
        Ok(())
    })
}

#[test]
fn creations_that_the_death_of_containerd_interrupts_leave_nothing() -> Result<()> {
    with_host(|host| {
        let mut wanted = Vec::new();
        for round in 0..4_u32 {
            let name = format!("app-{round}");
            let request =
                json!({ "name": &name, "image": IMAGE, "args": ["sleep"], "start": true });
            let (mut call, _) =
                host.spawn_call("probelet.v1.Containers/CreateContainer", &request)?;
            std::thread::sleep(Duration::from_millis(u64::from(round) * 25 + 5));
            host.kill_containerd()?;
            host.start_containerd()?;
            call.wait()?;
            wanted.push(name);
        }
        for name in wanted {
            // The creation failed, or the container exists and runs.
            if host.status(&name).is_ok() {
                host.wait_status(&name, SOON * 2, is_running)?;
                host.probelet(["delete", "pod", &name, "--grace-period", "0"])?;
            } else {
                create(host, &name, &["sleep"], json!({}))?;
                host.wait_status(&name, SOON, is_running)?;
                host.probelet(["delete", "pod", &name, "--grace-period", "0"])?;
            }
        }
        host.expect_nothing_left()
    })
}

/// Kills containerd after this time and starts it again.
fn kill_containerd_after(host: &mut Host, milliseconds: u64) -> Result<()> {
    std::thread::sleep(Duration::from_millis(milliseconds));
    host.kill_containerd()?;
    host.start_containerd()
}

#[test]
fn command_probes_that_the_death_of_containerd_interrupts_do_not_count() -> Result<()> {
    with_host(|host| {
        let command = json!({
            "exec": { "command": ["/kubia-unhealthy", "exit", "0"] }, "period": "0.1s",
            "failureThreshold": 1,
        });
        create(host, "app", &["sleep"], json!({ "livenessProbe": command }))?;
        let pid = host.task_pid("app_0")?;
        for milliseconds in [0, 15, 30, 60, 90] {
            kill_containerd_after(host, milliseconds)?;
        }
        let passed = |host: &Host| -> Result<u64> {
            let list =
                host.call("probelet.v1.Containers/GetContainer", &json!({ "name": "app" }))?;
            let text = list["probes"][0]["successes"].clone();
            text.as_str().and_then(|text| text.parse().ok()).or(text.as_u64()).context("no probes")
        };
        let before = passed(host)?;
        eventually("probes pass again", SOON, || (passed(host).ok()? > before + 2).then_some(()))?;
        assert_eq!(host.task_pid("app_0")?, pid);
        assert_eq!(host.status("app")?["restartCount"], 0);
        Ok(())
    })
}

#[test]
fn a_kill_is_followed_by_a_restart_even_if_containerd_dies_meanwhile() -> Result<()> {
    with_host(|host| {
        create(host, "app", &["sleep"], json!({ "backoff": { "base": "0.1s", "cap": "0.1s" } }))?;
        let mut restarts = 0;
        for milliseconds in [0, 5, 20, 60] {
            host.wait_status("app", SOON * 2, is_running)?;
            host.probelet(["kill", "app", "-s", "KILL"])?;
            kill_containerd_after(host, milliseconds)?;
            let again = |status: &Value| {
                status["restartCount"].as_u64() > Some(restarts) && is_running(status)
            };
            let status = host.wait_status("app", SOON * 2, again)?;
            assert_eq!(status["lastState"]["terminated"]["exitCode"], 137, "{status}");
            restarts = status["restartCount"].as_u64().context("no count")?;
        }
        host.probelet(["delete", "pod", "app", "--grace-period", "0"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn a_deletion_leaves_nothing_even_if_containerd_dies_meanwhile() -> Result<()> {
    with_host(|host| {
        for milliseconds in [0, 10, 30, 60] {
            create(host, "app", &["sleep"], json!({}))?;
            host.wait_status("app", SOON, is_running)?;
            let request = json!({ "name": "app", "gracePeriod": "0s" });
            let (mut call, _) = host.spawn_call("probelet.v1.Pods/RemovePod", &request)?;
            kill_containerd_after(host, milliseconds)?;
            call.wait()?;
            eventually("the pod is deleted", SOON * 2, || {
                // The first call may have failed.
                let _ = host.try_probelet(["delete", "pod", "app", "--grace-period", "0"], "");
                host.status("app").is_err().then_some(())
            })?;
            host.expect_nothing_left()?;
        }
        Ok(())
    })
}

#[test]
fn the_next_daemon_knows_an_end_that_only_the_daemon_observed() -> Result<()> {
    with_host(|host| {
        // One container that restarts, and one that does not.
        create(host, "app", &["sleep"], json!({}))?;
        create(host, "once", &["sleep"], json!({ "restartPolicy": "NEVER" }))?;
        for name in ["app", "once"] {
            host.wait_status(name, SOON, is_running)?;
        }
        let inits = (host.task_pid("app_0")?, host.task_pid("once_0")?);
        let shims = [shim_of(inits.0)?, shim_of(inits.1)?];
        host.kill_containerd()?;
        wait_health(host, "NOT_SERVING")?;
        signal(inits.0, Signal::KILL)?;
        signal(inits.1, Signal::KILL)?;
        let waits = |status: &Value| status["state"]["waiting"]["reason"] == "CreateContainerError";
        host.wait_status("app", SOON, waits)?;
        host.wait_status("once", SOON, |status| status["state"]["terminated"].is_object())?;
        let kept = host.path("run").join("unwritten").join(host.namespace());
        let files = || fs::read_dir(&kept).map_or(0, Iterator::count);
        eventually("both pending records exist", SOON, || (files() == 2).then_some(()))?;
        // With the shims, the last other processes that know the ends are killed.
        shims.into_iter().try_for_each(|shim| signal(shim, Signal::KILL))?;
        host.kill_daemon()?;

        host.start_containerd()?;
        host.start_daemon()?;
        let back = |status: &Value| status["restartCount"] == 1 && is_running(status);
        let status = host.wait_status("app", SOON * 2, back)?;
        let killed = |end: &Value| end["exitCode"] == 137 && end["reason"] == "Error";
        ensure!(killed(&status["lastState"]["terminated"]), "{status}");
        let status = host.status("once")?;
        ensure!(killed(&status["state"]["terminated"]), "{status}");
        for name in ["app", "once"] {
            let described = host.probelet(["describe", "pod", name])?;
            ensure!(described.contains("from outside"), "{described}");
        }
        eventually("the records are written", SOON, || (files() == 0).then_some(()))?;
        for name in ["app", "once"] {
            host.probelet(["delete", "pod", name, "--grace-period", "0"])?;
        }
        host.expect_nothing_left()
    })
}
