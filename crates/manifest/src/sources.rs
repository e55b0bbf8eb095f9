//! Manifests as files have them: documents, lists, and where each field is.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::batch::batch;
use super::bounds::Budget;
use super::document::{self, Unread, WHOLE};
use super::lists::{Member, members};
use super::marks::Marks;
use probelet_domain::spec::SpecError;

/// A file's name, for people, and what is in it.
#[derive(Debug, Clone)]
pub struct File {
    pub name: String,
    pub text: String,
}

/// From 1; 0 where it is not known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: Arc<str>,
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
    member: Member,
    file: Arc<str>,
    /// Of its document.
    marks: Arc<Marks>,
}

/// The objects of several files.
#[derive(Default)]
pub struct Sources {
    objects: Vec<Object>,
    /// Texts that cannot be read.
    pub errors: Vec<Finding>,
}

impl Sources {
    /// Reads on after a text that is no YAML; what is more than the bounds ends it.
    pub fn read(files: Vec<File>) -> Self {
        let mut sources = Self::default();
        let mut budget = Budget::default();
        for File { name, text } in files {
            let file: Arc<str> = name.into();
            if let Err(error) = budget.file(&file, &text) {
                sources.fail(file, error.into());
                break;
            }
            match document::read(&text, &mut budget) {
                Ok(documents) => {
                    for (value, marks) in documents {
                        sources.add(value, &file, marks.into(), &mut budget);
                    }
                }
                Err(unread) => sources.fail(file, unread),
            }
        }
        sources
    }

    fn fail(&mut self, file: Arc<str>, unread: Unread) {
        let (line, column) = unread.at.unwrap_or_default();
        let SpecError { field, reason } = unread.error;
        self.errors.push(Finding {
            place: Place { file, line, column },
            severity: Severity::Error,
            code: "",
            field: if field == WHOLE { String::new() } else { field },
            message: reason,
        });
    }

    fn add(&mut self, value: Value, file: &Arc<str>, marks: Arc<Marks>, budget: &mut Budget) {
        for member in members(value) {
            if !member.prefix.is_empty()
                && let Err(error) = budget.object()
            {
                return self.fail(file.clone(), error.into());
            }
            self.objects.push(Object { member, file: file.clone(), marks: marks.clone() });
        }
    }

    pub fn values(&self) -> Vec<Value> {
        self.objects.iter().map(|object| object.member.value.clone()).collect()
    }

    /// Where a field of an object is, or would be.
    pub fn place(&self, object: usize, field: &str) -> Place {
        let Some(object) = self.objects.get(object) else {
            return Place { file: "".into(), line: 0, column: 0 };
        };
        let mark = object.marks.find(&format!("{}{field}", object.member.prefix));
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
