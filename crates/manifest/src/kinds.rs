//! Objects that hold a pod → the pod, and the path of the pod's fields in the object.

use std::borrow::Cow;
use std::sync::LazyLock;

use k8s_openapi::api::{apps::v1 as apps, batch::v1 as batch, core::v1 as core};
use serde_json::{Map, Value, json};

use crate::field_walk::{self, FieldRules};
use crate::fields::Rule::{self, Honoured, Only, Warned};
use crate::fields::SERVER;
use crate::jobs::{self, below};
use crate::manifest_error::{ManifestError, Refused};
use crate::{strict, unsupported_kinds};
use probelet_domain::pod_key::{DEFAULT_NAMESPACE, PodKey};
use probelet_domain::spec::SpecError;

pub const SUPPORTED: [&str; 9] = [
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

/// The path of the pod in a workload.
const TEMPLATE: &str = "spec.template.";

/// The pod of an object.
#[derive(Debug)]
pub struct Unwrapped<'a> {
    pub(crate) pod: Cow<'a, Value>,
    /// The path of the pod in the object; empty if the object is the pod.
    pub(crate) prefix: &'static str,
    pub(crate) warnings: Vec<String>,
}

impl Unwrapped<'_> {
    /// The path in the object of a field of the pod.
    pub fn field(&self, field: &str) -> String {
        within_object(self.prefix, field)
    }
}

/// The path in the object of a field of its pod; `prefix` is the path of the pod.
pub fn within_object(prefix: &str, field: &str) -> String {
    let is_of_object = ["metadata.name", "metadata.namespace"].contains(&field);
    if is_of_object
        || prefix.is_empty()
        || !(field.starts_with("spec") || field.starts_with("meta"))
    {
        return field.to_owned();
    }
    format!("{prefix}{field}")
}

const WORKLOAD: &str = "belongs to the workload, of which only the pod is kept";
const ONE: &str = "one machine runs one of it, and a changed pod is replaced";

#[rustfmt::skip]
const WORKLOADS: &[(&str, Rule)] = &[
    ("apiVersion", Honoured),
    ("kind", Honoured),
    ("metadata.name", Honoured),
    ("metadata.namespace", Honoured),
    ("metadata.labels", Warned(WORKLOAD)),
    ("metadata.annotations", Warned(WORKLOAD)),
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

static OF_WORKLOADS: LazyLock<FieldRules> = LazyLock::new(|| FieldRules::new(WORKLOADS));

/// The pod of an object of a supported kind.
pub fn unwrap(value: &Value) -> Result<Unwrapped<'_>, Refused> {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or("Pod").to_owned();
    match kind.as_str() {
        "Pod" => {
            let pod = Cow::Borrowed(value);
            return Ok(Unwrapped { pod, prefix: "", warnings: Vec::new() });
        }
        "Deployment" => strict::typed::<apps::Deployment>(value, "apps/v1").map(drop)?,
        "DaemonSet" => strict::typed::<apps::DaemonSet>(value, "apps/v1").map(drop)?,
        "StatefulSet" => strict::typed::<apps::StatefulSet>(value, "apps/v1").map(drop)?,
        "ReplicaSet" => strict::typed::<apps::ReplicaSet>(value, "apps/v1").map(drop)?,
        "ReplicationController" => {
            strict::typed::<core::ReplicationController>(value, "v1").map(drop)?;
        }
        "Job" => strict::typed::<batch::Job>(value, "batch/v1").map(drop)?,
        other => {
            let error = unsupported_kinds::refused(value, other, &SUPPORTED);
            return Err(ManifestError::from(error).into());
        }
    }
    let walked = field_walk::walk_by(&OF_WORKLOADS, value);
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
    // The selector of a ReplicationController is the labels themselves.
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
        jobs::apply(&mut template, deadline, number("backoffLimit"), &mut warnings);
    }
    let named = template.get("metadata").and_then(|meta| meta.get("name"));
    if named.is_some_and(|named| !named.is_null()) {
        warnings
            .push("spec.template.metadata.name: ignored: the pod has the workload's".to_owned());
    }
    name(&mut template, value, &kind);
    if !errors.is_empty() {
        return Err(Refused { errors, warnings });
    }
    template.insert("apiVersion".to_owned(), json!("v1"));
    template.insert("kind".to_owned(), json!("Pod"));
    Ok(Unwrapped { pod: Cow::Owned(Value::Object(template)), prefix: TEMPLATE, warnings })
}

/// The name of the pod of an object; `None` if the object has no pod.
///
/// # Errors
///
/// If the kind is not supported, or the object has no name.
pub fn pod_key(object: &Value) -> Result<Option<PodKey>, SpecError> {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or("Pod");
    if kind == "ConfigMap" || kind == "Secret" || unsupported_kinds::left_out(object).is_some() {
        return Ok(None);
    }
    if !SUPPORTED.contains(&kind) {
        return Err(unsupported_kinds::refused(object, kind, &SUPPORTED));
    }
    let name = object.pointer("/metadata/name").and_then(Value::as_str);
    let name = name.ok_or_else(|| SpecError::required("metadata.name", "a manifest has none"))?;
    let name = if kind == "StatefulSet" { format!("{name}-0") } else { name.to_owned() };
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
    let namespace = namespace.filter(|given| !given.is_empty()).unwrap_or(DEFAULT_NAMESPACE);
    Ok(Some(PodKey::new(namespace, name)))
}

/// Gives the pod the name of the workload. The pod of a StatefulSet has its number too, because its
/// host name has it in Kubernetes.
fn name(template: &mut Map<String, Value>, workload: &Value, kind: &str) {
    let given = |field: &str| workload.pointer(&format!("/metadata/{field}")).cloned();
    below(template, "metadata", |meta| {
        if let Some(Value::String(name)) = given("name") {
            let name = if kind == "StatefulSet" { format!("{name}-0") } else { name };
            meta.insert("name".to_owned(), json!(name));
        }
        if let Some(namespace) = given("namespace") {
            meta.insert("namespace".to_owned(), namespace);
        }
    });
}
