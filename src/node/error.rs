//! What can go wrong when a node prepares, starts or ends a container.

use std::borrow::Cow;

use probelet_runtime::{CallError, Cause};

use super::record::RecordError;
use crate::registry::RegistryError;

/// A failure of the node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The user's input cannot be run: the field (relative to the container) and the reason.
    #[error("{field}: {reason}")]
    Invalid { field: Cow<'static, str>, reason: String },
    /// The configuration of the host does not allow this container to run now. A later try may
    /// succeed.
    #[error("{0}")]
    Config(String),
    /// A container uses the image.
    #[error("{0}")]
    InUse(String),
    /// The pod could not be connected to its network.
    #[error("{0}")]
    Network(String),
    /// The process could not be created or started.
    #[error(transparent)]
    StartFailed(Cause),
    /// The daemon or the host failed.
    #[error("{0}")]
    Internal(String),
    /// A call of the container runtime failed.
    #[error(transparent)]
    Call(CallError),
}

impl From<CallError> for NodeError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::BadImage(reason) => Self::Invalid { field: "image".into(), reason },
            error => Self::Call(error),
        }
    }
}

impl From<probelet_oci::InvalidSpec> for NodeError {
    fn from(probelet_oci::InvalidSpec { field, reason }: probelet_oci::InvalidSpec) -> Self {
        Self::Invalid { field, reason }
    }
}

impl From<RecordError> for NodeError {
    fn from(error: RecordError) -> Self {
        Self::Internal(format!("record: {error}"))
    }
}

impl NodeError {
    pub fn start_failed(text: impl Into<Cause>) -> Self {
        Self::StartFailed(text.into())
    }

    /// Returns the failure of a creation or start of a task, in the words of containerd's CRI
    /// plugin. A runtime that did not answer has said nothing about the task.
    pub fn of_start(what: &str, error: CallError) -> Self {
        match error {
            CallError::NotFound(cause) => Self::StartFailed(cause.of(what)),
            other => match other.into_answer() {
                Ok(cause) => Self::StartFailed(cause.of(what)),
                Err(other) => other.into(),
            },
        }
    }

    /// True if the runtime did not answer at all.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Call(error) if error.is_loss())
    }

    /// True if the runtime could not be reached.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Call(CallError::Unavailable(_)))
    }

    /// True if the runtime has no such container.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Call(CallError::NotFound(_)))
    }

    /// True if the runtime has a container of this name already.
    pub fn already_exists(&self) -> bool {
        matches!(self, Self::Call(CallError::AlreadyExists(_)))
    }

    /// Returns why an image cannot be used yet, if it is missing or incomplete.
    pub fn no_image(&self) -> Option<&str> {
        match self {
            Self::Call(CallError::NoImage(reason)) => Some(reason),
            _ => None,
        }
    }
}

/// A pull that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The content that the registry sent is not the image.
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl From<probelet_runtime::PullError> for PullError {
    fn from(error: probelet_runtime::PullError) -> Self {
        match error {
            probelet_runtime::PullError::Registry(error) => Self::Registry(error),
            probelet_runtime::PullError::Failed(text) => Self::Failed(text),
            probelet_runtime::PullError::Call(error) => Self::Node(error.into()),
        }
    }
}
