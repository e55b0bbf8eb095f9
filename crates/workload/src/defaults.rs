//! The defaults that Kubernetes' API server fills in.

use serde_json::{Map, Value, json};

use crate::kind::Kind;
use crate::read::{below, flag, present, text, texts};

/// The value of `backoffLimit` if the limit is one of each index.
const NO_LIMIT: i64 = i32::MAX as i64;

/// Fills in what an object leaves out. `template` does the same for a `PodTemplateSpec`.
///
/// A Job gets its selector and the labels of its pods only when it has a UID, so the caller gives it
/// one before. A CronJob's template of a Job has none of them.
pub fn default(kind: Kind, object: &mut Value, template: impl FnOnce(&mut Value)) {
    if let Some(pod) = object.pointer_mut(kind.template()).filter(|pod| pod.is_object()) {
        template(pod);
    }
    match kind {
        Kind::Deployment => below(object, &["spec"], deployment),
        Kind::DaemonSet => below(object, &["spec"], daemon_set),
        Kind::StatefulSet => below(object, &["spec"], stateful_set),
        Kind::Job => {
            below(object, &["spec"], job);
            select(object);
        }
        Kind::CronJob => {
            below(object, &["spec"], |spec| {
                set(spec, "concurrencyPolicy", json!("Allow"));
                set(spec, "suspend", json!(false));
                set(spec, "successfulJobsHistoryLimit", json!(3));
                set(spec, "failedJobsHistoryLimit", json!(1));
            });
            below(object, &["spec", "jobTemplate", "spec"], job);
        }
    }
    // Clients read fields of a status that the controller has not written yet.
    if let Some(fields) = object.as_object_mut() {
        set(fields, "status", json!({}));
    }
}

/// Sets a field that is absent or null.
fn set(map: &mut Map<String, Value>, field: &str, value: Value) {
    let at = map.entry(field.to_owned()).or_insert(Value::Null);
    if at.is_null() {
        *at = value;
    }
}

fn deployment(spec: &mut Map<String, Value>) {
    set(spec, "replicas", json!(1));
    set(spec, "strategy", json!({}));
    if let Some(strategy) = spec.get_mut("strategy").and_then(Value::as_object_mut) {
        set(strategy, "type", json!("RollingUpdate"));
        if strategy.get("type") == Some(&json!("RollingUpdate")) {
            set(strategy, "rollingUpdate", json!({}));
            if let Some(Value::Object(update)) = strategy.get_mut("rollingUpdate") {
                set(update, "maxUnavailable", json!("25%"));
                set(update, "maxSurge", json!("25%"));
            }
        }
    }
    set(spec, "revisionHistoryLimit", json!(10));
    set(spec, "progressDeadlineSeconds", json!(600));
}

fn daemon_set(spec: &mut Map<String, Value>) {
    set(spec, "updateStrategy", json!({}));
    if let Some(strategy) = spec.get_mut("updateStrategy").and_then(Value::as_object_mut) {
        set(strategy, "type", json!("RollingUpdate"));
        if strategy.get("type") == Some(&json!("RollingUpdate")) {
            set(strategy, "rollingUpdate", json!({}));
            if let Some(Value::Object(update)) = strategy.get_mut("rollingUpdate") {
                set(update, "maxUnavailable", json!(1));
                set(update, "maxSurge", json!(0));
            }
        }
    }
    set(spec, "revisionHistoryLimit", json!(10));
}

fn stateful_set(spec: &mut Map<String, Value>) {
    set(spec, "replicas", json!(1));
    set(spec, "podManagementPolicy", json!("OrderedReady"));
    set(spec, "updateStrategy", json!({}));
    if let Some(strategy) = spec.get_mut("updateStrategy").and_then(Value::as_object_mut) {
        set(strategy, "type", json!("RollingUpdate"));
        if strategy.get("type") == Some(&json!("RollingUpdate")) {
            set(strategy, "rollingUpdate", json!({}));
            if let Some(Value::Object(update)) = strategy.get_mut("rollingUpdate") {
                set(update, "partition", json!(0));
            }
        }
    }
    set(spec, "revisionHistoryLimit", json!(10));
    set(spec, "persistentVolumeClaimRetentionPolicy", json!({}));
    if let Some(Value::Object(policy)) = spec.get_mut("persistentVolumeClaimRetentionPolicy") {
        set(policy, "whenDeleted", json!("Retain"));
        set(policy, "whenScaled", json!("Retain"));
    }
}

fn job(spec: &mut Map<String, Value>) {
    let has =
        |spec: &Map<String, Value>, field: &str| spec.get(field).is_some_and(|v| !v.is_null());
    // Parallelism without completions is a queue of work.
    if !has(spec, "completions") && !has(spec, "parallelism") {
        set(spec, "completions", json!(1));
    }
    set(spec, "parallelism", json!(1));
    let limit = if has(spec, "backoffLimitPerIndex") { NO_LIMIT } else { 6 };
    set(spec, "backoffLimit", json!(limit));
    set(spec, "completionMode", json!("NonIndexed"));
    set(spec, "suspend", json!(false));
    set(spec, "manualSelector", json!(false));
    let replacement = if has(spec, "podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
    set(spec, "podReplacementPolicy", json!(replacement));
}

/// The labels that a Job's pods get, with their values.
pub fn job_labels(name: &str, uid: &str) -> [(&'static str, String); 4] {
    [
        ("batch.kubernetes.io/controller-uid", uid.to_owned()),
        ("batch.kubernetes.io/job-name", name.to_owned()),
        // The older names.
        ("controller-uid", uid.to_owned()),
        ("job-name", name.to_owned()),
    ]
}

/// Labels and selector of a Job.
fn select(job: &mut Value) {
    copy_labels(job);
    generate(job);
    // A template without labels has the generated ones now.
    copy_labels(job);
}

/// A Job without labels has those of its template.
fn copy_labels(job: &mut Value) {
    let labels = texts(job, "/spec/template/metadata/labels");
    if texts(job, "/metadata/labels").is_empty() && !labels.is_empty() {
        below(job, &["metadata"], |meta| {
            meta.insert("labels".to_owned(), json!(labels));
        });
    }
}

fn generate(job: &mut Value) {
    let (name, uid) = (text(job, "/metadata/name"), text(job, "/metadata/uid"));
    if uid.is_empty() || flag(job, "/spec/manualSelector") {
        return;
    }
    let labels = job_labels(name, uid);
    if present(job, "/spec/selector").is_none() {
        let (key, value) = &labels[0];
        let mut selector = json!({});
        below(&mut selector, &["matchLabels"], |map| {
            map.insert((*key).to_owned(), json!(value));
        });
        below(job, &["spec"], |spec| {
            spec.insert("selector".to_owned(), selector);
        });
    }
    below(job, &["spec", "template", "metadata", "labels"], |map| {
        for (key, value) in labels {
            set(map, key, json!(value));
        }
    });
}
