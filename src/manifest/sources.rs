//! Manifests as files have them: documents, lists, and where each field is.

use std::fmt;

use serde_json::Value;

use super::batch::batch;
use super::document::{self, WHOLE};
use super::marks::{self, Marks};
use crate::domain::spec::SpecError;

/// A file's name, for people, and what is in it.
#[derive(Debug, Clone)]
pub struct File {
    pub name: String,
    pub text: String,
}

/// From 1; 0 where it is not known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    pub file: String,
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 { write!(f, ":{}:{}", self.line, self.column) } else { Ok(()) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    /// A field that has no effect here.
    Warning,
    Advice,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Advice => "advice",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub place: Place,
    pub severity: Severity,
    /// The name of an advice; empty otherwise.
    pub code: &'static str,
    pub field: String,
    pub message: String,
}

impl Finding {
    /// What it says, without where and how bad.
    pub fn said(&self) -> String {
        let named = [self.code, &self.field, &self.message];
        named.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
    }
}

struct Object {
    value: Value,
    file: String,
    /// Of its document.
    marks: Marks,
    /// `items[0].` in a list.
    prefix: String,
}

/// The objects of several files.
#[derive(Default)]
pub struct Sources {
    objects: Vec<Object>,
    /// Texts that cannot be read.
    pub errors: Vec<Finding>,
}

impl Sources {
    pub fn read(files: Vec<File>) -> Self {
        let mut sources = Self::default();
        for File { name, text } in files {
            match document::all(&text) {
                Ok(values) => {
                    let mut marks = marks::of(&text).into_iter();
                    for value in values {
                        sources.add(value, &name, marks.next().unwrap_or_default());
                    }
                }
                Err(unread) => {
                    let (line, column) = unread.at.unwrap_or_default();
                    let SpecError { field, reason } = unread.error;
                    sources.errors.push(Finding {
                        place: Place { file: name, line, column },
                        severity: Severity::Error,
                        code: "",
                        field: if field == WHOLE { String::new() } else { field },
                        message: reason,
                    });
                }
            }
        }
        sources
    }

    fn add(&mut self, mut value: Value, file: &str, marks: Marks) {
        let is_list = matches!(value.get("kind").and_then(Value::as_str), Some("List" | "PodList"));
        let file = file.to_owned();
        match value.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) if is_list => {
                for (index, value) in items.into_iter().enumerate() {
                    let (file, marks) = (file.clone(), marks.clone());
                    let prefix = format!("items[{index}].");
                    self.objects.push(Object { value, file, marks, prefix });
                }
            }
            items => {
                if let (Some(items), Some(fields)) = (items, value.as_object_mut()) {
                    fields.insert("items".to_owned(), items);
                }
                self.objects.push(Object { value, file, marks, prefix: String::new() });
            }
        }
    }

    pub fn values(&self) -> Vec<Value> {
        self.objects.iter().map(|object| object.value.clone()).collect()
    }

    /// Where a field of an object is, or would be.
    pub fn place(&self, object: usize, field: &str) -> Place {
        let Some(object) = self.objects.get(object) else { return Place::default() };
        let mark = object.marks.find(&format!("{}{field}", object.prefix));
        let (line, column) = mark.unwrap_or_default();
        Place { file: object.file.clone(), line, column }
    }

    /// All that there is to say, in order of place.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.errors.clone();
        let batch = batch(self.values(), String::new);
        let mut add = |object, severity, code, field: String, message: String| {
            let place = self.place(object, &field);
            findings.push(Finding { place, severity, code, field, message });
        };
        for (object, error) in batch.errors {
            add(object, Severity::Error, "", error.field, error.reason);
        }
        for (object, warning) in batch.warnings {
            let (field, why) = warning.split_once(": ").unwrap_or(("", &warning));
            add(object, Severity::Warning, "", field.to_owned(), why.to_owned());
        }
        for (object, advice) in batch.advice {
            add(object, Severity::Advice, advice.code, advice.field, advice.text);
        }
        findings.sort_by(|a, b| (&a.place, a.severity).cmp(&(&b.place, b.severity)));
        findings
    }
}
