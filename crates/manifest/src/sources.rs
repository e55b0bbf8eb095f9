//! Manifests in files: the objects of documents and lists, with the position of each field.

use std::sync::Arc;

use serde_json::Value;

use crate::batch::batch;
use crate::bounds::Budget;
use crate::document;
use crate::field_path::WHOLE;
use crate::lists::{Member, members};
use crate::marks::Marks;
use crate::positions::{Position, Positions};
use crate::unreadable::Unreadable;
use probelet_domain::spec::SpecError;

/// A file that was read.
#[derive(Debug, Clone)]
pub struct File {
    /// The name, for people.
    pub name: String,
    /// The content.
    pub text: String,
}

/// How severe a finding is, most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The object cannot be applied.
    Error,
    /// A field has no effect here.
    Warning,
    /// A setting that is probably not meant so.
    Advice,
}

impl Severity {
    /// `error`, `warning` or `advice`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Advice => "advice",
        }
    }
}

/// An error, a warning or a piece of advice about a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The position of the field, or of its nearest parent.
    pub position: Position,
    /// How severe it is.
    pub severity: Severity,
    /// The name of a piece of advice; empty for errors and warnings.
    pub code: &'static str,
    /// The path of the field in its object; empty if the finding is about the whole text.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl Finding {
    /// The finding as text, without position and severity.
    pub fn text(&self) -> String {
        let parts = [self.code, &self.field, &self.message];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
    }
}

/// The objects of several files.
#[derive(Default)]
pub struct Sources {
    /// The objects, in the order of the files.
    pub values: Vec<Value>,
    /// The position of each object of `values`.
    pub positions: Positions,
    /// The errors of texts that cannot be read.
    pub errors: Vec<Finding>,
}

impl Sources {
    /// Reads the files in order. A file that is not YAML is an error, and the next file is read; an
    /// exceeded bound of all files together ends the reading.
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
                Err(unreadable) => sources.fail(file, unreadable),
            }
        }
        sources
    }

    fn fail(&mut self, file: Arc<str>, unreadable: Unreadable) {
        let (line, column) = unreadable.at.unwrap_or_default();
        let SpecError { field, reason } = unreadable.error;
        self.errors.push(Finding {
            position: Position { file, line, column },
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
            let Member { prefix, value } = member;
            self.values.push(value);
            self.positions.add(prefix, file.clone(), marks.clone());
        }
    }

    /// All findings, in the order of their positions.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.errors.clone();
        let batch = batch(&self.values, String::new);
        let mut add = |object, severity, code, field: String, message: String| {
            let position = self.positions.find(object, &field);
            findings.push(Finding { position, severity, code, field, message });
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
        findings.sort_by(|a, b| (&a.position, a.severity).cmp(&(&b.position, b.severity)));
        findings
    }
}
