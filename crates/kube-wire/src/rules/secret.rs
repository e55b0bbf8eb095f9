//! Secrets. No error has a value.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::data::{MAX_DATA, decoded_length, entries, immutable_errors, key_errors};
use super::{NONE, NameForm, Rules, metadata_errors};
use crate::status::{FieldError, FieldErrorKind};

pub const RULES: Rules = Rules { default, validate, ..NONE };

const OPAQUE: &str = "Opaque";
const ACCOUNT: &str = "kubernetes.io/service-account.name";

/// The type, and `stringData` as part of `data`.
fn default(secret: &mut Value) {
    let Some(fields) = secret.as_object_mut() else { return };
    if fields.get("type").and_then(Value::as_str).unwrap_or_default().is_empty() {
        fields.insert("type".to_owned(), json!(OPAQUE));
    }
    let Some(Value::Object(texts)) = fields.remove("stringData") else { return };
    let data = fields.entry("data").or_insert_with(|| json!({}));
    if data.is_null() {
        *data = Value::Object(Map::new());
    }
    let Some(data) = data.as_object_mut() else { return };
    for (key, text) in texts {
        let encoded = BASE64_STANDARD.encode(text.as_str().unwrap_or_default());
        data.insert(key, Value::String(encoded));
    }
}

fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = metadata_errors(new, old, NameForm::Subdomain);
    let mut size = 0_usize;
    for (key, value) in entries(new, "data") {
        errors.extend(key_errors("data", key));
        size = size.saturating_add(decoded_length(value));
    }
    if size > MAX_DATA {
        let why = format!("may not be more than {MAX_DATA} bytes");
        errors.push(FieldError::new(FieldErrorKind::TooLong, "data", why));
    }
    errors.extend(type_errors(new));
    if let Some(old) = old {
        let (kind, before) = (type_of(new), type_of(old));
        if kind != before {
            errors.push(FieldError::invalid("type", kind, "field is immutable"));
        }
        errors.extend(immutable_errors(new, old, &["data"]));
    }
    errors
}

fn type_of(secret: &Value) -> &str {
    secret.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// What the type asks of the data.
fn type_errors(secret: &Value) -> Vec<FieldError> {
    let value = |key: &str| secret.get("data")?.get(key)?.as_str();
    let required = |keys: &[&str]| -> Vec<FieldError> {
        let missing = keys.iter().filter(|key| value(key).is_none());
        let error = |key| FieldError::new(FieldErrorKind::Required, format!("data[{key}]"), "");
        missing.map(error).collect()
    };
    let json = |key: &str| {
        let Some(value) = value(key) else { return required(&[key]) };
        let bytes = BASE64_STANDARD.decode(value).unwrap_or_default();
        match serde_json::from_slice::<Map<String, Value>>(&bytes) {
            Ok(_) => Vec::new(),
            Err(_) => {
                let hidden = "<secret contents redacted>";
                let why = "must be a JSON object";
                vec![FieldError::invalid(format!("data[{key}]"), hidden, why)]
            }
        }
    };
    match type_of(secret) {
        "kubernetes.io/service-account-token" => {
            let name = secret.pointer("/metadata/annotations").and_then(|it| it.get(ACCOUNT));
            if name.and_then(Value::as_str).unwrap_or_default().is_empty() {
                let field = format!("metadata.annotations[{ACCOUNT}]");
                return vec![FieldError::new(FieldErrorKind::Required, field, "")];
            }
            Vec::new()
        }
        "kubernetes.io/dockercfg" => json(".dockercfg"),
        "kubernetes.io/dockerconfigjson" => json(".dockerconfigjson"),
        "kubernetes.io/basic-auth" if value("username").or(value("password")).is_none() => {
            required(&["username", "password"])
        }
        "kubernetes.io/ssh-auth" => required(&["ssh-privatekey"]),
        "kubernetes.io/tls" => required(&["tls.crt", "tls.key"]),
        _ => Vec::new(),
    }
}
