//! Jobs, and the template of a Job in a CronJob.

use probelet_kube_wire::status::{FieldError, FieldErrorKind};
use serde_json::Value;

use super::{immutable, not_negative, one_of, pointer, refused, selector};
use crate::defaults::job_labels;
use crate::read::{flag, integer, present, text};
use crate::selector::Selector;

/// The most completions: the pod of each stays until its Job is deleted.
const MOST_COMPLETIONS: i64 = 100;
/// The longest name, which is also the value of a label.
const LONGEST_NAME: usize = 63;

pub(super) fn validate(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = text(object, "/metadata/name");
    if name.len() > LONGEST_NAME {
        let why = format!("must be no more than {LONGEST_NAME} bytes");
        errors.push(FieldError::invalid("metadata.name", name, why));
    }
    errors.extend(spec(object, "spec"));
    errors.extend(selector(object, ""));
    if !flag(object, "/spec/manualSelector") {
        errors.extend(generated(object));
    }
    if let Some(old) = old {
        let fields = ["spec.completions", "spec.selector", "spec.template", "spec.completionMode"];
        errors.extend(immutable(object, old, &fields));
    }
    errors
}

/// The labels that the Job gives its pods must be the Job's own.
fn generated(object: &Value) -> Vec<FieldError> {
    let labels = job_labels(text(object, "/metadata/name"), text(object, "/metadata/uid"));
    let found = crate::read::texts(object, "/spec/template/metadata/labels");
    let mut errors = Vec::new();
    for (key, value) in &labels {
        if found.get(*key) != Some(value) {
            let why = format!("must be '{value}'");
            let field = "spec.template.metadata.labels".to_owned();
            let given = found.get(*key).map_or("", String::as_str);
            errors.push(FieldError::invalid(format!("{field}[{key}]"), given, why));
        }
    }
    let given = present(object, "/spec/selector");
    let read = given.and_then(|given| Selector::read(given, "spec.selector").ok());
    let wanted = labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    if let Some((given, selector)) = given.zip(read)
        && !selector.matches(&wanted)
    {
        let why = "`selector` not auto-generated";
        errors.push(FieldError::invalid("spec.selector", given.clone(), why));
    }
    errors
}

/// The errors of a Job's spec at this path.
pub(super) fn spec(object: &Value, path: &str) -> Vec<FieldError> {
    let at = |field: &str| format!("{path}.{field}");
    let number = |field: &str| integer(object, &pointer(&at(field)));
    let mut errors = not_negative(
        object,
        path,
        &[
            "parallelism",
            "completions",
            "activeDeadlineSeconds",
            "backoffLimit",
            "ttlSecondsAfterFinished",
        ],
    );
    if let Some(most) = number("completions").filter(|number| *number > MOST_COMPLETIONS) {
        let why = format!(
            "must be less than or equal to {MOST_COMPLETIONS}: the pod of each stays on this host"
        );
        errors.push(FieldError::invalid(at("completions"), most, why));
    }
    let parallel = number("parallelism").filter(|number| *number > 1);
    if let (Some(parallel), None) = (parallel, number("completions")) {
        let why = "must be 0 or 1 without completions: one host runs one pod of a Job at a time";
        errors.push(FieldError::invalid(at("parallelism"), parallel, why));
    }
    let later = "not supported: one host runs the pods of a Job one after the other";
    let fields = [
        at("podFailurePolicy"),
        at("successPolicy"),
        at("backoffLimitPerIndex"),
        at("maxFailedIndexes"),
        at("managedBy"),
    ];
    errors.extend(refused(object, &fields.each_ref().map(|field| (field.as_str(), later))));
    let field = at("completionMode");
    if text(object, &pointer(&field)) == "Indexed" {
        errors.push(FieldError::forbidden(field, format!("Indexed is {later}")));
    } else {
        errors.extend(one_of(object, &field, &["NonIndexed", "Indexed"]));
    }
    let policies = ["TerminatingOrFailed", "Failed"];
    errors.extend(one_of(object, &at("podReplacementPolicy"), &policies));
    let field = at("template.spec.restartPolicy");
    match text(object, &pointer(&field)) {
        "OnFailure" | "Never" => {}
        "" | "Always" => {
            let why = "valid values: \"OnFailure\", \"Never\"";
            errors.push(FieldError::new(FieldErrorKind::Required, field, why));
        }
        _ => errors.extend(one_of(object, &field, &["OnFailure", "Never"])),
    }
    errors
}
