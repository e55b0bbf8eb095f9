//! An object as it is stored: its JSON, since most answers are JSON. As trees of values, two hundred
//! pods take eight megabytes, and as texts less than one.

use serde_json::{Map, Value};

/// The fields that come first, as in Kubernetes' own JSON.
const HEAD: [&str; 3] = ["kind", "apiVersion", "metadata"];

/// The JSON of an object, with its version.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    text: Box<str>,
    /// Bytes up to the end of the head, without a brace behind it.
    head: usize,
    version: u64,
}

impl Object {
    /// The object with this `metadata.resourceVersion`.
    pub(super) fn new(object: &mut Value, version: u64) -> Self {
        set_version(object, version);
        Self::of(object, version)
    }

    /// The object with the version that it already has, which is that of an event without a change.
    pub(super) fn unversioned(object: &Value) -> Self {
        Self::of(object, 0)
    }

    fn of(object: &Value, version: u64) -> Self {
        let (text, head) = match object {
            Value::Object(fields) => written(fields),
            other => (other.to_string(), 0),
        };
        Self { text: text.into(), head, version }
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
        read(&self.text)
    }

    /// `kind`, `apiVersion` and `metadata` of the object, which are read without the rest: that may
    /// be a megabyte.
    pub fn head(&self) -> Value {
        let head = self.text.get(..self.head).unwrap_or_default();
        read(&format!("{head}}}"))
    }
}

/// The JSON of an object, and the length of its head.
fn written(fields: &Map<String, Value>) -> (String, usize) {
    let (mut text, mut length) = ("{".to_owned(), 1);
    let head = HEAD.into_iter().filter_map(|name| fields.get_key_value(name));
    let rest = fields.iter().filter(|(name, _)| !HEAD.contains(&name.as_str()));
    for (name, value) in head.chain(rest) {
        if text.len() > 1 {
            text.push(',');
        }
        text += &format!("{}:{value}", Value::from(name.as_str()));
        if HEAD.contains(&name.as_str()) {
            length = text.len();
        }
    }
    text.push('}');
    (text, length)
}

/// The text was written from a value, so it can be read.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn set_version(object: &mut Value, version: u64) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), Value::String(version.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_head_comes_first_and_is_read_alone() {
        let mut map = json!({
            "apiVersion": "v1", "data": {"a \"b\"": "}\n"}, "kind": "ConfigMap", "zzz": null,
            "metadata": {"name": "x", "labels": {"l": "\"{"}},
        });
        let object = Object::new(&mut map, 7);
        let head = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"labels""#;
        assert!(object.text().starts_with(head), "{}", object.text());
        assert_eq!(object.value(), map);
        let mut expected = map.clone();
        expected.as_object_mut().unwrap().retain(|name, _| HEAD.contains(&name.as_str()));
        assert_eq!(object.head(), expected);
        assert_eq!(object.at(8).value().pointer("/metadata/resourceVersion"), Some(&json!("8")));
        for (value, head) in [(json!({}), json!({})), (json!({"data": 1}), json!({}))] {
            let object = Object::unversioned(&value);
            assert_eq!((object.value(), object.head()), (value, head));
        }
        assert_eq!(Object::unversioned(&json!([1])).value(), json!([1]));
    }
}
