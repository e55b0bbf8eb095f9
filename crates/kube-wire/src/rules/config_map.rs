//! ConfigMaps.

use serde_json::Value;

use super::data::{MAX_DATA, decoded_length, entries, immutable_errors, key_errors};
use super::{NONE, NameForm, Rules, metadata_errors};
use crate::status::{FieldError, FieldErrorKind};

pub const RULES: Rules = Rules { validate, ..NONE };

fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = metadata_errors(new, old, NameForm::Subdomain);
    let binary = new.get("binaryData").and_then(Value::as_object);
    let mut size = 0_usize;
    for (key, value) in entries(new, "data") {
        errors.extend(key_errors("data", key));
        if binary.is_some_and(|binary| binary.contains_key(key)) {
            let why = "duplicate of key present in binaryData";
            errors.push(FieldError::invalid(format!("data[{key}]"), key.as_str(), why));
        }
        size = size.saturating_add(value.len());
    }
    for (key, value) in entries(new, "binaryData") {
        errors.extend(key_errors("binaryData", key));
        size = size.saturating_add(decoded_length(value));
    }
    if size > MAX_DATA {
        let why = format!("may not be more than {MAX_DATA} bytes");
        errors.push(FieldError::new(FieldErrorKind::TooLong, "[]", why));
    }
    if let Some(old) = old {
        errors.extend(immutable_errors(new, old, &["data", "binaryData"]));
    }
    errors
}
