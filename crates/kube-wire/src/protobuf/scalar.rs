//! Values that are no objects, and the messages that JSON writes as texts or numbers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::ProtobufError;
use super::wire::{Fields, Raw};
use crate::schema::Type;
use crate::time::Timestamp;

/// Seconds since 1970 of the years 1 to 9999.
const TIMES: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Where a value is, for errors.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) message: &'static str,
    pub(super) number: u32,
}

impl At {
    pub(super) fn wrong_type(self) -> ProtobufError {
        ProtobufError::WrongType { message: self.message, number: self.number }
    }

    fn not_text(self) -> ProtobufError {
        ProtobufError::NotText { message: self.message, number: self.number }
    }

    fn not_json(self) -> ProtobufError {
        ProtobufError::NotJson { message: self.message, number: self.number }
    }

    fn not_a_time(self) -> ProtobufError {
        ProtobufError::NotATime { message: self.message, number: self.number }
    }
}

/// A value of a type that is no message of the table. `Null` is a time that is not set.
pub(super) fn scalar(kind: Type, raw: Raw<'_>, at: At) -> Result<Value, ProtobufError> {
    let bytes = || match raw {
        Raw::Bytes(bytes) => Ok(bytes),
        _ => Err(at.wrong_type()),
    };
    let varint = || match raw {
        Raw::Varint(number) => Ok(number),
        _ => Err(at.wrong_type()),
    };
    Ok(match kind {
        Type::Bool => json!(varint()? != 0),
        Type::Integer => json!(signed(varint()?)),
        Type::Text => json!(text(bytes()?, at)?),
        Type::Bytes => json!(STANDARD.encode(bytes()?)),
        Type::Quantity => json!(text(bytes_of(bytes()?, 1)?.unwrap_or_default(), at)?),
        Type::IntOrString => int_or_string(bytes()?, at)?,
        Type::Time => time(bytes()?, at)?.map_or(Value::Null, |time| json!(time.to_seconds_text())),
        Type::MicroTime => {
            time(bytes()?, at)?.map_or(Value::Null, |time| json!(time.to_micros_text()))
        }
        Type::RawJson => match bytes_of(bytes()?, 1)? {
            None | Some([]) => Value::Null,
            Some(raw) => serde_json::from_slice(raw).map_err(|_| at.not_json())?,
        },
        // A list and a message are read by the decoder.
        Type::Texts | Type::Message(_) => return Err(at.wrong_type()),
    })
}

/// Negative numbers have all 64 bits of two's complement, also those of 32 bits.
#[expect(clippy::cast_possible_wrap, reason = "the wire has the bits of a signed number")]
pub(super) fn signed(number: u64) -> i64 {
    number as i64
}

pub(super) fn text(bytes: &[u8], at: At) -> Result<&str, ProtobufError> {
    std::str::from_utf8(bytes).map_err(|_| at.not_text())
}

/// The byte string of this number in a message.
fn bytes_of(message: &[u8], wanted: u32) -> Result<Option<&[u8]>, ProtobufError> {
    let (mut fields, mut found) = (Fields::of(message), None);
    while let Some((number, raw)) = fields.next()? {
        if let (true, Raw::Bytes(bytes)) = (number == wanted, raw) {
            found = Some(bytes);
        }
    }
    Ok(found)
}

/// Type 0 is a number, type 1 a text.
fn int_or_string(message: &[u8], at: At) -> Result<Value, ProtobufError> {
    let (mut kind, mut number, mut name) = (0, 0, "");
    let mut fields = Fields::of(message);
    while let Some((field, raw)) = fields.next()? {
        match (field, raw) {
            (1, Raw::Varint(value)) => kind = value,
            (2, Raw::Varint(value)) => number = signed(value),
            (3, Raw::Bytes(bytes)) => name = text(bytes, at)?,
            _ => {}
        }
    }
    Ok(if kind == 1 { json!(name) } else { json!(number) })
}

/// A time; `None` if it is the zero time, which Go writes as an empty message.
fn time(message: &[u8], at: At) -> Result<Option<Timestamp>, ProtobufError> {
    if message.is_empty() {
        return Ok(None);
    }
    let (mut seconds, mut nanos) = (0, 0);
    let mut fields = Fields::of(message);
    while let Some((field, raw)) = fields.next()? {
        match (field, raw) {
            (1, Raw::Varint(value)) => seconds = signed(value),
            (2, Raw::Varint(value)) => nanos = signed(value),
            _ => {}
        }
    }
    if !TIMES.contains(&seconds) || !(0..1_000_000_000).contains(&nanos) {
        return Err(at.not_a_time());
    }
    Ok(Some(Timestamp::from_micros(seconds * 1_000_000 + nanos / 1_000)))
}
