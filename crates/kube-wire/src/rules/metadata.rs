//! `metadata`, as in Kubernetes' `ValidateObjectMeta`.

use serde_json::{Map, Value};

use super::{NameForm, names};
use crate::selector::{label_key_error, label_value_error};
use crate::status::{FieldError, FieldErrorKind};

/// Bytes of all annotations.
const ANNOTATIONS: usize = 256 << 10;
/// Finalizers without a domain that Kubernetes has.
const FINALIZERS: [&str; 3] = ["foregroundDeletion", "kubernetes", "orphan"];

/// True if the object stays only until its finalizers are removed.
pub fn is_being_deleted(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|it| !it.is_null())
}

/// True if a deleted object stays until its finalizers are removed.
pub fn is_kept(object: &Value) -> bool {
    ["/metadata/finalizers", "/spec/finalizers"].iter().any(|field| {
        object.pointer(field).and_then(Value::as_array).is_some_and(|list| !list.is_empty())
    })
}

/// Returns the errors of an object's `metadata`, also against the object that it replaces.
pub fn metadata_errors(new: &Value, old: Option<&Value>, form: NameForm) -> Vec<FieldError> {
    let empty = Map::new();
    let metadata = new.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    let mut errors = Vec::new();
    if old.is_none() {
        let name = metadata.get("name").and_then(Value::as_str).unwrap_or_default();
        let invalid = |why| FieldError::invalid("metadata.name", name, why);
        errors.extend(names::broken(name, form).into_iter().map(invalid));
    }
    for (key, value) in texts(metadata, "labels") {
        let invalid = |value: &str, why| FieldError::invalid("metadata.labels", value, why);
        errors.extend(label_key_error(key).map(|why| invalid(key, why)));
        errors.extend(label_value_error(value).map(|why| invalid(value, why)));
    }
    let mut size = 0_usize;
    for (key, value) in texts(metadata, "annotations") {
        size = size.saturating_add(key.len()).saturating_add(value.len());
        let why = label_key_error(&key.to_ascii_lowercase());
        errors
            .extend(why.map(|why| FieldError::invalid("metadata.annotations", key.as_str(), why)));
    }
    if size > ANNOTATIONS {
        let why = format!("may not be more than {ANNOTATIONS} bytes");
        errors.push(FieldError::new(FieldErrorKind::TooLong, "metadata.annotations", why));
    }
    errors.extend(finalizer_errors(metadata, old));
    errors.extend(owner_errors(metadata));
    errors
}

fn texts<'a>(
    metadata: &'a Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = (&'a String, &'a str)> {
    let map = metadata.get(field).and_then(Value::as_object);
    map.into_iter().flatten().map(|(key, value)| (key, value.as_str().unwrap_or_default()))
}

fn finalizers(metadata: Option<&Value>) -> Vec<&str> {
    let list = metadata.and_then(|it| it.get("finalizers")).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn finalizer_errors(metadata: &Map<String, Value>, old: Option<&Value>) -> Vec<FieldError> {
    const FIELD: &str = "metadata.finalizers";
    let list = metadata.get("finalizers").and_then(Value::as_array).into_iter().flatten();
    let new: Vec<_> = list.filter_map(Value::as_str).collect();
    let mut errors = Vec::new();
    for name in &new {
        if let Some(why) = label_key_error(name) {
            errors.push(FieldError::invalid(FIELD, *name, why));
        } else if !name.contains('/') && !FINALIZERS.contains(name) {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(FIELD, *name, why));
        }
    }
    let Some(old) = old.filter(|old| is_being_deleted(old)) else { return errors };
    let before = finalizers(old.get("metadata"));
    let added: Vec<_> = new.iter().filter(|name| !before.contains(name)).collect();
    if !added.is_empty() {
        let added = added.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers \
             []string{{{added}}}"
        );
        errors.push(FieldError::forbidden(FIELD, why));
    }
    errors
}

fn owner_errors(metadata: &Map<String, Value>) -> Vec<FieldError> {
    const FIELD: &str = "metadata.ownerReferences";
    let owners = metadata.get("ownerReferences").and_then(Value::as_array).into_iter().flatten();
    let (mut errors, mut controllers) = (Vec::new(), 0_usize);
    for owner in owners {
        let required =
            [("apiVersion", "version"), ("kind", "kind"), ("name", "name"), ("uid", "uid")];
        for (field, text) in required {
            let value = owner.get(field).and_then(Value::as_str).unwrap_or_default();
            if value.is_empty() {
                let why = format!("{text} must not be empty");
                errors.push(FieldError::invalid(format!("{FIELD}.{field}"), value, why));
            }
        }
        let is_controller = owner.get("controller").and_then(Value::as_bool) == Some(true);
        controllers = controllers.saturating_add(usize::from(is_controller));
    }
    if controllers > 1 {
        let why = "Only one reference can have Controller set to true";
        errors.push(FieldError::invalid(FIELD, Value::Null, why));
    }
    errors
}
