//! The subresource `scale` of Deployments and StatefulSets.

use probelet_kube_wire::status::FieldError;
use serde_json::{Map, Value, json};

use crate::kind::Kind;
use crate::read::{integer, present, text};
use crate::selector::Selector;
use crate::validate::replicas;

/// The `autoscaling/v1` Scale of an object; none if its kind has none.
pub fn scale(kind: Kind, object: &Value) -> Option<Value> {
    if !kind.scales() {
        return None;
    }
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = present(object, &format!("/metadata/{field}")) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let mut status = Map::new();
    let running = integer(object, "/status/replicas").unwrap_or(0);
    status.insert("replicas".to_owned(), json!(running));
    if let Some(selector) = present(object, "/spec/selector") {
        // Validation has accepted the selector.
        let selector = Selector::read(selector, "spec.selector").unwrap_or_default();
        status.insert("selector".to_owned(), json!(selector.to_string()));
    }
    let replicas = integer(object, "/spec/replicas").unwrap_or(1);
    Some(json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata,
        "spec": { "replicas": replicas }, "status": status,
    }))
}

/// The replicas that a Scale asks for. Kubernetes reads an absent number as 0.
///
/// # Errors
///
/// The texts of Kubernetes, and one for more than one replica.
pub fn replicas_of(scale: &Value) -> Result<i64, Vec<FieldError>> {
    let wanted = integer(scale, "/spec/replicas").unwrap_or(0);
    let errors = replicas(wanted);
    if errors.is_empty() { Ok(wanted) } else { Err(errors) }
}

/// The object with the replicas of a Scale.
///
/// # Errors
///
/// As [`replicas_of`]; `metadata.name`, `namespace` and `uid` must be those of the object if the
/// Scale has them. `resourceVersion` is a precondition that the caller checks.
pub fn scaled(object: &Value, scale: &Value) -> Result<Value, Vec<FieldError>> {
    let mut errors = Vec::new();
    for field in ["name", "namespace", "uid"] {
        let pointer = format!("/metadata/{field}");
        let (given, found) = (text(scale, &pointer), text(object, &pointer));
        if !given.is_empty() && given != found {
            let why = format!("must be {found:?}");
            errors.push(FieldError::invalid(format!("metadata.{field}"), given, why));
        }
    }
    let wanted = replicas_of(scale).unwrap_or_else(|mut found| {
        errors.append(&mut found);
        0
    });
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut object = object.clone();
    crate::read::below(&mut object, &["spec"], |spec| {
        spec.insert("replicas".to_owned(), json!(wanted));
    });
    Ok(object)
}
