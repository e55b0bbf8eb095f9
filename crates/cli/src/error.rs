//! The errors of the client, and their lines on stderr.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use probelet_api::client::{CallError, ConnectError, with_causes};
use probelet_text::system_error::without_number;
use tonic::Code;
use tonic_types::StatusExt;

use probelet_api::structs;
use probelet_manifest as manifest;

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The reader of the output has left, so nothing can be reported.
    #[error("closed pipe")]
    ClosedPipe,
    /// The output cannot be written.
    #[error("{0}")]
    Output(#[source] io::Error),
    /// A file cannot be read or written.
    #[error("{}: {}", path.display(), without_number(&error.to_string()))]
    File {
        /// As it was given.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// An object of a manifest has no name of a pod.
    #[error(transparent)]
    Object(#[from] manifest::SpecError),
    /// An object of a manifest cannot be sent.
    #[error("a manifest's object: {0}")]
    ManifestObject(#[source] structs::Error),
    /// The daemon sent a pod that this client does not understand.
    #[error("pod {name:?} is not a v1.Pod to this client: {error}")]
    NoPod {
        /// The pod's name.
        name: String,
        /// The field that was not understood.
        #[source]
        error: manifest::SpecError,
    },
    /// The daemon sent evidence that this client does not understand.
    #[error("evidence not understood: {0}")]
    Evidence(#[source] serde_json::Error),
    /// A value cannot be written as JSON.
    #[error(transparent)]
    Json(serde_json::Error),
    /// A value cannot be written as YAML.
    #[error(transparent)]
    Yaml(serde_norway::Error),
    /// Wrong usage that clap cannot see.
    #[error("{0}")]
    Usage(String),
    /// The daemon cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The daemon answered with an error.
    #[error("{}", .0.message())]
    Status(#[source] Box<tonic::Status>),
    /// The daemon did not answer in time.
    #[error(transparent)]
    Deadline(CallError),
    /// An error in words.
    #[error("{0}")]
    Other(String),
    /// The text is kubectl's; the exit status is the command's own.
    #[error("command terminated with exit code {0}")]
    Command(u32),
    /// An error with what to do about it.
    #[error("{error}")]
    Hinted {
        /// What went wrong.
        #[source]
        error: Box<Error>,
        /// The next step.
        hint: String,
    },
    /// All errors were reported when they happened; only the exit status is left.
    #[error("failed")]
    Reported,
}

/// The verb did what it was asked to do, or the reader of its output went away.
const DONE: u8 = 0;
/// It failed, or what it waited for did not happen in time. For `check`: the daemon would not work. For
/// `status`: containerd does not answer. For `diff`: there is a difference.
const FAILED: u8 = 1;
/// The command line is wrong; nothing was done.
const USAGE: u8 = 2;

/// What a verb returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The lines for stderr, `error: ` and `hint: ` included.
    pub fn lines(&self) -> Vec<String> {
        let lines = match self {
            Self::ClosedPipe | Self::Reported => Vec::new(),
            Self::Status(status) => status_lines(status),
            Self::Command(_) => vec![self.to_string()],
            Self::Hinted { error, hint } => {
                let mut lines = error.lines();
                lines.push(format!("hint: {hint}"));
                lines
            }
            other => vec![format!("error: {other}")],
        };
        lines.iter().map(|line| without_number(line)).collect()
    }

    /// The error with what to do about it.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self::Hinted { error: Box::new(self), hint: hint.into() }
    }

    /// The exit status of the program.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ClosedPipe => DONE,
            Self::Usage(_) => USAGE,
            Self::Hinted { error, .. } => error.exit_code(),
            Self::Command(code) => u8::try_from(*code).unwrap_or(u8::MAX),
            _ => FAILED,
        }
    }

    /// True if the daemon does not have what was named.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(Code::NotFound)
    }

    /// The code of the daemon's answer.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Status(status) => Some(status.code()),
            Self::Hinted { error, .. } => error.code(),
            _ => None,
        }
    }

    /// True if the output cannot be written any more, so that the verb ends.
    pub fn is_of_output(&self) -> bool {
        matches!(self, Self::ClosedPipe | Self::Output(_))
    }

    /// True if the connection broke before the daemon had answered.
    pub fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Status(status) if status.source().is_some())
    }
}

fn status_lines(status: &tonic::Status) -> Vec<String> {
    let violations =
        status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    if violations.is_empty() {
        let message = match status.message() {
            "" => status.code().to_string(),
            message => message.to_owned(),
        };
        return vec![format!("error: {}", with_causes(message, status))];
    }
    violations
        .iter()
        .map(|v| match v.field.as_str() {
            "" => format!("error: {}", v.description),
            field => format!("error: {field}: {}", v.description),
        })
        .collect()
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::Output(error),
        }
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Status(status) => Self::Status(status),
            late @ CallError::Deadline(_) => Self::Deadline(late),
        }
    }
}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        Self::Status(Box::new(status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::{BadRequest, ErrorDetails};

    #[test]
    fn each_violation_gets_its_line() {
        let bad = BadRequest::with_violation("spec.containers[0].image", "required");
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("metadata.name", "not a DNS label");
        for v in bad.field_violations {
            details.add_bad_request_violation(v.field, v.description);
        }
        let status = tonic::Status::with_error_details(Code::InvalidArgument, "bad", details);
        assert_eq!(
            Error::from(status).lines(),
            ["error: metadata.name: not a DNS label", "error: spec.containers[0].image: required"]
        );
    }

    #[test]
    fn without_details_the_message() {
        let error = Error::from(tonic::Status::not_found("pods \"x\" not found"));
        assert_eq!(error.lines(), ["error: pods \"x\" not found"]);
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn closed_pipe_is_silent() {
        let error = Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(error.lines().is_empty());
        assert_eq!(error.exit_code(), 0);
    }
}
