//! JSON merge patch, RFC 7396.

use serde_json::{Map, Value};

use super::{PatchError, check_depth};

/// Applies a merge patch. `null` removes a field, everything but an object replaces.
pub fn merge_patch(object: &Value, patch: &Value) -> Result<Value, PatchError> {
    check_depth(patch)?;
    let mut merged = object.clone();
    merge(&mut merged, patch);
    Ok(merged)
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        patch.clone_into(target);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}
