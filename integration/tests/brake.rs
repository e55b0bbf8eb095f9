//! The brake: containers that fail together are not all killed at once, and a container that fails
//! alone is killed without a delay.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use probelet_integration::{Host, IMAGE, SOON, eventually, now};
use serde_json::{Value, json};

const PODS: usize = 20;

fn on_host(flags: &[&str], test: impl FnOnce(&Host) -> Result<()>) -> Result<()> {
    let mut host = Host::start()?;
    host.start_daemon_with(flags)?;
    test(&host).inspect_err(|_| host.show_logs())
}

fn name(index: usize) -> String {
    format!("app-{index:02}")
}

fn create(host: &Host, name: &str, more: &Value) -> Result<Value> {
    let mut request = json!({
        "name": name, "image": IMAGE, "args": ["sleep"], "start": true,
        "terminationGracePeriod": "0s",
    });
    if let (Some(request), Some(more)) = (request.as_object_mut(), more.as_object()) {
        request.extend(more.clone());
    }
    host.call("probelet.v1.Containers/CreateContainer", &request)
}

/// A probe that fails, because nothing listens on port 9.
fn failing(threshold: u32) -> Value {
    json!({ "url": "tcp://:9", "period": "0.5s", "failureThreshold": threshold })
}

/// Creates twenty containers whose probes all begin to fail at one instant, the end of a pause.
fn twenty_fail_at_once(host: &Host) -> Result<()> {
    for index in 0..PODS {
        create(host, &name(index), &json!({}))?;
    }
    let end = now() + Duration::from_secs(10);
    for index in 0..PODS {
        let left = end.checked_duration_since(now()).context("too slow to prepare")?;
        let length = format!("{:.3}s", left.as_secs_f64());
        let pause = json!({ "name": name(index), "length": length });
        host.call("probelet.v1.Containers/PauseProbes", &pause)?;
        let probes = json!({ "name": name(index), "livenessProbe": failing(1) });
        host.call("probelet.v1.Containers/UpdateProbes", &probes)?;
    }
    Ok(())
}

fn containers(host: &Host) -> Result<Vec<Value>> {
    let answer = host.call("probelet.v1.Containers/ListContainers", &json!({}))?;
    Ok(answer["containers"].as_array().cloned().unwrap_or_default())
}

fn count(containers: &[Value], is: impl Fn(&Value) -> bool) -> usize {
    containers.iter().filter(|container| is(container)).count()
}

fn is_held(container: &Value) -> bool {
    container["killHeld"]["reason"].is_string()
}

fn has_restarted(container: &Value) -> bool {
    container["restartCount"].as_u64() >= Some(1)
}

#[test]
fn twenty_containers_that_fail_together_are_not_all_killed_at_once() -> Result<()> {
    let flags = ["--kill-refill=1s", "--storm-window=15s"];
    on_host(&flags, |host| {
        twenty_fail_at_once(host)?;
        let judged = eventually("all are killed or held", 2 * SOON, || {
            let seen = containers(host).ok()?;
            let judged = count(&seen, |one| is_held(one) || has_restarted(one));
            (judged == PODS).then_some(seen)
        })?;
        // A few may have restarted and failed again meanwhile.
        let held = count(&judged, |one| is_held(one) && !has_restarted(one));
        assert!((10..=16).contains(&held), "{held} held of {judged:#?}");

        let table = host.probelet(["get", "pods"])?;
        let shown = table.lines().filter(|line| line.contains("Running,KillHeld")).count();
        assert!(shown >= 10, "{table}");
        let first = judged.iter().find(|one| is_held(one)).context("none is held")?;
        let name = first["name"].as_str().unwrap_or_default();
        let described = host.probelet(["describe", "pod", name])?;
        assert!(described.contains("Kill Held:"), "{described}");
        let events = host.events()?;
        let is_held_event = |event: &&String| {
            event.starts_with("Warning KillHeld Container app-")
                && event.contains("probed containers failed within 15s")
        };
        assert!(events.iter().filter(is_held_event).count() >= 10, "{events:#?}");

        // An operator's restart does not wait for the brake.
        host.probelet(["restart", name])?;
        host.wait_status(name, SOON, |status| status["restartCount"].as_u64() >= Some(1))?;

        // In the end each held kill is granted.
        eventually("all are killed", 8 * SOON, || {
            let seen = containers(host).ok()?;
            (count(&seen, has_restarted) == PODS).then_some(())
        })
    })
}

/// Seconds from the first failure to the kill of a container that fails alone.
fn to_the_kill(host: &Host) -> Result<f64> {
    create(host, "app", &json!({ "livenessProbe": failing(3) }))?;
    host.wait_status("app", SOON, |status| status["restartCount"].as_u64() >= Some(1))?;
    let first = |reason: &str| -> Result<Timestamp> {
        let list = host.call("probelet.v1.Events/ListEvents", &json!({ "pod": "app" }))?;
        let events = list["events"].as_array().cloned().unwrap_or_default();
        assert!(!events.iter().any(|event| event["reason"] == "KillHeld"), "{events:#?}");
        let event = events.iter().find(|event| event["reason"] == reason);
        let first = event.and_then(|event| event["firstTimestamp"].as_str());
        let first = first.with_context(|| format!("no {reason} in {events:#?}"))?;
        Ok(first.parse()?)
    };
    Ok(first("Killing")?.duration_since(first("Unhealthy")?).as_secs_f64())
}

#[test]
fn a_container_that_fails_alone_is_killed_as_fast_as_without_the_brake() -> Result<()> {
    let mut took = Vec::new();
    let strict = ["--kill-burst=1", "--storm-containers=2", "--pressure-limit=0.1"];
    for flags in [&strict[..], &["--no-brake"]] {
        on_host(flags, |host| {
            took.push(to_the_kill(host)?);
            Ok(())
        })?;
    }
    let apart = (took[0] - took[1]).abs();
    assert!(apart < 3.0, "{took:?}");
    Ok(())
}

#[test]
fn a_starved_host_holds_only_kills_for_timeouts() -> Result<()> {
    let mut host = Host::start()?;
    let stall = "avg10=99.00 avg60=99.00 avg300=99.00 total=1";
    let text = format!("some {stall}\nfull {stall}\n");
    host.share_mounts()?;
    host.start_daemon_reading("/proc/pressure/memory", &text)?;
    let test = |host: &Host| -> Result<()> {
        // Two containers fail, because a container that fails alone is never held.
        let alone = json!({ "livenessProbe": failing(1) });
        for name in ["refused", "refused-too"] {
            create(host, name, &alone)?;
        }
        let exits = json!({ "exec": { "command": ["/kubia-unhealthy", "exit", "3"] },
            "period": "0.5s", "failureThreshold": 1, "timeout": "10s" });
        create(host, "exits", &json!({ "livenessProbe": exits }))?;
        // A command that hangs.
        let hangs = json!({ "exec": { "command": ["/kubia-unhealthy", "sleep"] },
            "period": "0.5s", "failureThreshold": 1, "timeout": "0.5s" });
        create(host, "hangs", &json!({ "livenessProbe": hangs }))?;
        for name in ["refused", "refused-too", "exits"] {
            let again = |status: &Value| status["restartCount"].as_u64() >= Some(2);
            host.wait_status(name, 4 * SOON, again)?;
        }
        eventually("the kill for a timeout is held", 2 * SOON, || {
            let seen = containers(host).ok()?;
            let held = seen.iter().find(|one| one["name"] == "hangs" && is_held(one))?;
            let reason = held["killHeld"]["reason"].as_str()?;
            reason.contains("full memory pressure is 99%").then_some(())
        })?;
        let held = host.events()?.into_iter().filter(|event| event.starts_with("Warning KillHeld"));
        let others: Vec<_> = held.filter(|event| !event.contains("hangs")).collect();
        assert!(others.is_empty(), "{others:#?}");
        Ok(())
    };
    test(&host).inspect_err(|_| host.show_logs())
}

#[test]
fn a_brake_setting_out_of_range_is_refused_before_the_socket_exists() -> Result<()> {
    let host = Host::start()?;
    let done = host.try_probelet(["serve", "--kill-burst", "0"], "")?;
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.stderr.contains("--kill-burst"), "{done:?}");
    assert!(!host.socket().exists());
    Ok(())
}
