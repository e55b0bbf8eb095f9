//! Fields of JSON objects, by pointers such as `/spec/replicas`. The caller has checked their types; a
//! field of another type reads as absent.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

/// The text at a pointer; empty if there is none.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at a pointer.
pub fn integer(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// True if the field is `true`.
pub fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or_default()
}

/// The items of a list; none if there is no list.
pub fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The value at a pointer, unless it is null.
pub fn present<'a>(object: &'a Value, pointer: &str) -> Option<&'a Value> {
    object.pointer(pointer).filter(|value| !value.is_null())
}

/// A map of texts, such as labels.
pub fn texts(object: &Value, pointer: &str) -> BTreeMap<String, String> {
    let map = object.pointer(pointer).and_then(Value::as_object);
    let pairs = map.into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// A time in RFC 3339.
pub fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer).parse().ok()
}

/// `metav1.Time`: whole seconds in UTC.
pub fn render_time(time: Timestamp) -> Value {
    let whole = Timestamp::from_second(time.as_second()).unwrap_or(time);
    Value::String(whole.to_string())
}

/// A time some seconds later; the latest time there is if that is out of range.
pub fn later(time: Timestamp, seconds: i64) -> Timestamp {
    time.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// Changes the mapping at a path of keys. What is missing or null on the way is made.
pub fn below(value: &mut Value, keys: &[&str], change: impl FnOnce(&mut Map<String, Value>)) {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(map) = value else { return };
    match keys.split_first() {
        None => change(map),
        Some((key, rest)) => {
            below(map.entry((*key).to_owned()).or_insert(Value::Null), rest, change);
        }
    }
}
