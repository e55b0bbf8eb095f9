//! `kubectl cordon` and `drain`: evictions, DaemonSets, static pods.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::Kube;
use probelet_integration::{SOON, eventually};
use serde_json::{Value, json};

fn workload(kind: &str, name: &str) -> String {
    let container = json!({
        "name": "main", "image": BUSYBOX_IMAGE,
        "command": ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"],
    });
    let pod = json!({"terminationGracePeriodSeconds": 1, "containers": [container]});
    let labels = json!({"app": name});
    let (template, name) = (json!({"metadata": {"labels": labels}, "spec": pod}), json!(name));
    let spec = json!({"selector": {"matchLabels": labels}, "template": template});
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
        .to_string()
}

fn pods(kube: &Kube) -> Option<Vec<String>> {
    let names = kube.kubectl(&["get", "pods", "-o", "name"]).ok()?;
    Some(names.lines().map(str::to_owned).collect())
}

fn reasons(kube: &Kube, object: &str) -> Result<Vec<(String, String)>> {
    let field = format!("involvedObject.name={object}");
    let list = kube.json(&["get", "events", "--field-selector", &field])?;
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    let all = list["items"].as_array().context("no items")?.iter();
    Ok(all.map(|event| (text(event, "reason"), text(event, "message"))).collect())
}

#[test]
fn a_drained_node_keeps_its_daemon_sets_and_gets_the_others_back_later() -> Result<()> {
    let mut kube = Kube::start()?;
    kube.host.busybox_image(&json!({}))?;
    let node = kube.kubectl(&["get", "nodes", "-o", "name"])?;
    let node = node.trim().trim_start_matches("node/").to_owned();
    kube.apply(&["create", "-f", "-"], &workload("Deployment", "web"))?;
    kube.apply(&["create", "-f", "-"], &workload("DaemonSet", "agent"))?;
    kube.kubectl(&["rollout", "status", "deploy/web", "--timeout=30s"])?;
    kube.kubectl(&["rollout", "status", "ds/agent", "--timeout=30s"])?;
    let refused = kube.refused(&["drain", &node], "")?;
    ensure!(refused.contains("cannot delete DaemonSet-managed Pods"), "{refused}");
    // The refused drain has cordoned the node, as against a cluster.
    let drained = kube.kubectl(&["drain", &node, "--ignore-daemonsets", "--timeout=30s"])?;
    ensure!(drained.contains("evicting pod default/web") || drained.contains("pod/web evicted"));
    ensure!(drained.contains(&format!("node/{node} drained")), "{drained}");
    ensure!(kube.kubectl(&["get", "nodes"])?.contains("Ready,SchedulingDisabled"));
    eventually("the Deployment cannot have its pod", SOON, || {
        let events = reasons(&kube, "web").ok()?;
        events.iter().any(|(reason, _)| reason == "FailedScheduling").then_some(())
    })?;
    ensure!(pods(&kube).as_deref() == Some(&["pod/agent".to_owned()]), "{:?}", pods(&kube));
    // The node stays cordoned, and events stay, over a restart of the daemon.
    let before = reasons(&kube, "web")?;
    kube.crash()?;
    ensure!(kube.kubectl(&["get", "nodes"])?.contains("Ready,SchedulingDisabled"));
    let after = reasons(&kube, "web")?;
    for event in before.iter().filter(|(reason, _)| reason == "ScalingReplicaSet") {
        ensure!(after.contains(event), "{event:?} is not in {after:?}");
    }
    ensure!(
        before.iter().any(|(_, message)| message.starts_with("Scaled up replica set web-")),
        "{before:?}"
    );
    kube.kubectl(&["uncordon", &node])?;
    kube.kubectl(&["rollout", "status", "deploy/web", "--timeout=30s"])?;
    let described = kube.kubectl(&["describe", "deploy", "web"])?;
    ensure!(described.contains("ScalingReplicaSet"), "{described}");
    // Nothing else of the node is a client's to change.
    let refused = kube.refused(&["label", "node", &node, "disk=ssd"], "")?;
    ensure!(refused.contains("only spec.unschedulable can be changed"), "{refused}");
    Ok(())
}

#[test]
fn jobs_tell_how_they_ended() -> Result<()> {
    let kube = Kube::start()?;
    kube.host.busybox_image(&json!({}))?;
    let job = |name: &str, command: &str| {
        let container = json!({"name": "main", "image": BUSYBOX_IMAGE, "command": [command]});
        let pod = json!({"restartPolicy": "Never", "containers": [container]});
        let spec = json!({"backoffLimit": 0, "template": {"spec": pod}});
        let metadata = json!({"name": name});
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
    };
    for (name, command, condition) in [("good", "true", "complete"), ("bad", "false", "failed")] {
        kube.apply(&["create", "-f", "-"], &job(name, command).to_string())?;
        let condition = format!("--for=condition={condition}");
        kube.kubectl(&["wait", &condition, &format!("job/{name}"), "--timeout=30s"])?;
    }
    for (name, reason, text) in [
        ("good", "Completed", "Job completed"),
        ("bad", "BackoffLimitExceeded", "Job has reached the specified backoff limit"),
        ("good", "SuccessfulCreate", "Created pod: good"),
    ] {
        let wanted = (reason.to_owned(), text.to_owned());
        eventually(&format!("{reason} of {name}"), SOON, || {
            reasons(&kube, name).ok()?.contains(&wanted).then_some(())
        })?;
    }
    let described = kube.kubectl(&["describe", "job", "bad"])?;
    ensure!(described.contains("BackoffLimitExceeded"), "{described}");
    Ok(())
}
