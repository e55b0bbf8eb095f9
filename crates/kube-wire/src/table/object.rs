//! Reading of objects, where anything may be absent.

use serde_json::Value;

use crate::time::Timestamp;

pub(super) const NONE: &str = "<none>";
pub(super) const UNKNOWN: &str = "<unknown>";

/// A text; empty if it is absent.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A text, or `other` if it is absent or empty.
pub(super) fn text_or<'a>(object: &'a Value, pointer: &str, other: &'a str) -> &'a str {
    match text(object, pointer) {
        "" => other,
        text => text,
    }
}

/// A number; 0 if it is absent.
pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// The items of a list.
pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The entries of a map with texts.
pub(super) fn texts<'a>(
    object: &'a Value,
    pointer: &str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let map = object.pointer(pointer).and_then(Value::as_object);
    map.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

/// A time.
pub(super) fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    Timestamp::parse(text(object, pointer))
}

/// The age of a time.
pub(super) fn since(time: Option<Timestamp>, now: Timestamp) -> String {
    time.map_or_else(|| UNKNOWN.to_owned(), |time| time.age(now))
}

/// The age of the object.
pub(super) fn age(object: &Value, now: Timestamp) -> String {
    since(time(object, "/metadata/creationTimestamp"), now)
}

/// True if `status.conditions` has this condition as `True`.
pub(super) fn condition(object: &Value, kind: &str) -> bool {
    let conditions = list(object, "/status/conditions");
    conditions.iter().any(|it| text(it, "/type") == kind && text(it, "/status") == "True")
}
