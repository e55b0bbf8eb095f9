//! An object as it is stored: its JSON, since most answers are JSON. As trees of values, two hundred
//! pods take eight megabytes, and as texts less than one.

use serde_json::Value;

/// The JSON of an object, with its version.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    text: Box<str>,
    version: u64,
}

impl Object {
    /// The object with this `metadata.resourceVersion`.
    pub(super) fn new(object: &mut Value, version: u64) -> Self {
        set_version(object, version);
        Self { text: object.to_string().into(), version }
    }

    /// The object with the version that it already has, which is that of an event without a change.
    pub(super) fn unversioned(object: &Value) -> Self {
        Self { text: object.to_string().into(), version: 0 }
    }

    /// The same object with another version.
    pub(super) fn at(&self, version: u64) -> Self {
        Self::new(&mut self.value(), version)
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The JSON, without line breaks.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The object as a tree of values.
    pub fn value(&self) -> Value {
        // The text was written from a value, so it can be read.
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

fn set_version(object: &mut Value, version: u64) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), Value::String(version.to_string()));
    }
}
