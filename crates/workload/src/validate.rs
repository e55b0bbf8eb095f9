//! Validation, with Kubernetes' paths and texts.
//!
//! The pod of a template is the caller's to validate, except what its workload restricts. So are
//! `metadata`'s names, labels and annotations, except the length of a name. The types of fields are
//! checked before, by `strict::check` of `crates/kube-wire`.

use jiff::tz::TimeZone;
use probelet_kube_wire::status::{FieldError, FieldErrorKind};
use serde_json::Value;

use crate::kind::Kind;
use crate::read::{integer, present, text, texts};
use crate::selector::Selector;

mod cron_job;
mod job;
mod replicated;

const NEGATIVE: &str = "must be greater than or equal to 0";
const ONE: &str = "must be 0 or 1: one host runs one pod of a workload";
const IMMUTABLE: &str = "field is immutable";

/// All errors of an object with defaults; `old` is the object that it replaces. `zone` gives the
/// time zone of a name, as for [`reconcile`](crate::reconcile()).
pub fn validate(
    kind: Kind,
    object: &Value,
    old: Option<&Value>,
    zone: impl Fn(Option<&str>) -> Option<TimeZone>,
) -> Vec<FieldError> {
    match kind {
        Kind::Deployment => replicated::deployment(object, old),
        Kind::DaemonSet => replicated::daemon_set(object, old),
        Kind::StatefulSet => replicated::stateful_set(object, old),
        Kind::Job => job::validate(object, old),
        Kind::CronJob => cron_job::validate(object, zone),
    }
}

/// The errors of `spec.replicas`.
pub(crate) fn replicas(replicas: i64) -> Vec<FieldError> {
    let error = |why| vec![FieldError::invalid("spec.replicas", replicas, why)];
    match replicas {
        i64::MIN..0 => error(NEGATIVE),
        0 | 1 => Vec::new(),
        _ => error(ONE),
    }
}

/// Numbers of the spec that must not be negative. `path` is that of the spec, such as `spec`.
fn not_negative(object: &Value, path: &str, fields: &[&str]) -> Vec<FieldError> {
    let negative = |field: &&str| {
        let field = format!("{path}.{field}");
        let number = integer(object, &pointer(&field)).filter(|number| *number < 0)?;
        Some(FieldError::invalid(field, number, NEGATIVE))
    };
    fields.iter().filter_map(negative).collect()
}

/// `spec.template` → `/spec/template`.
fn pointer(field: &str) -> String {
    format!("/{}", field.replace('.', "/"))
}

/// A value that must be one of a list.
fn one_of(object: &Value, field: &str, supported: &[&str]) -> Option<FieldError> {
    let given = text(object, &pointer(field));
    (!supported.contains(&given)).then(|| FieldError::not_supported(field, given, supported))
}

/// Fields that have no meaning here yet, and what stands against each.
fn refused(object: &Value, fields: &[(&str, &str)]) -> Vec<FieldError> {
    let is_set = |field: &str| {
        let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
        present(object, &pointer(field)).is_some_and(|value| !empty(value))
    };
    let set = fields.iter().filter(|(field, _)| is_set(field));
    set.map(|(field, why)| FieldError::forbidden(*field, *why)).collect()
}

/// Fields that an update must not change.
fn immutable(object: &Value, old: &Value, fields: &[&str]) -> Vec<FieldError> {
    let value = |object: &Value, field: &str| object.pointer(&pointer(field)).cloned();
    let changed = fields.iter().filter_map(|field| {
        let given = value(object, field).unwrap_or_default();
        let before = value(old, field).unwrap_or_default();
        (given != before).then(|| FieldError::invalid(*field, given, IMMUTABLE))
    });
    changed.collect()
}

/// The selector, and that it selects the template's labels. `empty` is the text for one that
/// selects everything.
fn selector(object: &Value, empty: &str) -> Vec<FieldError> {
    let field = "spec.selector";
    let Some(given) = present(object, "/spec/selector") else {
        return vec![FieldError::new(FieldErrorKind::Required, field, "")];
    };
    let selector = match Selector::read(given, field) {
        Ok(selector) => selector,
        Err(errors) => return errors.0,
    };
    if selector.is_empty() && !empty.is_empty() {
        return vec![FieldError::invalid(field, given.clone(), empty)];
    }
    let labels = texts(object, "/spec/template/metadata/labels");
    if selector.matches(&labels) {
        return Vec::new();
    }
    let why = "`selector` does not match template `labels`";
    let labels = serde_json::json!(labels);
    vec![FieldError::invalid("spec.template.metadata.labels", labels, why)]
}
