//! The main use case: an unhealthy server is detected, killed and restarted.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::time::Duration;

use anyhow::Result;
use probelet_integration::{SOON, eventually, now, root, with_host};

fn fast_manifest() -> Result<String> {
    Ok(fs::read_to_string(root().join("examples/kubia-liveness-fast.yaml"))?)
}

#[test]
fn an_unhealthy_server_is_killed_and_restarted() -> Result<()> {
    with_host(|host| {
        host.apply(&fast_manifest()?)?;
        // Five good answers and three bad ones, a second each, two seconds of grace.
        let restarted = |status: &serde_json::Value| {
            status["restartCount"].as_u64() >= Some(1) && status["state"]["running"].is_object()
        };
        let status = host.wait_status("kubia-liveness", Duration::from_secs(40), restarted)?;
        let last = &status["lastState"]["terminated"];
        assert_eq!(last["exitCode"], 137, "{status}");
        assert_eq!(last["signal"], 9, "{status}");
        assert_eq!(last["reason"], "Error", "{status}");

        let events = host.events()?;
        for expected in [
            "Normal Created Container created",
            "Normal Started Container started",
            "Warning Unhealthy Liveness probe failed: HTTP probe failed with statuscode: 500",
            "Normal Killing Container kubia failed liveness probe, will be restarted",
        ] {
            assert!(events.iter().any(|event| event == expected), "no {expected:?} in {events:#?}");
        }

        let log = fs::read_to_string(host.path("probelet.log"))?;
        for [level, reason] in
            [["level=warn ", "reason=Unhealthy"], ["level=info ", "reason=Killing"]]
        {
            let words =
                [level, reason, "namespace=default", "pod=kubia-liveness", "container=kubia"];
            let is_logged = |line: &str| words.iter().all(|word| line.contains(word));
            assert!(log.lines().any(is_logged), "no {words:?} in {log}");
        }

        let previous = host.probelet(["logs", "kubia-liveness", "--previous"])?;
        assert!(previous.contains("Kubia server starting..."), "{previous}");
        assert!(previous.matches("Received request").count() >= 8, "{previous}");

        let described = host.probelet(["describe", "pod", "kubia-liveness"])?;
        for expected in ["Restart Count:", "Exit Code:", "137", "Liveness:", "Unhealthy"] {
            assert!(described.contains(expected), "no {expected:?} in {described}");
        }

        host.probelet(["delete", "pod", "kubia-liveness"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn the_first_probe_waits_for_the_initial_delay() -> Result<()> {
    with_host(|host| {
        let delayed = fast_manifest()?.replace(
            "      periodSeconds: 1",
            "      periodSeconds: 1\n      initialDelaySeconds: 2",
        );
        assert!(delayed.contains("initialDelaySeconds"));
        host.apply(&delayed)?;
        let logged = |what: &str| {
            eventually(what, SOON, || {
                let log = host.probelet(["logs", "kubia-liveness"]).ok()?;
                log.contains(what).then(now)
            })
        };
        let up = logged("Kubia server starting")?;
        let probed = logged("Received request")?;
        let waited = probed.duration_since(up);
        // The start is observed a little late, so the time may be less than two seconds.
        assert!(waited >= Duration::from_millis(1600), "probed after {waited:?}");
        Ok(())
    })
}
