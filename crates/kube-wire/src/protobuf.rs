//! Protobuf bodies: `k8s\0` and `runtime.Unknown`, which Go clients send for all types of the API
//! (`kubectl create configmap`, `kubectl auth can-i`, Helm, informers), and which cannot be refused:
//! client-go does not fall back to JSON. Answers are JSON, which those clients take.
//!
//! Go writes every field that is no pointer, so a zero of such a field means that it is absent, and
//! an empty message too.

use serde_json::Value;

use crate::schema::Schema;
use crate::status::Status;

mod decode;
mod scalar;
mod wire;

#[cfg(test)]
mod tests;

/// Begins a body.
const MAGIC: &[u8] = b"k8s\0";

/// A body that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// The body does not begin with `k8s\0`.
    #[error("the body does not begin with k8s\\0")]
    Magic,
    /// A field ends behind its message, or a number or a wire type is invalid.
    #[error("the body is not valid protobuf")]
    Malformed,
    /// A field has another type than in the API.
    #[error("{message}: field {number} has another type")]
    WrongType {
        /// The message.
        message: &'static str,
        /// The number of the field.
        number: u32,
    },
    /// A text is not UTF-8.
    #[error("{message}: field {number} is not UTF-8")]
    NotText {
        /// The message.
        message: &'static str,
        /// The number of the field.
        number: u32,
    },
    /// A field holds JSON that cannot be read.
    #[error("{message}: field {number} does not hold JSON")]
    NotJson {
        /// The message.
        message: &'static str,
        /// The number of the field.
        number: u32,
    },
    /// A time is not between the years 1 and 9999.
    #[error("{message}: field {number} is not a time")]
    NotATime {
        /// The message.
        message: &'static str,
        /// The number of the field.
        number: u32,
    },
    /// Messages are nested too deep, or there are too many values.
    #[error("the body is too deep or has too many values")]
    TooLarge,
    /// The body is compressed or encrypted.
    #[error("content encoding {0:?} is not read")]
    Encoding(String),
    /// The kind is not in the table.
    #[error("no kind {kind:?} is registered for version {api_version:?}")]
    UnknownKind {
        /// The group and version.
        api_version: String,
        /// The kind.
        kind: String,
    },
}

impl From<ProtobufError> for Status {
    fn from(error: ProtobufError) -> Self {
        Self::bad_request(format!("the object provided is unrecognized: {error}"))
    }
}

/// A body as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    object: Value,
    unknown: Vec<String>,
}

impl Decoded {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Result<Self, ProtobufError> {
        let unknown = wire::Unknown::read(body.strip_prefix(MAGIC).ok_or(ProtobufError::Magic)?)?;
        if !unknown.content_encoding.is_empty() {
            return Err(ProtobufError::Encoding(unknown.content_encoding));
        }
        let schema = Schema::of(&unknown.api_version, &unknown.kind);
        let schema = schema.ok_or_else(|| ProtobufError::UnknownKind {
            api_version: unknown.api_version.clone(),
            kind: unknown.kind.clone(),
        })?;
        let mut decoder = decode::Decoder::default();
        let mut object = decoder.object(schema, unknown.raw)?;
        object.insert("apiVersion".to_owned(), Value::String(unknown.api_version));
        object.insert("kind".to_owned(), Value::String(unknown.kind));
        Ok(Self { object: Value::Object(object), unknown: decoder.unknown() })
    }

    /// The object, with `apiVersion` and `kind`.
    pub fn into_object(self) -> Value {
        self.object
    }

    /// Fields that the table does not have, such as `core.v1.Container: field 99`: of a newer client.
    /// At most 16.
    pub fn unknown_fields(&self) -> &[String] {
        &self.unknown
    }
}
