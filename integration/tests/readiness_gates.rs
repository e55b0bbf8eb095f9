//! `spec.readinessGates`: a pod is not ready until its conditions are set.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, IMAGE, with_host};
use serde_json::{Value, json};

const GATE: &str = "example.com/attached";

fn apply(host: &Host, label: &str) -> Result<String> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "labels": { "l": label } },
        "spec": {
            "terminationGracePeriodSeconds": 0, "readinessGates": [{ "conditionType": GATE }],
            "containers": [{ "name": "app", "image": IMAGE, "args": ["sleep"] }],
        },
    });
    host.apply(&pod.to_string())
}

fn condition(host: &Host, kind: &str) -> Result<Value> {
    let pod = host.pod("web")?;
    let conditions = pod["status"]["conditions"].as_array().context("none")?;
    let found = conditions.iter().find(|condition| condition["type"] == kind);
    Ok(found.cloned().unwrap_or_default())
}

#[test]
fn a_pod_with_a_gate_is_ready_when_its_condition_is_set() -> Result<()> {
    with_host(|host| {
        apply(host, "a")?;
        host.wait_status("web", probelet_integration::SOON, |status| status["ready"] == true)?;
        let ready = condition(host, "Ready")?;
        ensure!(ready["status"] == "False", "{ready}");
        ensure!(ready["reason"] == "ReadinessGatesNotReady", "{ready}");
        let lack = format!("condition of pod readiness gate \"{GATE}\" does not exist.");
        ensure!(ready["message"] == format!("corresponding {lack}"), "{ready}");
        ensure!(condition(host, "ContainersReady")?["status"] == "True");
        ensure!(host.probelet(["get", "pods", "-o", "wide"])?.contains("0/1\n"));
        let described = host.probelet(["describe", "pod", "web"])?;
        ensure!(described.contains("Readiness Gates:") && described.contains("<none>"));

        let set = format!("{GATE}=True");
        let reason = ["--reason", "Attached", "--message", "by hand"];
        host.probelet(["condition", "web", &set].into_iter().chain(reason))?;
        host.probelet(["wait", "web", "--for", "condition=Ready", "--timeout", "10s"])?;
        let is_set = |host: &Host| -> Result<()> {
            let set = condition(host, GATE)?;
            ensure!(set["status"] == "True" && set["reason"] == "Attached", "{set}");
            ensure!(condition(host, "Ready")?["status"] == "True");
            Ok(())
        };
        is_set(host)?;
        // A change of the live pod and a restart of the daemon keep the condition.
        ensure!(apply(host, "b")?.contains("configured"));
        is_set(host)?;
        host.kill_daemon()?;
        host.start_daemon()?;
        is_set(host)?;
        ensure!(apply(host, "b")?.contains("unchanged"));

        let request = json!({ "name": "web", "type": GATE, "status": "False" });
        host.call("probelet.v1.Pods/SetPodCondition", &request)?;
        let ready = condition(host, "Ready")?;
        ensure!(ready["reason"] == "ReadinessGatesNotReady", "{ready}");

        for (set, wanted) in [
            ("Ready=True", "decided by probelet"),
            ("a b=True", "name part must consist"),
            ("example.com/a=yes", "supported values: \"True\", \"False\", \"Unknown\""),
        ] {
            let done = host.try_probelet(["condition", "web", set], "")?;
            ensure!(done.code == Some(1) && done.stderr.contains(wanted), "{set}: {done:?}");
        }
        // The gate is exported, the condition is not.
        let exported = host.probelet(["export", "web"])?;
        ensure!(exported.contains(GATE) && !exported.contains("Attached"), "{exported}");
        Ok(())
    })
}
