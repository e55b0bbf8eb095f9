//! The directives of strategic merge patches: keys with `$`, which never reach an object.

use serde_json::{Map, Value};

use super::PatchError;

/// `$patch: delete` or `$patch: replace`, in a map or in an item of a list.
pub(super) const PATCH: &str = "$patch";
/// The keys of a map that stay.
pub(super) const RETAIN_KEYS: &str = "$retainKeys";
/// Begins the key of the order of a list.
pub(super) const ORDER: &str = "$setElementOrder/";
/// Begins the key of items that are removed from a list of texts.
pub(super) const DELETE_FROM: &str = "$deleteFromPrimitiveList/";

/// What `$patch` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directive {
    Delete,
    Replace,
}

/// The directive of a map, if it has one.
pub(super) fn directive(map: &Map<String, Value>) -> Result<Option<Directive>, PatchError> {
    match map.get(PATCH) {
        None => Ok(None),
        Some(value) => match value.as_str() {
            Some("delete") => Ok(Some(Directive::Delete)),
            Some("replace") => Ok(Some(Directive::Replace)),
            _ => Err(PatchError::DoesNotFit(format!("unknown patch type found: {value}"))),
        },
    }
}

/// The value as a new part of an object: without directives, and without the nulls that would have
/// removed something. `None` if it says that it is deleted.
pub(super) fn cleaned(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) => {
            if map.get(PATCH).is_some_and(|it| it == "delete") {
                return None;
            }
            let kept =
                map.into_iter().filter(|(key, value)| !is_directive(key) && !value.is_null());
            Some(Value::Object(kept.filter_map(|(key, it)| Some((key, cleaned(it)?))).collect()))
        }
        Value::Array(items) => {
            let kept = items.into_iter().filter(|item| !is_replacement(item));
            Some(Value::Array(kept.filter_map(cleaned).collect()))
        }
        other => Some(other),
    }
}

/// True for an item that only says that the list is replaced.
fn is_replacement(item: &Value) -> bool {
    item.get(PATCH).is_some_and(|it| it == "replace")
}

fn is_directive(key: &str) -> bool {
    matches!(key, PATCH | RETAIN_KEYS) || key.starts_with(ORDER) || key.starts_with(DELETE_FROM)
}

/// Removes from the object what `$retainKeys` does not list, and the directive from the patch.
pub(super) fn retain_keys(
    object: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
) -> Result<(), PatchError> {
    let Some(retained) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let malformed = || PatchError::Malformed("invalid patch format of retainKeys".to_owned());
    let retained = retained.as_array().ok_or_else(malformed)?;
    let is_retained = |key: &str| retained.iter().any(|it| it == key);
    let set = patch.iter().filter(|(key, value)| !value.is_null() && !is_directive(key));
    if set.into_iter().any(|(key, _)| !is_retained(key)) {
        return Err(malformed());
    }
    object.retain(|key, _| is_retained(key));
    Ok(())
}
