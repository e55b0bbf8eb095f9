//! Probes of each kind, waits for a state, and the health service.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::Result;
use probelet_integration::{Host, IMAGE, SOON, eventually, with_host};
use serde_json::{Value, json};

fn create(host: &Host, args: &[&str], more: Value) -> Result<Value> {
    let mut request = json!({ "name": "app", "image": IMAGE, "args": args, "start": true });
    if let (Some(request), Value::Object(more)) = (request.as_object_mut(), more) {
        request.extend(more);
    }
    host.call("probelet.v1.Containers/CreateContainer", &request)
}

fn wait(host: &Host, request: &Value) -> Result<Value> {
    host.call("probelet.v1.Containers/WaitContainer", request)
}

#[test]
fn liveness_waits_for_startup() -> Result<()> {
    with_host(|host| {
        // Nothing listens on port 9, so both probes would fail at once.
        let more = json!({
            "startupProbe": { "url": "tcp://:9", "period": "0.1s", "failureThreshold": 1000 },
            "livenessProbe": { "url": "tcp://:9", "period": "0.1s", "failureThreshold": 1 },
        });
        create(host, &["sleep"], more)?;
        let name = json!({ "name": "app" });
        let seen = eventually("five failures of the startup probe", SOON, || {
            let seen = host.call("probelet.v1.Containers/GetContainer", &name).ok()?;
            let probes = seen["probes"].as_array()?.clone();
            let startup = probes.iter().find(|probe| probe["kind"] == "startup")?;
            let failures: u64 = startup["failures"].as_str()?.parse().ok()?;
            (failures >= 5).then_some((seen, probes))
        });
        let (seen, probes) = seen?;
        let liveness = probes.iter().find(|probe| probe["kind"] == "liveness");
        assert!(liveness.is_none_or(|probe| probe["failures"].is_null()), "{seen}");
        assert!(seen["restartCount"].is_null() && seen["started"].is_null(), "{seen}");
        Ok(())
    })
}

#[test]
fn a_failing_tcp_probe_restarts() -> Result<()> {
    with_host(|host| {
        let probe = json!({ "tcpSocket": { "port": 9 }, "period": "0.2s", "failureThreshold": 2 });
        create(
            host,
            &["sleep"],
            json!({ "livenessProbe": probe, "terminationGracePeriod": "0s" }),
        )?;
        let seen = wait(host, &json!({ "name": "app", "restarts": 1, "timeout": "15s" }))?;
        assert!(seen["restartCount"].as_u64() >= Some(1), "{seen}");
        let events = host.events()?;
        let failed = |event: &String| event.starts_with("Warning Unhealthy Liveness probe failed");
        assert!(events.iter().any(failed), "{events:#?}");
        Ok(())
    })
}

#[test]
fn a_wait_without_success_is_deadline_exceeded() -> Result<()> {
    with_host(|host| {
        create(host, &["sleep"], json!({}))?;
        wait(host, &json!({ "name": "app", "running": true }))?;
        let never = json!({ "name": "app", "restarts": 1, "timeout": "0.3s" });
        let method = "probelet.v1.Containers/WaitContainer";
        let done = host.try_grpcurl(&["-d", "@"], &[method], &never.to_string())?;
        assert!(done.stderr.contains("Code: DeadlineExceeded"), "{done:?}");
        Ok(())
    })
}

#[test]
fn the_health_service_follows_the_container() -> Result<()> {
    with_host(|host| {
        let check = || {
            let request = json!({ "service": "app/app" }).to_string();
            host.try_grpcurl(&["-d", "@"], &["grpc.health.v1.Health/Check"], &request)
        };
        let shows = |word: &str| {
            eventually(word, SOON, || {
                let done = check().ok()?;
                format!("{}{}", done.stdout, done.stderr).contains(word).then_some(())
            })
        };
        shows("NotFound")?;
        let probe = json!({ "url": "http://:8080/", "period": "0.2s" });
        create(host, &["serve", "--fail-after", "100000"], json!({ "readinessProbe": probe }))?;
        shows("\"SERVING\"")?;
        host.probelet(["stop", "app", "--grace-period", "0"])?;
        shows("\"NOT_SERVING\"")?;
        host.probelet(["delete", "pod", "app"])?;
        shows("NotFound")
    })
}
