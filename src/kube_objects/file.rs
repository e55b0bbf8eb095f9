//! An object as its file has it: without its version, which each daemon gives anew, and with what
//! its managers have applied.

use probelet_kube_wire::feed::Stored;
use probelet_kube_wire::patch::Applied;
use probelet_objects::ObjectName;
use serde_json::{Map, Value};

use super::error::StoreError;

/// The field of the file that is no field of the object.
const APPLIED: &str = "probelet.io/applied";

/// Returns the name of the object's file.
pub fn name_of(stored: Stored, object: &Value) -> Result<ObjectName, StoreError> {
    let text = |field: &str| object.get("metadata")?.get(field)?.as_str();
    let namespace = text("namespace").filter(|text| !text.is_empty());
    let name = text("name").ok_or(StoreError::NoName)?;
    Ok(ObjectName::new(&stored.to_string(), namespace, name)?)
}

/// Returns the content of the file.
pub fn bytes(object: &Value, applied: &Applied) -> Vec<u8> {
    let mut whole = object.clone();
    if let Some(fields) = whole.as_object_mut() {
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("resourceVersion");
        }
        if *applied != Applied::default() {
            // The type has texts as keys, so it is always written.
            let applied = serde_json::to_value(applied).unwrap_or_default();
            fields.insert(APPLIED.to_owned(), applied);
        }
    }
    whole.to_string().into_bytes()
}

/// Separates the object from what its managers have applied. What cannot be read of the latter is as
/// if nothing had been applied.
pub fn split(mut whole: Value) -> (Value, Applied) {
    let applied = whole.as_object_mut().and_then(|fields: &mut Map<_, _>| fields.remove(APPLIED));
    let applied = applied.and_then(|applied| serde_json::from_value(applied).ok());
    (whole, applied.unwrap_or_default())
}
