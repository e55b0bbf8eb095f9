//! Text → one JSON value.

use serde::Deserialize;
use serde_json::Value;
use serde_norway::Value as Yaml;

use super::bounds::{self, Budget};
use super::fields::member;
use super::marks::{self, Marks};
use probelet_domain::spec::SpecError;

/// The field of an error that is about the text as a whole.
pub(super) const WHOLE: &str = "manifest";

/// Why a text cannot be read, and the line and column if they are known.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) error: SpecError,
    pub(super) at: Option<(u32, u32)>,
}

impl From<Unread> for SpecError {
    fn from(unread: Unread) -> Self {
        unread.error
    }
}

impl From<SpecError> for Unread {
    fn from(error: SpecError) -> Self {
        Self { error, at: None }
    }
}

impl From<serde_norway::Error> for Unread {
    fn from(error: serde_norway::Error) -> Self {
        let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let at = error.location().map(|at| (whole(at.line()), whole(at.column())));
        Self { error: SpecError::new(WHOLE, error.to_string()), at }
    }
}

/// The one document in `text`.
pub(super) fn single(text: &str) -> Result<Value, SpecError> {
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

/// `defaultMode: 0440` is octal in kubectl's YAML, and only text in the newer one.
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

/// Documents without content (comments, a stray `---`) do not count.
pub(super) fn all(text: &str) -> Result<Vec<Value>, Unread> {
    let mut budget = Budget::default();
    budget.file("", text)?;
    Ok(read(text, &mut budget)?.into_iter().map(|(value, _)| value).collect())
}

/// Each document with where its fields are.
pub(super) fn read(text: &str, budget: &mut Budget) -> Result<Vec<(Value, Marks)>, Unread> {
    // JSON may be indented with tabs and has its own escapes, which YAML refuses. What starts like
    // JSON and is none may still be YAML in flow style, whose reader then has the last word.
    if text.trim_start().starts_with('{') {
        Budget::default().values(bounds::json_values(text))?;
        if let Ok(value) = serde_json::from_str::<Yaml>(text) {
            budget.object()?;
            let value = json(value)?;
            budget.whole(&value)?;
            let marks = marks::of(text, &mut Budget::default()).0;
            return Ok(vec![(value, marks.into_iter().next().unwrap_or_default())]);
        }
    }
    // Nothing is built of a text before it has been measured.
    let marks = match marks::of(text, budget) {
        (marks, None) => marks,
        (_, Some(unread)) => return Err(unread),
    };
    let mut marks = marks.into_iter();
    let mut found = Vec::new();
    for document in serde_norway::Deserializer::from_str(text) {
        // Through YAML's own value, because its mapping refuses a key that is there twice.
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

/// The first key that cannot be a field's name, and what it is in. `{{ .Values.x }}` of a template
/// that nobody rendered is one: a mapping whose key is a mapping.
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

fn unnamed(marks: &Marks, parent: &str, key: &Yaml) -> Unread {
    let at = marks.nameless(parent);
    let shown = serde_json::to_string(key).unwrap_or_else(|_| "a mapping".to_owned());
    let mut why = format!("Invalid value: {shown}: a key must be a string");
    if let Some((line, column)) = at {
        // As YAML's own errors have it.
        why.push_str(&format!(" at line {line} column {column}"));
    }
    let field = if parent.is_empty() { WHOLE } else { parent };
    Unread { error: SpecError::new(field, why), at }
}

fn json(mut value: Yaml) -> Result<Value, SpecError> {
    value.apply_merge().map_err(|e| SpecError::new(WHOLE, e.to_string()))?;
    serde_json::to_value(value).map_err(|e| SpecError::new(WHOLE, e.to_string()))
}
