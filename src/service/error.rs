//! The one place where errors become a gRPC status.

use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

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
        | SupervisorError::NoContainer { .. } => Status::not_found(text),
        SupervisorError::AlreadyExists(_) | SupervisorError::Leaving(_) => {
            Status::already_exists(text)
        }
        SupervisorError::Ambiguous { .. } => Status::invalid_argument(text),
        SupervisorError::Differs { .. }
        | SupervisorError::Expired(..)
        | SupervisorError::LeftAlone { .. }
        | SupervisorError::NotOurs(_)
        | SupervisorError::KeptByFile { .. }
        | SupervisorError::NotAdopted { .. }
        | SupervisorError::NotRunning { .. }
        | SupervisorError::NoProbe { .. } => Status::failed_precondition(text),
        SupervisorError::Timeout { .. } => Status::deadline_exceeded(text),
        SupervisorError::Busy(_) => Status::resource_exhausted(text),
        SupervisorError::Invalid(errors) => invalid(errors.0),
        SupervisorError::Runtime(error) => runtime(error),
        SupervisorError::Exec(SessionError::Busy) => Status::resource_exhausted(text),
        SupervisorError::Exec(SessionError::Failed(_)) => Status::failed_precondition(text),
    }
}

fn runtime(error: RuntimeError) -> Status {
    let text = error.to_string();
    match error {
        RuntimeError::NotFound(_) => Status::not_found(text),
        RuntimeError::AlreadyExists(_) => Status::already_exists(text),
        RuntimeError::Invalid { field, reason } => {
            invalid(vec![SpecError { field: field.to_owned(), reason }])
        }
        RuntimeError::NoImage(_) => Status::not_found(text),
        RuntimeError::InUse(_)
        | RuntimeError::Network(_)
        | RuntimeError::StartFailed(_)
        | RuntimeError::Config(_) => Status::failed_precondition(text),
        RuntimeError::Unavailable(_) => Status::unavailable(text),
        RuntimeError::Timeout { .. } => Status::deadline_exceeded(text),
        RuntimeError::Internal(_) => Status::internal(text),
    }
}

/// INVALID_ARGUMENT with every field in the text and as a violation.
pub(super) fn invalid(errors: Vec<SpecError>) -> Status {
    let violations: Vec<_> =
        errors.iter().map(|e| FieldViolation::new(e.field.as_str(), e.reason.as_str())).collect();
    let text = SpecErrors(errors).to_string();
    Status::with_error_details(
        tonic::Code::InvalidArgument,
        text,
        ErrorDetails::with_bad_request(violations),
    )
}

pub(super) fn field(field: impl Into<String>, reason: impl Into<String>) -> SpecError {
    SpecError { field: field.into(), reason: reason.into() }
}

pub(super) fn manifest(error: ManifestError) -> Status {
    invalid(error.0)
}
