//! A text → the JSON values of its documents.

use serde::Deserialize;
use serde_json::{Map, Value};
use serde_norway::Value as Yaml;

use crate::bounds::{self, Budget};
use crate::field_path::{WHOLE, member};
use crate::mark_reader;
use crate::marks::Marks;
use crate::unreadable::Unreadable;
use probelet_domain::spec::SpecError;

/// The one document in `text`.
pub fn single(text: &str) -> Result<Value, SpecError> {
    let mut documents = all(text)?;
    let first = documents.pop();
    match first {
        None => Err(SpecError::new(WHOLE, "is empty: expected one Pod")),
        Some(_) if !documents.is_empty() => {
            let count = documents.len() + 1;
            Err(SpecError::new(WHOLE, format!("holds {count} documents: expected one Pod")))
        }
        Some(document) => Ok(document),
    }
}

/// Reads `defaultMode: 0440` as octal, as kubectl does. In YAML 1.2 it is a text.
fn read_modes(value: &mut Value) {
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(key, below)| {
            let octal = match &*below {
                Value::String(text) if key == "mode" || key == "defaultMode" => {
                    text.strip_prefix('0').and_then(|text| u32::from_str_radix(text, 8).ok())
                }
                _ => None,
            };
            match octal {
                Some(mode) => *below = mode.into(),
                None => read_modes(below),
            }
        }),
        Value::Array(items) => items.iter_mut().for_each(read_modes),
        _ => {}
    }
}

/// All documents that are not empty: a document may consist of comments, or of a stray `---`.
pub fn all(text: &str) -> Result<Vec<Value>, Unreadable> {
    let mut budget = Budget::default();
    budget.file("", text)?;
    Ok(read(text, &mut budget)?.into_iter().map(|(value, _)| value).collect())
}

/// Each document with the positions of its fields.
pub fn read(text: &str, budget: &mut Budget) -> Result<Vec<(Value, Marks)>, Unreadable> {
    // JSON may be indented with tabs and has escapes that YAML does not have. A text that starts like
    // JSON but is not may still be YAML in flow style: then its reader decides.
    if text.trim_start().starts_with('{') {
        Budget::default().values(bounds::json_values(text))?;
        if let Ok(value) = serde_json::from_str::<Yaml>(text) {
            budget.object()?;
            let value = json(value)?;
            budget.whole(&value)?;
            let marks = mark_reader::read(text, &mut Budget::default()).0;
            return Ok(vec![(value, marks.into_iter().next().unwrap_or_default())]);
        }
    }
    // The bounds are checked before anything is built of the text.
    let marks = match mark_reader::read(text, budget) {
        (marks, None) => marks,
        (_, Some(unreadable)) => return Err(unreadable),
    };
    let mut marks = marks.into_iter();
    let mut found = Vec::new();
    for document in serde_norway::Deserializer::from_str(text) {
        // By way of a YAML value, whose mapping refuses a duplicate key.
        let value = match Yaml::deserialize(document) {
            Ok(value) => value,
            Err(error) if error.to_string().contains("EOF while parsing a value") => continue,
            Err(error) => return Err(error.into()),
        };
        let marks = marks.next().unwrap_or_default();
        if !value.is_null() {
            if let Some((parent, key)) = nameless(&value) {
                return Err(unnamed(&marks, &parent, key));
            }
            let mut value = json(value)?;
            read_modes(&mut value);
            found.push((value, marks));
        }
    }
    Ok(found)
}

/// The path of the first mapping with a key that cannot be the name of a field, and the key. Such a
/// key is `{{ .Values.x }}` of a template that was not rendered: a mapping whose key is a mapping.
fn nameless(value: &Yaml) -> Option<(String, &Yaml)> {
    let within = |step: String, (below, key)| {
        let at = match below {
            below if String::is_empty(&below) => step,
            below if below.starts_with('[') => step + &below,
            below => member(&step, &below),
        };
        (at, key)
    };
    match value {
        Yaml::Mapping(map) => map.iter().find_map(|(key, below)| {
            let name = || match key {
                Yaml::String(key) => Some(key.clone()),
                Yaml::Number(key) => Some(key.to_string()),
                Yaml::Bool(key) => Some(key.to_string()),
                _ => None,
            };
            if !(key.is_string() || key.is_number() || key.is_bool()) {
                return Some((String::new(), key));
            }
            nameless(below).and_then(|found| Some(within(name()?, found)))
        }),
        Yaml::Sequence(items) => items.iter().enumerate().find_map(|(index, below)| {
            nameless(below).map(|found| within(format!("[{index}]"), found))
        }),
        Yaml::Tagged(tagged) => nameless(&tagged.value),
        _ => None,
    }
}

fn unnamed(marks: &Marks, parent: &str, key: &Yaml) -> Unreadable {
    let at = marks.nameless(parent);
    let shown = serde_json::to_string(key).unwrap_or_else(|_| "a mapping".to_owned());
    let mut why = format!("Invalid value: {shown}: a key must be a string");
    if let Some((line, column)) = at {
        // The format of the YAML reader's errors.
        why.push_str(&format!(" at line {line} column {column}"));
    }
    let field = if parent.is_empty() { WHOLE } else { parent };
    Unreadable { error: SpecError::new(field, why), at }
}

/// The document as JSON, with its merge keys (`<<`) applied.
fn json(mut value: Yaml) -> Result<Value, SpecError> {
    value.apply_merge().map_err(|e| SpecError::new(WHOLE, e.to_string()))?;
    moved(value).map_err(|e| SpecError::new(WHOLE, e.to_string()))
}

/// As [`serde_json::to_value`], but each part of the YAML value is freed as soon as it is JSON: a
/// long list is in memory once.
fn moved(value: Yaml) -> serde_json::Result<Value> {
    Ok(match value {
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => {
            Value::Array(items.into_iter().map(moved).collect::<serde_json::Result<_>>()?)
        }
        Yaml::Mapping(map) => {
            let entry = |(key, below): (Yaml, Yaml)| {
                let key = match key {
                    Yaml::String(key) => key,
                    other => key_text(other)?,
                };
                Ok((key, moved(below)?))
            };
            Value::Object(map.into_iter().map(entry).collect::<serde_json::Result<_>>()?)
        }
        Yaml::Tagged(tagged) => {
            let below = moved(tagged.value)?;
            Value::Object([(tagged.tag.to_string(), below)].into_iter().collect())
        }
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) => serde_json::to_value(value)?,
    })
}

/// `true: x` and `8080: x` have the keys `true` and `8080` in JSON.
fn key_text(key: Yaml) -> serde_json::Result<String> {
    let alone = Yaml::Mapping([(key, Yaml::Null)].into_iter().collect());
    let alone = serde_json::from_value::<Map<String, Value>>(serde_json::to_value(alone)?)?;
    Ok(alone.into_iter().map(|(key, _)| key).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_the_json_that_serde_makes_of_it() {
        for text in [
            "a: [1, -2, 3.5, .nan, .inf, true, null, ~, text, '']",
            "{true: a, 8080: b, 1.5: c, text: {below: [[], {}]}}",
            "a: !tag {b: c}\nd: !tag e\nf: !tag [1]",
            "!tag\na: 1",
            "~: a",
            "a: {.nan: b}",
            "? !tag k\n: v",
            "? [k]\n: v",
        ] {
            let value: Yaml = serde_norway::from_str(text).unwrap();
            let expected = serde_json::to_value(&value).map_err(|error| error.to_string());
            assert_eq!(moved(value).map_err(|error| error.to_string()), expected, "{text}");
        }
    }
}
