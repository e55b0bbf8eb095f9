//! Adopted containers: by their labels, or by `adopt`.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::time::Duration;

use anyhow::{Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, now, shim_of, signal, with_host};
use rustix::process::Signal;
use serde_json::Value;

const LIVENESS: &str =
    r#"probelet/liveness={"httpGet":{"port":8080},"periodSeconds":1,"failureThreshold":2}"#;

/// Runs `ctr run -d` with these labels. The server answers `good` requests well and then fails.
fn run(host: &Host, labels: &[&str], good: &str) -> Result<()> {
    let mut args = vec!["run", "-d"];
    args.extend(labels.iter().flat_map(|label| ["--label", label]));
    args.extend([IMAGE, "web", "/kubia-unhealthy", "serve", "--fail-after", good]);
    host.ctr(args).map(drop)
}

fn name(host: &Host) -> String {
    format!("{}/web", host.namespace())
}

fn is_running(status: &Value) -> bool {
    status["state"]["running"].is_object()
}

fn wait_running(host: &Host) -> Result<Value> {
    host.wait_status(&name(host), SOON, is_running)
}

fn wait_healed(host: &Host) -> Result<Value> {
    let healed = |status: &Value| status["restartCount"].as_u64() >= Some(1) && is_running(status);
    host.wait_status(&name(host), SOON * 2, healed)
}

fn wait_waiting(host: &Host, reason: &str) -> Result<Value> {
    host.wait_status(&name(host), SOON, |status| status["state"]["waiting"]["reason"] == reason)
}

fn wait_event(host: &Host, word: &str) -> Result<()> {
    eventually(word, SOON, || {
        host.events().ok()?.iter().any(|event| event.contains(word)).then_some(())
    })
}

fn wait_gone(host: &Host) -> Result<()> {
    eventually("the adoption has ended", SOON, || host.status(&name(host)).is_err().then_some(()))
}

#[test]
fn a_labelled_container_restarts_on_its_own_record() -> Result<()> {
    with_host(|host| {
        run(host, &[LIVENESS, "probelet/grace=1", "nerdctl/name=x"], "3")?;
        let status = wait_healed(host)?;
        assert_eq!(status["lastState"]["terminated"]["exitCode"], 137, "{status}");
        wait_event(host, "Adopted")?;
        wait_event(host, "failed liveness probe")?;
        assert_eq!(host.ctr(["containers", "ls", "-q"])?.trim(), "web");
        let info = host.ctr(["containers", "info", "web"])?;
        assert!(info.contains("\"nerdctl/name\": \"x\""), "{info}");
        let described = host.probelet(["describe", "pod", "web"])?;
        assert!(described.contains("probelet.io/adopted-by: labels"), "{described}");
        Ok(())
    })
}

#[test]
fn added_changed_and_removed_labels_take_effect_at_once() -> Result<()> {
    with_host(|host| {
        run(host, &[], "1000")?;
        let pid = host.task_pid("web")?;
        assert!(host.status(&name(host)).is_err(), "it has no label");

        let asked = now();
        host.ctr(["containers", "label", "web", LIVENESS])?;
        wait_running(host)?;
        ensure!(asked.elapsed() < Duration::from_secs(2), "took {:?}", asked.elapsed());

        host.ctr(["containers", "label", "web", "probelet/liveness=http://:8080/other"])?;
        eventually("the changed probe", SOON, || {
            let pod = host.pod(&name(host)).ok()?;
            let path = &pod["spec"]["containers"][0]["livenessProbe"]["httpGet"]["path"];
            (path == "/other").then_some(())
        })?;
        host.ctr(["containers", "label", "web", "probelet/liveness=8080"])?;
        wait_waiting(host, "InvalidLabels")?;
        wait_event(host, "Warning InvalidLabels probelet/liveness")?;
        host.ctr(["containers", "label", "web", "probelet/liveness="])?;
        wait_gone(host)?;
        assert_eq!(host.task_pid("web")?, pid, "the container was touched");
        Ok(())
    })
}

#[test]
fn an_adoption_by_name_outlives_the_daemon_until_it_is_released() -> Result<()> {
    with_host(|host| {
        run(host, &[], "1000")?;
        let name = name(host);
        host.probelet(["adopt", &name, "--liveness", "http://:8080/", "--grace", "1s"])?;
        wait_running(host)?;
        host.kill_daemon()?;
        host.start_daemon()?;
        assert!(is_running(&host.status(&name)?), "not recovered before the first answer");

        host.probelet(["kill", "web"])?;
        let status = wait_healed(host)?;
        let restarts = status["restartCount"].clone();
        host.kill_daemon()?;
        host.start_daemon()?;
        assert_eq!(host.status(&name)?["restartCount"], restarts);

        let refused = host.try_probelet(["delete", "pod", &name], "")?;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains("release"), "{refused:?}");
        let pid = host.task_pid("web")?;
        host.probelet(["release", &name])?;
        assert!(host.status(&name).is_err(), "not released");
        host.kill_daemon()?;
        host.start_daemon()?;
        assert!(host.status(&name).is_err(), "adopted again");
        assert_eq!(host.task_pid("web")?, pid);
        Ok(())
    })
}

#[test]
fn a_container_of_the_restart_monitor_is_refused() -> Result<()> {
    with_host(|host| {
        run(host, &[LIVENESS, "containerd.io/restart.status=running"], "1000")?;
        wait_waiting(host, "RestartMonitorConflict")?;
        wait_event(host, "Warning RestartMonitorConflict")?;
        let refused = host.try_probelet(["adopt", &name(host)], "")?;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains("restart monitor"), "{refused:?}");
        host.ctr(["containers", "label", "web", "containerd.io/restart.status="])?;
        wait_running(host)?;
        Ok(())
    })
}

#[test]
fn a_task_that_its_owner_deletes_is_not_started_again() -> Result<()> {
    with_host(|host| {
        run(host, &[LIVENESS], "1000")?;
        wait_running(host)?;
        host.ctr(["tasks", "rm", "--force", "web"])?;
        wait_event(host, "Released")?;
        wait_waiting(host, "NotStarted")?;
        assert!(host.task_pid("web").is_err());
        host.ctr(["tasks", "start", "--detach", "web"])?;
        wait_running(host)?;
        host.ctr(["tasks", "rm", "--force", "web"])?;
        host.ctr(["containers", "rm", "web"])?;
        wait_gone(host)?;
        host.expect_nothing_left()
    })
}

#[test]
fn an_exit_while_the_daemon_is_away_is_followed_by_a_restart() -> Result<()> {
    with_host(|host| {
        run(host, &["probelet/restart=always", "probelet/grace=1"], "1000")?;
        wait_running(host)?;
        host.kill_daemon()?;
        host.ctr(["tasks", "kill", "--signal", "SIGKILL", "web"])?;
        host.start_daemon()?;
        let status = wait_healed(host)?;
        assert_eq!(status["lastState"]["terminated"]["exitCode"], 137, "{status}");
        Ok(())
    })
}

#[test]
fn the_death_of_a_shim_is_not_taken_for_a_deletion_by_the_owner() -> Result<()> {
    with_host(|host| {
        run(host, &["probelet/restart=always", "probelet/grace=1"], "1000")?;
        wait_running(host)?;
        for restarts in 1..=2 {
            signal(shim_of(host.task_pid("web")?)?, Signal::KILL)?;
            let back = |status: &Value| {
                status["restartCount"].as_u64() >= Some(restarts) && is_running(status)
            };
            let status = host.wait_status(&name(host), SOON * 2, back)?;
            assert_eq!(status["lastState"]["terminated"]["exitCode"], 137, "{status}");
            eventually("it runs", SOON, || host.task_pid("web").ok())?;
        }
        let events = host.events()?;
        ensure!(!events.iter().any(|event| event.contains("Released")), "{events:?}");
        Ok(())
    })
}

#[test]
fn the_next_daemon_knows_an_end_that_only_the_daemon_observed() -> Result<()> {
    with_host(|host| {
        run(host, &["probelet/restart=always", "probelet/grace=1"], "1000")?;
        wait_running(host)?;
        let init = host.task_pid("web")?;
        let shim = shim_of(init)?;
        host.kill_containerd()?;
        signal(init, Signal::KILL)?;
        let namespace = host.namespace().to_owned();
        let kept = host.path("run/unwritten").join(&namespace).join("_adopted").join(&namespace);
        eventually("the pending record exists", SOON, || kept.join("web").exists().then_some(()))?;
        // With the shim, the last other process that knows the end is killed.
        signal(shim, Signal::KILL)?;
        host.kill_daemon()?;

        host.start_containerd()?;
        host.start_daemon()?;
        let status = wait_healed(host)?;
        let last = &status["lastState"]["terminated"];
        ensure!(last["exitCode"] == 137 && last["reason"] == "Error", "{status}");
        eventually("the record has it", SOON, || (!kept.join("web").exists()).then_some(()))
    })
}
