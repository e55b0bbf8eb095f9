//! The one place where errors become a gRPC status. It goes into the answer's trailers, of which
//! clients take 8 KiB by default (gRPC's C core, Java): what is longer breaks the connection of all.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::domain::shorten;
use crate::domain::spec::{SpecError, SpecErrors};
use crate::manifest::ManifestError;
use crate::runtime::RuntimeError;
use crate::runtime::session::SessionError;
use crate::supervisor::SupervisorError;

pub(super) fn status_of(error: SupervisorError) -> Status {
    let text = error.to_string();
    match error {
        SupervisorError::NotFound(_)
        | SupervisorError::NoSuchContainer(_)
        | SupervisorError::NoContainer { .. } => refuse(Code::NotFound, text),
        SupervisorError::AlreadyExists(_) | SupervisorError::Leaving(_) => {
            refuse(Code::AlreadyExists, text)
        }
        SupervisorError::Ambiguous { .. } => refuse(Code::InvalidArgument, text),
        SupervisorError::Differs { .. }
        | SupervisorError::Expired(..)
        | SupervisorError::LeftAlone { .. }
        | SupervisorError::NotOurs(_)
        | SupervisorError::KeptByFile { .. }
        | SupervisorError::NotAdopted { .. }
        | SupervisorError::NotRunning { .. }
        | SupervisorError::NoProbe { .. } => refuse(Code::FailedPrecondition, text),
        SupervisorError::Timeout { .. } => refuse(Code::DeadlineExceeded, text),
        SupervisorError::Busy(_) => refuse(Code::ResourceExhausted, text),
        SupervisorError::Invalid(errors) => invalid(errors.0),
        SupervisorError::Runtime(error) => runtime(error),
        SupervisorError::Exec(SessionError::Busy) => refuse(Code::ResourceExhausted, text),
        SupervisorError::Exec(SessionError::Failed(_)) => refuse(Code::FailedPrecondition, text),
    }
}

fn runtime(error: RuntimeError) -> Status {
    let text = error.to_string();
    match error {
        RuntimeError::NotFound(_) => refuse(Code::NotFound, text),
        RuntimeError::AlreadyExists(_) => refuse(Code::AlreadyExists, text),
        RuntimeError::Invalid { field, reason } => {
            invalid(vec![SpecError { field: field.to_owned(), reason }])
        }
        RuntimeError::NoImage(_) => refuse(Code::NotFound, text),
        RuntimeError::InUse(_)
        | RuntimeError::Network(_)
        | RuntimeError::StartFailed(_)
        | RuntimeError::Config(_) => refuse(Code::FailedPrecondition, text),
        RuntimeError::Unavailable(_) => refuse(Code::Unavailable, text),
        RuntimeError::Timeout { .. } => refuse(Code::DeadlineExceeded, text),
        RuntimeError::Refused { .. } | RuntimeError::Internal(_) => refuse(Code::Internal, text),
    }
}

/// Bytes of a text; in the trailers those that are no plain ASCII take three.
const TEXT: usize = 1024;
/// Bytes of the violations of one answer; in the trailers four for three.
const VIOLATIONS: usize = 2048;
const FIELD: usize = 256;
const REASON: usize = 512;

pub(super) fn refuse(code: Code, text: impl Into<String>) -> Status {
    let mut text = text.into();
    shorten(&mut text, TEXT);
    Status::new(code, text)
}

/// INVALID_ARGUMENT with the first fields in the text and as violations; a last violation without
/// a field says how many there are more.
pub(super) fn invalid(errors: Vec<SpecError>) -> Status {
    let mut violations = Vec::new();
    let mut size = 0;
    for SpecError { field, reason } in &errors {
        let (mut field, mut reason) = (field.clone(), reason.clone());
        shorten(&mut field, FIELD);
        shorten(&mut reason, REASON);
        // Their own tags and lengths too.
        size += field.len() + reason.len() + 10;
        if size > VIOLATIONS {
            break;
        }
        violations.push(FieldViolation::new(field, reason));
    }
    let more = errors.len() - violations.len();
    if more > 0 {
        violations.push(FieldViolation::new("", format!("and {more} more")));
    }
    let mut text = SpecErrors::summary(&errors, TEXT);
    shorten(&mut text, TEXT);
    let details = ErrorDetails::with_bad_request(violations);
    Status::with_error_details(Code::InvalidArgument, text, details)
}

pub(super) fn field(field: impl Into<String>, reason: impl Into<String>) -> SpecError {
    SpecError { field: field.into(), reason: reason.into() }
}

pub(super) fn manifest(error: ManifestError) -> Status {
    invalid(error.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As HTTP/2 counts trailers: names, values, 32 bytes each.
    fn trailers(status: &Status) -> usize {
        let mut headers = http::HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
    }

    /// What this file makes is bounded; so nothing else may make one.
    #[test]
    fn no_other_file_of_the_service_makes_a_status() {
        let makes = |text: &str| {
            text.match_indices("Status::").any(|(at, name)| {
                let (before, after) = (&text[..at], &text[at + name.len()..]);
                !before.ends_with(char::is_alphanumeric) && after.starts_with(char::is_lowercase)
            })
        };
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/service");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let is_here = path.file_name().is_some_and(|name| name == "error.rs");
            assert_eq!(makes(&text), is_here, "{}", path.display());
        }
    }

    #[test]
    fn an_answer_with_many_errors_fits_into_the_trailers_that_clients_take() {
        let errors = |count: usize, text: &str| {
            (0..count).map(|n| SpecError::new(format!("objects[{n}].{text}"), text)).collect()
        };
        for text in ["short", &"x".repeat(5000), &"é%\n".repeat(2000), "spec: Required value"] {
            for count in [1, 60, 1000] {
                let status = invalid(errors(count, text));
                assert!(trailers(&status) < 8 << 10, "{count}, {}", trailers(&status));
                let bad = status.get_details_bad_request().unwrap().field_violations;
                let told = bad.iter().filter(|violation| !violation.field.is_empty()).count();
                assert!(told >= 1, "{text}");
                let more = bad.last().filter(|violation| violation.field.is_empty());
                let expected = (told < count).then(|| format!("and {} more", count - told));
                assert_eq!(more.map(|violation| violation.description.clone()), expected);
            }
        }
        assert!(trailers(&refuse(Code::Internal, "é".repeat(100_000))) < 8 << 10);
    }
}
