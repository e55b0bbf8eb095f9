//! The protobuf form of an OpenAPI v2 document, as gnostic's `OpenAPIv2.proto` defines it. It is the
//! only form that kubectl reads. Fields that the documents of this crate do not have are left out.

use serde_json::{Map, Value};

/// Encodes a document.
pub(super) fn encode(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, document.get("swagger"));
    out.nested(2, |info| {
        info.text(1, document.pointer("/info/title"));
        info.text(2, document.pointer("/info/version"));
    });
    out.nested(8, |paths| {
        for (name, path) in fields(document.get("paths")) {
            paths.named(2, name, |item| encode_path(item, path));
        }
    });
    out.nested(9, |definitions| {
        for (name, schema) in fields(document.get("definitions")) {
            definitions.named(1, name, |out| encode_schema(out, schema));
        }
    });
    out.bytes
}

fn encode_path(item: &mut Message, path: &Value) {
    for (number, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
        let Some(operation) = path.get(method) else { continue };
        item.nested(number, |out| {
            let parameters = operation.get("parameters").and_then(Value::as_array);
            for parameter in parameters.into_iter().flatten() {
                // Each level but the innermost is a choice: a parameter, none of a body, of a query.
                out.nested(8, |item| {
                    item.nested(1, |out| {
                        out.nested(2, |out| out.nested(3, |out| encode_query(out, parameter)));
                    });
                });
            }
            encode_extensions(out, 13, operation);
        });
    }
}

fn encode_query(out: &mut Message, parameter: &Value) {
    out.text(2, parameter.get("in"));
    out.text(4, parameter.get("name"));
    out.text(6, parameter.get("type"));
}

/// The schemas come from a table of types, where none is within itself but by a reference.
fn encode_schema(out: &mut Message, schema: &Value) {
    out.text(1, schema.get("$ref"));
    out.text(2, schema.get("format"));
    out.text(4, schema.get("description"));
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        out.text(19, Some(name));
    }
    if let Some(values) = schema.get("additionalProperties") {
        out.nested(21, |item| item.nested(1, |out| encode_schema(out, values)));
    }
    if let Some(kind) = schema.get("type") {
        out.nested(22, |item| item.text(1, Some(kind)));
    }
    if let Some(items) = schema.get("items") {
        out.nested(23, |item| item.nested(1, |out| encode_schema(out, items)));
    }
    if let Some(properties) = schema.get("properties") {
        out.nested(25, |out| {
            for (name, property) in fields(Some(properties)) {
                out.named(1, name, |out| encode_schema(out, property));
            }
        });
    }
    encode_extensions(out, 31, schema);
}

/// Fields whose names begin with `x-`. Their values are YAML, of which JSON is a part.
fn encode_extensions(out: &mut Message, number: u32, of: &Value) {
    for (name, value) in fields(Some(of)).filter(|(name, _)| name.starts_with("x-")) {
        out.named(number, name, |any| any.bytes(2, value.to_string().as_bytes()));
    }
}

fn fields(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

/// A message that is written field by field.
#[derive(Default)]
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn bytes(&mut self, number: u32, bytes: &[u8]) {
        const LENGTH_DELIMITED: u64 = 2;
        self.varint(u64::from(number) << 3 | LENGTH_DELIMITED);
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes a text, if there is one.
    fn text(&mut self, number: u32, text: Option<&Value>) {
        if let Some(text) = text.and_then(Value::as_str) {
            self.bytes(number, text.as_bytes());
        }
    }

    fn nested(&mut self, number: u32, write: impl FnOnce(&mut Self)) {
        let mut message = Self::default();
        write(&mut message);
        self.bytes(number, &message.bytes);
    }

    /// Writes an entry of a map: a name and a value.
    fn named(&mut self, number: u32, name: &str, write: impl FnOnce(&mut Self)) {
        self.nested(number, |entry| {
            entry.bytes(1, name.as_bytes());
            entry.nested(2, write);
        });
    }

    fn varint(&mut self, mut number: u64) {
        while number > 0x7f {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_has_the_numbers_of_gnostic() {
        let document = json!({
            "swagger": "2.0", "info": {"title": "K", "version": "u"},
            "definitions": {"a": {"type": "string", "x-k": {"c": 1}}},
        });
        let schema = b"\xb2\x01\x08\x0a\x06string\xfa\x01\x10\x0a\x03x-k\x12\x09\x12\x07{\"c\":1}";
        let before =
            b"\x0a\x032.0\x12\x06\x0a\x01K\x12\x01u\x42\x00\x4a\x25\x0a\x23\x0a\x01a\x12\x1e";
        assert_eq!(encode(&document), [&before[..], schema].concat());
    }

    #[test]
    fn an_operation_has_its_kind_and_the_parameters_of_its_query() {
        let parameter = json!({"name": "n", "in": "query", "type": "t"});
        let operation = json!({"parameters": [parameter], "x-k": 1});
        let document = json!({"paths": {"/p": {"patch": operation}}});
        // Two choices and a list, then the parameter.
        let query = b"\x12\x05query\x22\x01n\x32\x01t";
        let parameter = [b"\x42\x13\x0a\x11\x12\x0f\x1a\x0d", &query[..]].concat();
        let operation = [&parameter[..], b"\x6a\x0a\x0a\x03x-k\x12\x03\x12\x011"].concat();
        let written = encode(&document);
        assert!(written.windows(operation.len()).any(|part| part == operation), "{written:x?}");
    }

    #[test]
    fn a_long_text_has_a_length_of_two_bytes() {
        let mut message = Message::default();
        message.bytes(1, &[b'x'; 300]);
        assert_eq!(message.bytes.get(..3), Some(&b"\x0a\xac\x02"[..]));
    }
}
