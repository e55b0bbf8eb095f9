//! An object against its type of the table.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::quantity::canonical;
use crate::schema::{Field, Label, Schema, Type};

/// How deep an object may be. Types that hold themselves would else have no bound.
const MAX_DEPTH: usize = 128;

/// A value of another type than the field's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: must be {expected}")]
pub struct WrongType {
    /// The path of the field.
    pub field: String,
    /// The type that it must have, with its article.
    pub expected: &'static str,
}

pub(super) fn check(object: &mut Value, schema: Schema) -> Result<Vec<String>, WrongType> {
    let mut checking = Checking { path: String::new(), unknown: Vec::new() };
    checking.object(object, schema, true, MAX_DEPTH)?;
    Ok(checking.unknown)
}

struct Checking {
    path: String,
    unknown: Vec<String>,
}

impl Checking {
    fn wrong<T>(&self, expected: &'static str) -> Result<T, WrongType> {
        Err(WrongType { field: self.path.clone(), expected })
    }

    /// Checks what is below a key or an index, which is a part of the path meanwhile.
    fn below<T>(
        &mut self,
        part: &str,
        check: impl FnOnce(&mut Self) -> Result<T, WrongType>,
    ) -> Result<T, WrongType> {
        let length = self.path.len();
        if length > 0 && !part.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(part);
        let checked = check(self);
        if checked.is_ok() {
            self.path.truncate(length);
        }
        checked
    }

    fn object(
        &mut self,
        value: &mut Value,
        schema: Schema,
        has_type: bool,
        depth: usize,
    ) -> Result<(), WrongType> {
        let Value::Object(map) = value else { return self.wrong("an object") };
        let Some(depth) = depth.checked_sub(1) else {
            return self.wrong("less deep");
        };
        map.retain(|_, value| !value.is_null());
        // Options of deletions have a type also inside of another object.
        let has_type = has_type || schema.name() == "meta.v1.DeleteOptions";
        let mut unknown = Vec::new();
        for (key, value) in map.iter_mut() {
            match schema.by_name(key) {
                Some(field) => self.below(key, |it| it.field(value, field, depth))?,
                None if has_type && matches!(key.as_str(), "apiVersion" | "kind") => {
                    self.below(key, |it| it.text(value))?;
                }
                None => unknown.push(key.clone()),
            }
        }
        self.drop_unknown(map, unknown)
    }

    fn drop_unknown(
        &mut self,
        map: &mut Map<String, Value>,
        unknown: Vec<String>,
    ) -> Result<(), WrongType> {
        for key in unknown {
            map.remove(&key);
            self.below(&key, |it| {
                it.unknown.push(it.path.clone());
                Ok(())
            })?;
        }
        Ok(())
    }

    fn field(
        &mut self,
        value: &mut Value,
        field: &'static Field,
        depth: usize,
    ) -> Result<(), WrongType> {
        match field.label {
            Label::List => {
                let Value::Array(items) = value else { return self.wrong("a list") };
                for (index, item) in items.iter_mut().enumerate() {
                    self.below(&format!("[{index}]"), |it| it.value(item, field, depth))?;
                }
                Ok(())
            }
            Label::Map => {
                let Value::Object(map) = value else { return self.wrong("an object") };
                for (key, item) in map.iter_mut() {
                    self.below(key, |it| it.value(item, field, depth))?;
                }
                Ok(())
            }
            _ => self.value(value, field, depth),
        }
    }

    fn value(
        &mut self,
        value: &mut Value,
        field: &'static Field,
        depth: usize,
    ) -> Result<(), WrongType> {
        match field.kind {
            Type::Bool if value.is_boolean() => Ok(()),
            Type::Bool => self.wrong("true or false"),
            Type::Integer if value.is_i64() => Ok(()),
            Type::Integer => self.wrong("a whole number"),
            Type::Text | Type::Time | Type::MicroTime => self.text(value),
            Type::Bytes => match value.as_str().map(|text| STANDARD.decode(text)) {
                Some(Ok(_)) => Ok(()),
                _ => self.wrong("a text in base64"),
            },
            Type::Texts => match value.as_array() {
                Some(items) if items.iter().all(Value::is_string) => Ok(()),
                _ => self.wrong("a list of texts"),
            },
            Type::Quantity => {
                let text = match &*value {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => return self.wrong("a quantity"),
                };
                *value = Value::String(canonical(&text).unwrap_or(text));
                Ok(())
            }
            Type::IntOrString if value.is_i64() || value.is_string() => Ok(()),
            Type::IntOrString => self.wrong("a whole number or a text"),
            Type::RawJson => Ok(()),
            Type::Message(name) => match Schema::named(name) {
                Some(schema) => self.object(value, schema, false, depth),
                None => Ok(()),
            },
        }
    }

    fn text(&self, value: &Value) -> Result<(), WrongType> {
        if value.is_string() { Ok(()) } else { self.wrong("a text") }
    }
}
