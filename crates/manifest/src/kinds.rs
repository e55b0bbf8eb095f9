//! The kinds that have a pod in them → that pod, and where in the object its fields are.

use k8s_openapi::api::{apps::v1 as apps, batch::v1 as batch, core::v1 as core};
use serde_json::{Map, Value, json};

use super::fields::{self, Rule, SERVER};
use super::{ManifestError, Refused, others, strict};
use Rule::{Honoured, Only, Warned};
use probelet_domain::spec::SpecError;

pub(super) const SUPPORTED: [&str; 9] = [
    "ConfigMap",
    "DaemonSet",
    "Deployment",
    "Job",
    "Pod",
    "ReplicaSet",
    "ReplicationController",
    "Secret",
    "StatefulSet",
];

/// Before a field of the pod in a workload's template.
const TEMPLATE: &str = "spec.template.";
/// Kubernetes' default.
const BACKOFF_LIMIT: u64 = 6;
/// Kubernetes' longest wait between two tries of a Job.
const JOB_CAP: &str = "360000";

#[derive(Debug)]
pub(super) struct Unwrapped {
    pub(super) pod: Value,
    pub(super) prefix: &'static str,
    pub(super) warnings: Vec<String>,
}

impl Unwrapped {
    /// A field of the pod as the object has it.
    pub(super) fn field(&self, field: &str) -> String {
        within_object(self.prefix, field)
    }
}

pub(super) fn within_object(prefix: &str, field: &str) -> String {
    let own = ["metadata.name", "metadata.namespace"].contains(&field);
    if own || prefix.is_empty() || !(field.starts_with("spec") || field.starts_with("meta")) {
        return field.to_owned();
    }
    format!("{prefix}{field}")
}

const OWN: &str = "belongs to the workload, of which only the pod is kept";
const ONE: &str = "one machine runs one of it, and a changed pod is replaced";

#[rustfmt::skip]
const WORKLOADS: &[(&str, Rule)] = &[
    ("apiVersion", Honoured),
    ("kind", Honoured),
    ("metadata.name", Honoured),
    ("metadata.namespace", Honoured),
    ("metadata.labels", Warned(OWN)),
    ("metadata.annotations", Warned(OWN)),
    ("metadata.creationTimestamp", Warned(SERVER)),
    ("metadata.generation", Warned(SERVER)),
    ("metadata.managedFields", Warned(SERVER)),
    ("metadata.resourceVersion", Warned(SERVER)),
    ("metadata.selfLink", Warned(SERVER)),
    ("metadata.uid", Warned(SERVER)),
    ("status", Warned(SERVER)),
    ("spec.template", Honoured),
    ("spec.replicas", Honoured),
    ("spec.selector", Honoured),
    ("spec.minReadySeconds", Warned(ONE)),
    ("spec.progressDeadlineSeconds", Warned(ONE)),
    ("spec.revisionHistoryLimit", Warned("no history is kept")),
    ("spec.strategy", Warned(ONE)),
    ("spec.updateStrategy", Warned(ONE)),
    ("spec.podManagementPolicy", Warned(ONE)),
    ("spec.serviceName", Warned("there are no services here")),
    ("spec.persistentVolumeClaimRetentionPolicy", Warned("there are no claims here")),
    ("spec.paused", Only(&["false"])),
    ("spec.suspend", Only(&["false"])),
    ("spec.activeDeadlineSeconds", Honoured),
    ("spec.backoffLimit", Honoured),
    ("spec.completions", Honoured),
    ("spec.parallelism", Honoured),
    ("spec.completionMode", Only(&["NonIndexed"])),
    ("spec.manualSelector", Warned(ONE)),
    ("spec.podReplacementPolicy", Warned("a container restarts when it has ended, never before")),
    ("spec.ttlSecondsAfterFinished", Warned("a pod that is over stays until it is deleted")),
];

pub(super) fn unwrap(value: Value) -> Result<Unwrapped, Refused> {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or("Pod").to_owned();
    match kind.as_str() {
        "Pod" => return Ok(Unwrapped { pod: value, prefix: "", warnings: Vec::new() }),
        "Deployment" => strict::typed::<apps::Deployment>(&value, "apps/v1").map(drop)?,
        "DaemonSet" => strict::typed::<apps::DaemonSet>(&value, "apps/v1").map(drop)?,
        "StatefulSet" => strict::typed::<apps::StatefulSet>(&value, "apps/v1").map(drop)?,
        "ReplicaSet" => strict::typed::<apps::ReplicaSet>(&value, "apps/v1").map(drop)?,
        "ReplicationController" => {
            strict::typed::<core::ReplicationController>(&value, "v1").map(drop)?;
        }
        "Job" => strict::typed::<batch::Job>(&value, "batch/v1").map(drop)?,
        other => {
            let error = others::refused(&value, other, &SUPPORTED);
            return Err(ManifestError::from(error).into());
        }
    }
    let walked = fields::walk_by(WORKLOADS, &value);
    let mut errors = walked.refused;
    let number = |field: &str| value.pointer(&format!("/spec/{field}")).and_then(Value::as_u64);
    for field in ["replicas", "completions", "parallelism"] {
        if let Some(count) = number(field).filter(|count| *count != 1) {
            let field = format!("spec.{field}");
            errors.push(SpecError::invalid(field, count, "must be 1: one machine runs one of it"));
        }
    }
    let mut template = match value.pointer("/spec/template") {
        Some(Value::Object(template)) => template.clone(),
        _ => Map::new(),
    };
    let labels = template.get("metadata").and_then(|m| m.get("labels"));
    // The oldest kind has the labels themselves.
    let old = kind == "ReplicationController";
    let selector = if old { "/spec/selector" } else { "/spec/selector/matchLabels" };
    let wanted = value.pointer(selector).and_then(Value::as_object);
    let fits = |(key, value): (&String, &Value)| labels.and_then(|l| l.get(key)) == Some(value);
    if wanted.is_some_and(|wanted| !wanted.iter().all(fits)) {
        let why = "Invalid value: `selector` does not match template `labels`";
        errors.push(SpecError::new("spec.template.metadata.labels", why));
    }
    let policy = template.get("spec").and_then(|spec| spec.get("restartPolicy"));
    let policy = policy.and_then(Value::as_str).unwrap_or_default();
    let supported: &[&str] = if kind == "Job" { &["OnFailure", "Never"] } else { &["Always"] };
    if !(supported.contains(&policy) || policy.is_empty() && kind != "Job") {
        let field = "spec.template.spec.restartPolicy";
        errors.push(SpecError::unsupported(field, policy, supported));
    }
    let mut warnings = walked.warnings;
    if kind == "Job" {
        let deadline = number("activeDeadlineSeconds");
        job(&mut template, deadline, number("backoffLimit"), &mut warnings);
    }
    let named = template.get("metadata").and_then(|meta| meta.get("name"));
    if named.is_some_and(|named| !named.is_null()) {
        warnings
            .push("spec.template.metadata.name: ignored: the pod has the workload's".to_owned());
    }
    name(&mut template, &value, &kind);
    if !errors.is_empty() {
        return Err(Refused { errors, warnings });
    }
    template.insert("apiVersion".to_owned(), json!("v1"));
    template.insert("kind".to_owned(), json!("Pod"));
    Ok(Unwrapped { pod: Value::Object(template), prefix: TEMPLATE, warnings })
}

/// What the pod of an object is called; `None` for what has none.
pub fn pod_name(object: &Value) -> Result<Option<String>, SpecError> {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or("Pod");
    if kind == "ConfigMap" || kind == "Secret" || others::left_out(object).is_some() {
        return Ok(None);
    }
    if !SUPPORTED.contains(&kind) {
        return Err(others::refused(object, kind, &SUPPORTED));
    }
    let name = object.pointer("/metadata/name").and_then(Value::as_str);
    let name = name.ok_or_else(|| SpecError::required("metadata.name", "a manifest has none"))?;
    Ok(Some(if kind == "StatefulSet" { format!("{name}-0") } else { name.to_owned() }))
}

/// The pod has the workload's name; that of a StatefulSet has its number too, as people expect
/// of its host name.
fn name(template: &mut Map<String, Value>, workload: &Value, kind: &str) {
    let own = |field: &str| workload.pointer(&format!("/metadata/{field}")).cloned();
    within(template, "metadata", |meta| {
        if let Some(Value::String(name)) = own("name") {
            let name = if kind == "StatefulSet" { format!("{name}-0") } else { name };
            meta.insert("name".to_owned(), json!(name));
        }
        if let Some(namespace) = own("namespace") {
            meta.insert("namespace".to_owned(), namespace);
        }
    });
}

/// A Job's tries are restarts here, with a Job's waits between them.
fn job(
    template: &mut Map<String, Value>,
    deadline: Option<u64>,
    limit: Option<u64>,
    warnings: &mut Vec<String>,
) {
    let names: Vec<String> = within(template, "spec", |spec| {
        let own = spec.get("activeDeadlineSeconds").and_then(Value::as_u64);
        if let Some(seconds) = own.into_iter().chain(deadline).min() {
            spec.insert("activeDeadlineSeconds".to_owned(), json!(seconds));
        }
        if spec.get("restartPolicy").and_then(Value::as_str) == Some("Never") {
            let field = "spec.template.spec.restartPolicy";
            warnings.push(format!("{field}: Never: a next try is a restart of the container"));
            spec.insert("restartPolicy".to_owned(), json!("OnFailure"));
        }
        let lists = ["initContainers", "containers"].into_iter().filter_map(|list| spec.get(list));
        let names = lists.filter_map(Value::as_array).flatten().filter_map(|c| c.get("name"));
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    });
    within(template, "metadata", |meta| {
        within(meta, "annotations", |annotations| {
            for (name, (setting, value)) in names.iter().flat_map(|name| {
                let limit = limit.unwrap_or(BACKOFF_LIMIT).to_string();
                // However long a try has run, it counts.
                let reset = u32::MAX.to_string();
                [
                    (name, ("maxRestarts", limit)),
                    (name, ("backoffCapMilliseconds", JOB_CAP.to_owned())),
                    (name, ("backoffResetMilliseconds", reset)),
                ]
            }) {
                let key = format!("probelet.io/{name}.{setting}");
                annotations.entry(key).or_insert_with(|| json!(value));
            }
        });
    });
}

/// Changes the mapping below `key`, made where there is none.
fn within<T>(
    map: &mut Map<String, Value>,
    key: &str,
    change: impl FnOnce(&mut Map<String, Value>) -> T,
) -> T {
    let mut below = match map.remove(key) {
        Some(Value::Object(below)) => below,
        _ => Map::new(),
    };
    let changed = change(&mut below);
    map.insert(key.to_owned(), Value::Object(below));
    changed
}
