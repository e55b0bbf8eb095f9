//! Bundles whose OCI spec has a fixed cgroup or hooks, which all attempts share.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, SOON, eventually, with_host};
use serde_json::{Value, json};

/// A container in a given cgroup and in the host's process namespace.
fn in_fixed_cgroup(host: &Host, name: &str) -> Result<Value> {
    let mut request = host.busybox(name, "trap 'exit 0' TERM; while :; do sleep 0.1; done")?;
    request["terminationGracePeriod"] = json!("2s");
    let linux = &mut request["ociSpec"]["linux"];
    linux["cgroupsPath"] = json!(format!("/{}/fixed-{name}", host.namespace()));
    let namespaces = linux["namespaces"].as_array_mut().context("no namespaces")?;
    namespaces.retain(|namespace| namespace["type"] != "pid");
    Ok(request)
}

fn create(host: &Host, request: &Value) -> Result<()> {
    host.call("probelet.v1.Containers/CreateContainer", request).map(drop)
}

/// The number of attempts that have started, by the events.
fn starts(host: &Host) -> Result<usize> {
    let started = |event: &String| event.starts_with("Normal Started");
    Ok(host.events()?.iter().filter(|event| started(event)).count())
}

/// Waits until this attempt runs and the task of the one before is deleted, and checks that it
/// still runs then.
fn settles(host: &Host, name: &str, count: u64) -> Result<()> {
    let good =
        |status: &Value| status["restartCount"] == count && status["state"]["running"].is_object();
    host.wait_status(name, SOON, good)?;
    eventually("the task before is deleted", SOON, || {
        let tasks = host.ctr(["task", "ls", "-q"]).ok()?;
        (tasks.lines().count() == 1).then_some(())
    })?;
    let status = host.status(name)?;
    ensure!(good(&status), "{status} {:#?}", host.events());
    Ok(())
}

#[test]
fn a_container_in_a_fixed_cgroup_survives_each_kind_of_restart() -> Result<()> {
    with_host(|host| {
        create(host, &in_fixed_cgroup(host, "app")?)?;
        settles(host, "app", 0)?;
        host.probelet(["restart", "app"])?;
        settles(host, "app", 1)?;
        host.probelet(["kill", "app", "-s", "KILL"])?;
        settles(host, "app", 2)?;
        host.probelet(["stop", "app"])?;
        host.probelet(["start", "app"])?;
        let running = |status: &Value| status["state"]["running"].is_object();
        let status = host.wait_status("app", SOON, running)?;
        settles(host, "app", status["restartCount"].as_u64().unwrap_or_default())?;
        ensure!(starts(host)? <= 4, "{:#?}", host.events());
        host.probelet(["delete", "pod", "app", "--force"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn the_poststop_hooks_of_an_attempt_run_before_the_prestart_hooks_of_the_next() -> Result<()> {
    with_host(|host| {
        let file = host.path("hooks");
        let hook = |word: &str| {
            let script = format!("cat >/dev/null; echo {word} >>{}", file.display());
            json!([{ "path": "/bin/sh", "args": ["sh", "-c", script] }])
        };
        let mut request = host.busybox("app", "trap 'exit 0' TERM; while :; do sleep 0.1; done")?;
        request["terminationGracePeriod"] = json!("2s");
        request["ociSpec"]["hooks"] =
            json!({ "prestart": hook("first"), "poststop": hook("last") });
        create(host, &request)?;
        settles(host, "app", 0)?;
        for count in 1..=3 {
            host.probelet(["restart", "app"])?;
            settles(host, "app", count)?;
        }
        let order = fs::read_to_string(&file)?;
        let words: Vec<&str> = order.lines().collect();
        ensure!(words == ["first", "last", "first", "last", "first", "last", "first"], "{words:?}");
        Ok(())
    })
}
