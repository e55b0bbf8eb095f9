//! Options of create, update and patch.

use std::time::Duration;

use super::{META, checked};
use crate::query::Query;
use crate::status::{FieldError, FieldErrorKind, Status};

const MAX_MANAGER: usize = 128;

/// What happens to fields that the kind does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped, with a warning each.
    #[default]
    Warn,
    /// The request is refused.
    Strict,
}

/// Which write the options belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH other than apply.
    Patch,
    /// PATCH with `application/apply-patch+yaml`.
    Apply,
}

/// Options of a write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriteOptions {
    /// True if nothing is stored.
    pub dry_run: bool,
    /// The name of the client as the manager of the fields that it sets.
    pub field_manager: Option<String>,
    /// What happens to unknown fields.
    pub field_validation: FieldValidation,
    /// True if an apply takes fields from other managers.
    pub force: bool,
    /// How long the client waits.
    pub timeout: Option<Duration>,
}

impl WriteOptions {
    /// Reads the options of a write.
    pub fn parse(query: &Query, kind: WriteKind) -> Result<Self, Status> {
        let mut errors = Vec::new();
        let options = Self {
            dry_run: dry_run(query.all("dryRun"), &mut errors),
            field_manager: query.text("fieldManager").map(str::to_owned),
            field_validation: field_validation(query, &mut errors),
            force: query.flag("force").unwrap_or(false),
            timeout: query.duration("timeout")?,
        };
        let is_apply = kind == WriteKind::Apply;
        if options.force && !is_apply {
            let text = "may not be specified for non-apply patch";
            errors.push(FieldError::forbidden("force", text));
        }
        match &options.field_manager {
            None if is_apply => {
                let text = "is required for apply patch";
                errors.push(FieldError::new(FieldErrorKind::Required, "fieldManager", text));
            }
            Some(manager) if manager.len() > MAX_MANAGER => {
                let text = format!("may not be more than {MAX_MANAGER} bytes");
                errors.push(FieldError::new(FieldErrorKind::TooLong, "fieldManager", text));
            }
            Some(manager) if manager.chars().any(char::is_control) => {
                let text = "should only contain printable characters";
                errors.push(FieldError::invalid("fieldManager", manager.as_str(), text));
            }
            _ => {}
        }
        let kind = match kind {
            WriteKind::Create => "CreateOptions",
            WriteKind::Update => "UpdateOptions",
            WriteKind::Patch | WriteKind::Apply => "PatchOptions",
        };
        checked(META, kind, &errors)?;
        Ok(options)
    }
}

/// True for `All`, the only value that there is.
pub(super) fn dry_run<'a>(
    values: impl Iterator<Item = &'a str>,
    errors: &mut Vec<FieldError>,
) -> bool {
    let values: Vec<_> = values.filter(|value| !value.is_empty()).collect();
    let other = values.iter().find(|value| **value != "All");
    errors.extend(other.map(|other| FieldError::not_supported("dryRun", *other, &["All"])));
    !values.is_empty()
}

fn field_validation(query: &Query, errors: &mut Vec<FieldError>) -> FieldValidation {
    match query.text("fieldValidation") {
        None | Some("Warn") => FieldValidation::Warn,
        Some("Ignore") => FieldValidation::Ignore,
        Some("Strict") => FieldValidation::Strict,
        Some(other) => {
            let supported = ["", "Ignore", "Strict", "Warn"];
            errors.push(FieldError::not_supported("fieldValidation", other, &supported));
            FieldValidation::Warn
        }
    }
}
