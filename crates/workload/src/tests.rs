//! Tables of states, and simulations of a host.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::*;

mod cron_jobs;
mod defaults;
mod deployments;
mod garbage;
mod jobs;
mod others;
mod rules;
mod simulation;

pub const START: &str = "2026-01-02T03:04:05Z";

pub fn at(seconds: i64) -> Timestamp {
    START.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

pub fn utc(name: Option<&str>) -> Option<TimeZone> {
    match name {
        None | Some("Etc/UTC") => Some(TimeZone::UTC),
        Some("America/New_York") => Some(TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap()),
        Some(_) => None,
    }
}

/// A stored object: with a UID, a creation time and defaults.
pub fn stored(kind: Kind, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": kind.api_version(), "kind": kind.name(),
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "u-1", "generation": 1,
            "creationTimestamp": START,
        },
        "spec": spec,
    });
    default(kind, &mut object, |template| {
        let spec = template.get_mut("spec").and_then(Value::as_object_mut).unwrap();
        spec.entry("restartPolicy").or_insert(json!("Always"));
    });
    object
}

/// A spec with a selector and a template.
pub fn spec(kind: Kind, more: Value) -> Value {
    let containers = json!([{ "name": "app", "image": "nginx" }]);
    let mut spec = match kind {
        Kind::Job => {
            json!({ "template": { "spec": { "containers": containers, "restartPolicy": "Never" } } })
        }
        Kind::CronJob => json!({
            "schedule": "*/10 * * * *",
            "jobTemplate": { "spec": {
                "template": { "spec": { "containers": containers, "restartPolicy": "Never" } }
            } },
        }),
        _ => json!({
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" }, "annotations": { "a": "b" } },
                "spec": { "containers": containers },
            },
        }),
    };
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

pub fn object(kind: Kind, more: Value) -> Value {
    stored(kind, spec(kind, more))
}

pub fn errors(kind: Kind, object: &Value, old: Option<&Value>) -> Vec<String> {
    validate(kind, object, old, utc).iter().map(ToString::to_string).collect()
}

pub fn run(object: &Value, pods: &[PodFacts], seconds: i64) -> Reconciliation {
    let kind = Kind::of(object).unwrap();
    reconcile(kind, object, Observed { pods, ..Observed::default() }, at(seconds), utc)
}

/// Stores the status of a reconciliation, and returns the actions in short.
pub fn step(object: &mut Value, pods: &[PodFacts], seconds: i64) -> Vec<String> {
    let result = run(object, pods, seconds);
    object["status"] = result.status.clone();
    short(&result)
}

pub fn short(result: &Reconciliation) -> Vec<String> {
    let one = |action: &Action| match action {
        Action::CreatePod(pod) => format!("+{}", pod.name),
        Action::DeletePod { name, .. } => format!("-{name}"),
        Action::CreateJob(job) => format!("+job {}", job.name),
        Action::DeleteJob { name, .. } => format!("-job {name}"),
    };
    result.actions.iter().map(one).collect()
}

/// `Reason: message` of each event.
pub fn notes(result: &Reconciliation) -> Vec<String> {
    result.notes.iter().map(|note| format!("{}: {}", note.reason, note.message)).collect()
}

/// The pod that a reconciliation creates, not ready yet.
pub fn created(result: &Reconciliation) -> PodFacts {
    let pod = result.actions.iter().find_map(|action| match action {
        Action::CreatePod(pod) => Some(pod),
        _ => None,
    });
    let pod = pod.expect("a pod is created");
    PodFacts {
        name: pod.name.clone(),
        uid: format!("pod-{}", pod.name),
        owner: Some(pod.owner.uid.clone()),
        labels: pod.labels.clone(),
        ..PodFacts::default()
    }
}

/// `Type=Status(Reason)` of each condition.
pub fn conditions(object: &Value) -> Vec<String> {
    let list = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let one = |it: &Value| {
        let text = |field: &str| it[field].as_str().unwrap_or_default().to_owned();
        format!("{}={}({})", text("type"), text("status"), text("reason"))
    };
    list.iter().map(one).collect()
}
