//! Messages → JSON objects, by the table.

use serde_json::{Map, Value};

use super::ProtobufError;
use super::scalar::{At, scalar, signed, text};
use super::wire::{Fields, Raw, varint};
use crate::schema::{Field, Label, Schema, Type};

/// How deep messages may be nested.
const MAX_DEPTH: usize = 64;
/// Most values of a body.
const MAX_VALUES: usize = 200_000;
/// Most unknown fields that are reported.
const MAX_UNKNOWN: usize = 16;

/// The names of fields are as long as those of the API, so what is left bounds the memory.
pub(super) struct Decoder {
    values_left: usize,
    depth_left: usize,
    unknown: Vec<String>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { values_left: MAX_VALUES, depth_left: MAX_DEPTH, unknown: Vec::new() }
    }
}

impl Decoder {
    pub(super) fn unknown(self) -> Vec<String> {
        self.unknown
    }

    /// The object of a message.
    pub(super) fn object(
        &mut self,
        schema: Schema,
        message: &[u8],
    ) -> Result<Map<String, Value>, ProtobufError> {
        let mut object = Map::new();
        self.read_into(&mut object, schema, message)?;
        Ok(object)
    }

    fn read_into(
        &mut self,
        object: &mut Map<String, Value>,
        schema: Schema,
        message: &[u8],
    ) -> Result<(), ProtobufError> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or(ProtobufError::TooLarge)?;
        let mut fields = Fields::of(message);
        while let Some((number, raw)) = fields.next()? {
            let at = At { message: schema.name(), number };
            match schema.by_number(number) {
                Some(field) => self.read_field(object, field, raw, at)?,
                None if self.unknown.len() < MAX_UNKNOWN => {
                    self.unknown.push(format!("{}: field {number}", schema.name()));
                }
                None => {}
            }
        }
        self.depth_left += 1;
        Ok(())
    }

    fn read_field(
        &mut self,
        object: &mut Map<String, Value>,
        field: &'static Field,
        raw: Raw<'_>,
        at: At,
    ) -> Result<(), ProtobufError> {
        match field.label {
            Label::Inline => {
                let (Some(schema), Raw::Bytes(message)) = (field.schema(), raw) else {
                    return Err(at.wrong_type());
                };
                self.read_into(object, schema, message)?;
            }
            Label::Map => {
                let Raw::Bytes(entry) = raw else { return Err(at.wrong_type()) };
                let (key, value) = self.entry(field, entry, at)?;
                let map = object.entry(field.name).or_insert_with(|| Map::new().into());
                if let Some(map) = map.as_object_mut() {
                    map.insert(key, value);
                }
            }
            Label::List => {
                let items = self.items(field, raw, at)?;
                let list = object.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
                if let Some(list) = list.as_array_mut() {
                    list.extend(items);
                }
            }
            Label::Required | Label::Optional | Label::Pointer => {
                let value = self.value(field.kind, raw, at)?;
                if is_set(field, &value) {
                    object.insert(field.name.to_owned(), value);
                }
            }
        }
        Ok(())
    }

    /// One item, or several packed numbers.
    fn items(&mut self, field: &Field, raw: Raw<'_>, at: At) -> Result<Vec<Value>, ProtobufError> {
        let (Type::Integer, Raw::Bytes(mut packed)) = (field.kind, raw) else {
            return Ok(vec![self.value(field.kind, raw, at)?]);
        };
        let mut items = Vec::new();
        while !packed.is_empty() {
            self.count()?;
            items.push(signed(varint(&mut packed)?).into());
        }
        Ok(items)
    }

    /// Key and value of an entry of a map; an absent value is the zero of its type.
    fn entry(
        &mut self,
        field: &Field,
        entry: &[u8],
        at: At,
    ) -> Result<(String, Value), ProtobufError> {
        let (mut key, mut value) = (String::new(), Raw::Bytes(&[]));
        let mut fields = Fields::of(entry);
        while let Some((number, raw)) = fields.next()? {
            match (number, raw) {
                (1, Raw::Bytes(bytes)) => text(bytes, at)?.clone_into(&mut key),
                (2, raw) => value = raw,
                _ => {}
            }
        }
        Ok((key, self.value(field.kind, value, at)?))
    }

    fn value(&mut self, kind: Type, raw: Raw<'_>, at: At) -> Result<Value, ProtobufError> {
        self.count()?;
        match (kind, raw) {
            (Type::Message(name), Raw::Bytes(message)) => {
                let schema = Schema::named(name).ok_or_else(|| at.wrong_type())?;
                self.object(schema, message).map(Value::Object)
            }
            (Type::Texts, Raw::Bytes(message)) => self.texts(message, at),
            _ => scalar(kind, raw, at),
        }
    }

    /// The list of a message that has only a list.
    fn texts(&mut self, message: &[u8], at: At) -> Result<Value, ProtobufError> {
        let (mut fields, mut texts) = (Fields::of(message), Vec::new());
        while let Some((number, raw)) = fields.next()? {
            if let (1, Raw::Bytes(bytes)) = (number, raw) {
                self.count()?;
                texts.push(Value::String(text(bytes, at)?.to_owned()));
            }
        }
        Ok(Value::Array(texts))
    }

    fn count(&mut self) -> Result<(), ProtobufError> {
        self.values_left = self.values_left.checked_sub(1).ok_or(ProtobufError::TooLarge)?;
        Ok(())
    }
}

/// False for a value that Go writes although the field is absent.
fn is_set(field: &Field, value: &Value) -> bool {
    match (field.label, value) {
        (_, Value::Null) => false,
        (Label::Pointer, _) => true,
        (Label::Required, Value::Object(map)) => !map.is_empty(),
        (Label::Required, _) => true,
        (_, Value::Bool(flag)) => *flag,
        (_, Value::Number(number)) => number.as_i64() != Some(0),
        (_, Value::String(text)) => !text.is_empty(),
        (_, Value::Array(items)) => !items.is_empty(),
        (_, Value::Object(map)) => !map.is_empty(),
    }
}
