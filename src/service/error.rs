//! The errors of calls, and the one place where they become a gRPC status. A status goes into the
//! answer's trailers, of which clients take 8 KiB by default (gRPC's C core, Java): a longer one
//! breaks the connection and all of its calls.

use std::io;

use tokio::task::JoinError;
use tonic::{Code, Response, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::connections::Full;
use crate::domain::image::PullFault;
use crate::domain::pod_key::PodKey;
use crate::domain::shorten;
use crate::domain::spec::{SpecError, SpecErrors};
use crate::kube_authority::AuthorityError;
use crate::manifest::ManifestError;
use crate::node::session::SessionError;
use crate::node::{AttemptId, CallError, NodeError};
use crate::structs;
use crate::supervisor::SupervisorError;

/// The reason that a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    /// Fields of the request are not valid.
    #[error(transparent)]
    Fields(#[from] SpecErrors),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The stream of the caller's messages broke.
    #[error("{}", .0.message())]
    CallerStream(#[source] Box<Status>),
    #[error("containers {0:?} already exists")]
    ContainerExists(PodKey),
    #[error("a pod without containers")]
    NoContainers,
    #[error("container {0:?} is not running")]
    NotRunning(String),
    #[error("container {container:?} in pod {pod:?} has no probe")]
    NoProbe { container: String, pod: PodKey },
    /// No manifest can describe the pod.
    #[error("{0}")]
    NoManifest(String),
    /// An object cannot be sent as `google.protobuf.Struct`.
    #[error(transparent)]
    Object(#[from] structs::Error),
    #[error("evidence not readable: {0}")]
    EvidenceFormat(#[source] serde_json::Error),
    #[error("evidence not readable: {0}")]
    EvidenceObject(#[source] structs::Error),
    #[error("previous terminated container {container:?} in pod {pod:?} not found")]
    NoPreviousInstance { container: String, pod: PodKey },
    #[error(
        "container {container:?} in pod {pod:?} runs without an input: its spec has no stdin: true"
    )]
    NoInput { container: String, pod: PodKey },
    #[error("container {container:?} in pod {pod:?} is waiting to start: {reason}")]
    WaitingToStart { container: String, pod: PodKey, reason: String },
    #[error(
        "container {id:?} in containerd's namespace {namespace:?} was started by its owner, and its \
         output goes {output}; probelet has no log of it"
    )]
    ForeignOutput { id: String, namespace: String, output: String },
    #[error("no log of {id}: {error}")]
    NoLog {
        id: AttemptId,
        #[source]
        error: io::Error,
    },
    #[error("log not readable: {0}")]
    UnreadableLog(#[source] io::Error),
    /// A task that reads files was stopped.
    #[error(transparent)]
    Task(#[from] JoinError),
    #[error("port {port} of pods {pod:?} takes no connection: {error}")]
    Port {
        port: u16,
        pod: PodKey,
        #[source]
        error: io::Error,
    },
    #[error("the command did not end within {0} s")]
    CommandTimeout(f64),
    #[error("the command wrote more than {0} bytes: use Exec")]
    CommandOutput(usize),
    #[error("no start was sent")]
    NoStart,
    #[error("how the command ended is not known")]
    UnknownExit,
    #[error("{text}")]
    Pull { fault: PullFault, text: String },
    #[error("probelet is still taking up what runs: containerd does not answer yet")]
    Recovering,
    #[error("no Kubernetes API is served: start the daemon with --kube-api ADDR")]
    NoKubernetesApi,
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("too many calls: {0}")]
    TooManyCalls(#[from] Full),
}

pub type Result<T> = std::result::Result<T, Error>;

impl From<SpecError> for Error {
    fn from(error: SpecError) -> Self {
        Self::Fields(SpecErrors(vec![error]))
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Fields(errors) | Error::Supervisor(SupervisorError::Invalid(errors)) => {
                invalid(&errors.0)
            }
            Error::Manifest(errors) => invalid(&errors.0),
            Error::Supervisor(SupervisorError::Runtime(NodeError::Invalid { field, reason })) => {
                invalid(&[SpecError { field: field.into_owned(), reason }])
            }
            Error::CallerStream(status) => *status,
            Error::Authority(AuthorityError::Invalid(error)) => {
                invalid(&[field(error.field, error.reason)])
            }
            other => {
                let mut text = other.to_string();
                shorten(&mut text, TEXT);
                Self::new(code(&other), text)
            }
        }
    }
}

/// The result of a call as tonic takes it.
pub fn answer<T>(result: Result<T>) -> std::result::Result<Response<T>, Status> {
    Ok(result.map(Response::new)?)
}

fn code(error: &Error) -> Code {
    match error {
        Error::Supervisor(error) => supervisor_code(error),
        Error::Fields(_) | Error::Manifest(_) => Code::InvalidArgument,
        Error::CallerStream(status) => status.code(),
        Error::ContainerExists(_) => Code::AlreadyExists,
        Error::NoPreviousInstance { .. } | Error::ForeignOutput { .. } | Error::NoLog { .. } => {
            Code::NotFound
        }
        Error::Authority(error) => authority_code(error),
        Error::NoKubernetesApi
        | Error::NotRunning(_)
        | Error::NoInput { .. }
        | Error::NoProbe { .. }
        | Error::NoManifest(_)
        | Error::WaitingToStart { .. }
        | Error::Pull { fault: PullFault::Failed | PullFault::InvalidName, .. } => {
            Code::FailedPrecondition
        }
        Error::NoContainers
        | Error::Object(_)
        | Error::EvidenceFormat(_)
        | Error::EvidenceObject(_)
        | Error::UnreadableLog(_)
        | Error::Task(_) => Code::Internal,
        Error::CommandTimeout(_) | Error::NoStart => Code::DeadlineExceeded,
        Error::CommandOutput(_) | Error::TooManyCalls(_) => Code::ResourceExhausted,
        Error::UnknownExit
        | Error::Port { .. }
        | Error::Recovering
        | Error::Pull { fault: PullFault::Unreachable, .. } => Code::Unavailable,
    }
}

fn authority_code(error: &AuthorityError) -> Code {
    match error {
        AuthorityError::Invalid(_) => Code::InvalidArgument,
        AuthorityError::UnknownName(_) => Code::NotFound,
        AuthorityError::Full(_) => Code::ResourceExhausted,
        AuthorityError::File(_)
        | AuthorityError::Certificate(_)
        | AuthorityError::Clients(_)
        | AuthorityError::Tls(_)
        | AuthorityError::Random
        | AuthorityError::Claims(_)
        | AuthorityError::Yaml(_) => Code::Internal,
    }
}

fn supervisor_code(error: &SupervisorError) -> Code {
    match error {
        SupervisorError::NotFound(_)
        | SupervisorError::NoSuchContainer(_)
        | SupervisorError::NoContainer { .. } => Code::NotFound,
        SupervisorError::AlreadyExists(_)
        | SupervisorError::BeingCreated(_)
        | SupervisorError::BeingDeleted(_) => Code::AlreadyExists,
        SupervisorError::Changed(_) => Code::Aborted,
        SupervisorError::Ambiguous { .. } | SupervisorError::Invalid(_) => Code::InvalidArgument,
        SupervisorError::Differs { .. }
        | SupervisorError::Expired(..)
        | SupervisorError::HasFinalizers { .. }
        | SupervisorError::Unsupervised { .. }
        | SupervisorError::NotCreatedHere(_)
        | SupervisorError::DefinedByFile { .. }
        | SupervisorError::NotAdopted { .. }
        | SupervisorError::NotRunning { .. }
        | SupervisorError::NoProbe { .. }
        | SupervisorError::Exec(SessionError::Failed(_)) => Code::FailedPrecondition,
        SupervisorError::Timeout { .. } => Code::DeadlineExceeded,
        SupervisorError::Recovering(_) => Code::Unavailable,
        SupervisorError::Busy(_) | SupervisorError::Exec(SessionError::Busy) => {
            Code::ResourceExhausted
        }
        SupervisorError::Runtime(error) => node_code(error),
    }
}

fn node_code(error: &NodeError) -> Code {
    match error {
        NodeError::Call(error) => call_code(error),
        NodeError::Invalid { .. } => Code::InvalidArgument,
        NodeError::InUse(_)
        | NodeError::Network(_)
        | NodeError::StartFailed(_)
        | NodeError::Config(_) => Code::FailedPrecondition,
        NodeError::Internal(_) => Code::Internal,
    }
}

fn call_code(error: &CallError) -> Code {
    match error {
        CallError::NotFound(_) | CallError::NoImage(_) => Code::NotFound,
        CallError::AlreadyExists(_) => Code::AlreadyExists,
        CallError::BadImage(_) => Code::InvalidArgument,
        CallError::Unavailable(_) => Code::Unavailable,
        CallError::Timeout { .. } => Code::DeadlineExceeded,
        CallError::Refused(_) | CallError::Failed(_) => Code::Internal,
    }
}

/// Bytes of a text; in the trailers those that are no plain ASCII take three.
const TEXT: usize = 1024;
/// Bytes of the violations of one answer; in the trailers four for three.
const VIOLATIONS: usize = 2048;
const FIELD: usize = 256;
const REASON: usize = 512;

/// INVALID_ARGUMENT with the first fields in the text and as violations. A last violation without a
/// field has the number of the others.
fn invalid(errors: &[SpecError]) -> Status {
    let mut violations = Vec::new();
    let mut size = 0;
    for SpecError { field, reason } in errors {
        let (mut field, mut reason) = (field.clone(), reason.clone());
        shorten(&mut field, FIELD);
        shorten(&mut reason, REASON);
        // The tags and lengths of the two texts count too.
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
    let mut text = SpecErrors::summary(errors, TEXT);
    shorten(&mut text, TEXT);
    let details = ErrorDetails::with_bad_request(violations);
    Status::with_error_details(Code::InvalidArgument, text, details)
}

/// The error of one field of a request.
pub fn field(field: impl Into<String>, reason: impl Into<String>) -> SpecError {
    SpecError { field: field.into(), reason: reason.into() }
}

#[cfg(test)]
mod tests;
