//! The data of ConfigMaps and Secrets.

use serde_json::{Map, Value};

use crate::status::FieldError;

/// Bytes of all values of an object, without base64.
pub const MAX_DATA: usize = 1 << 20;
const MAX_KEY: usize = 253;
const IMMUTABLE: &str = "field is immutable when `immutable` is set";

/// The entries of a map; none if there is no map.
pub fn entries<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a str)> {
    let map: Option<&Map<String, Value>> = object.get(field).and_then(Value::as_object);
    map.into_iter().flatten().map(|(key, value)| (key, value.as_str().unwrap_or_default()))
}

/// The bytes that a text in base64 stands for.
pub fn decoded_length(base64: &str) -> usize {
    let padding = base64.bytes().rev().take_while(|byte| *byte == b'=').count();
    (base64.len() / 4).saturating_mul(3).saturating_sub(padding)
}

/// Errors of a key, as in `IsConfigMapKey`.
pub fn key_errors(field: &str, key: &str) -> Vec<FieldError> {
    let mut broken = Vec::new();
    if key.len() > MAX_KEY {
        broken.push(format!("must be no more than {MAX_KEY} bytes"));
    }
    let is_inner = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if key.is_empty() || !key.chars().all(is_inner) {
        broken.push(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. \
             'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is \
             '[-._a-zA-Z0-9]+')"
                .to_owned(),
        );
    }
    match key {
        "." => broken.push("must not be '.'".to_owned()),
        ".." => broken.push("must not be '..'".to_owned()),
        _ if key.starts_with("..") => broken.push("must not start with '..'".to_owned()),
        _ => {}
    }
    let error = |why| FieldError::invalid(format!("{field}[{key}]"), key, why);
    broken.into_iter().map(error).collect()
}

/// Errors of a change of an object that is immutable.
pub fn immutable_errors(new: &Value, old: &Value, fields: &[&str]) -> Vec<FieldError> {
    let flag = |object: &Value| object.get("immutable").and_then(Value::as_bool) == Some(true);
    if !flag(old) {
        return Vec::new();
    }
    let mut changed = Vec::new();
    if !flag(new) {
        changed.push("immutable");
    }
    let differs = |field: &&&str| entries(new, field).ne(entries(old, field));
    changed.extend(fields.iter().filter(differs));
    changed.into_iter().map(|field| FieldError::forbidden(field, IMMUTABLE)).collect()
}
