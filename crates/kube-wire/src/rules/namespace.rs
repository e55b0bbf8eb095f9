//! Namespaces.

use serde_json::{Value, json};

use super::{NONE, NameForm, Rules, metadata_errors};
use crate::status::FieldError;

pub const RULES: Rules = Rules { default, validate, permanent: &PERMANENT, delete, ..NONE };

/// The label that each namespace has, with its name.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Namespaces that always exist.
pub const PERMANENT: [&str; 2] = ["default", "kube-system"];
/// The finalizer of the controller that deletes what is in a namespace.
const FINALIZER: &str = "kubernetes";

fn default(namespace: &mut Value) {
    let name = namespace.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
    let Some(fields) = namespace.as_object_mut() else { return };
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    if let (Some(name), Some(metadata)) = (name, metadata.as_object_mut()) {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if labels.is_null() {
            *labels = json!({});
        }
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(NAME_LABEL.to_owned(), json!(name));
        }
    }
    // Clients remove the finalizer by a subresource that is not served.
    fields.insert("spec".to_owned(), json!({"finalizers": [FINALIZER]}));
    fields.entry("status").or_insert_with(|| json!({"phase": "Active"}));
}

fn delete(namespace: &mut Value) {
    if let Some(fields) = namespace.as_object_mut() {
        fields.insert("status".to_owned(), json!({"phase": "Terminating"}));
    }
}

fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    metadata_errors(new, old, NameForm::Label)
}
