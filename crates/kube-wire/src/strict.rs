//! Strict reading of objects: fields that are there twice, fields that the type does not have, and
//! values of another type. What a request does about the first two is its `fieldValidation`.

use serde_json::Value;

use crate::options::FieldValidation;
use crate::schema::Schema;
use crate::status::Status;

mod json;
mod typed;

pub use json::{Document, read_json};
pub use typed::WrongType;

#[cfg(test)]
mod tests;

/// Most findings that are reported, as warnings or in an error.
const MAX_FINDINGS: usize = 32;

/// Removes from an object of a type the fields that the type does not have, and the nulls, which Go
/// reads as absent; gives quantities their canonical form. Returns the paths of unknown fields.
///
/// # Errors
///
/// The first value of another type.
pub fn check(object: &mut Value, schema: Schema) -> Result<Vec<String>, WrongType> {
    typed::check(object, schema)
}

/// What a request's `fieldValidation` makes of the findings: warnings, an error, or nothing.
///
/// # Errors
///
/// 400 with Kubernetes' text if the request is strict and there is a finding.
pub fn judge(
    unknown: &[String],
    duplicates: &[String],
    validation: FieldValidation,
    (api_version, kind): (&str, &str),
) -> Result<Vec<String>, Status> {
    let unknown = unknown.iter().map(|field| format!("unknown field {field:?}"));
    let duplicates = duplicates.iter().map(|field| format!("duplicate field {field:?}"));
    let mut findings: Vec<_> = duplicates.chain(unknown).collect();
    let more = findings.len().saturating_sub(MAX_FINDINGS);
    findings.truncate(MAX_FINDINGS);
    if more > 0 {
        findings.push(format!("and {more} more"));
    }
    match validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(findings),
        FieldValidation::Strict if findings.is_empty() => Ok(Vec::new()),
        FieldValidation::Strict => {
            let why = format!("strict decoding error: {}", findings.join(", "));
            Err(cannot_be_handled(api_version, kind, &why))
        }
    }
}

/// 400: the object cannot be read as one of this kind.
pub fn cannot_be_handled(api_version: &str, kind: &str, why: &str) -> Status {
    let (_, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    Status::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {kind}: {why}"
    ))
}
