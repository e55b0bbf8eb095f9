//! The errors of requests to the registry.

use std::time::Duration;

use crate::domain::adopt::ContainerRef;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{PodSpec, SpecError, SpecErrors};
use crate::node::NodeError;
use crate::node::session::SessionError;

#[derive(Debug, Clone, thiserror::Error)]
pub enum SupervisorError {
    #[error("pods {0:?} not found")]
    NotFound(PodKey),
    #[error("container {:?} not found in containerd's namespace {:?}", .0.id, .0.namespace)]
    NoSuchContainer(ContainerRef),
    #[error("container {container:?} not found in pod {pod:?}")]
    NoContainer { pod: PodKey, container: String },
    #[error("pods {0:?} already exists")]
    AlreadyExists(PodKey),
    /// Another request creates a pod of the name, which is not listed yet.
    #[error("pods {0:?} is being created: try again later")]
    BeingCreated(PodKey),
    /// A live pod cannot change these fields.
    #[error(
        "pods {pod:?} exists with another {}, which a live pod cannot change; delete it first",
        .fields.join(", ")
    )]
    Differs { pod: PodKey, fields: Vec<String> },
    #[error("pods {0:?} has been changed: try again with the newest version")]
    Changed(PodKey),
    #[error("pods {0:?} is being deleted or replaced: try again later")]
    BeingDeleted(PodKey),
    /// The successor of the pod would wait for other clients.
    #[error(
        "pods {pod:?} has finalizers ({}), so it cannot be replaced; delete it first",
        .finalizers.join(", ")
    )]
    HasFinalizers { pod: PodKey, finalizers: Vec<String> },
    /// The text is kubectl's.
    #[error("a container name must be specified for pod {pod}, choose one of: {choice}")]
    Ambiguous { pod: PodKey, choice: String },
    #[error("container {container:?} in pod {pod:?} is not running")]
    NotRunning { pod: PodKey, container: String },
    #[error("container {container:?} in pod {pod:?} has no {kind} probe")]
    NoProbe { pod: PodKey, container: String, kind: &'static str },
    #[error(transparent)]
    Invalid(#[from] SpecErrors),
    #[error(transparent)]
    Runtime(#[from] NodeError),
    #[error(transparent)]
    Exec(#[from] SessionError),
    #[error("pods {pod:?}: {condition} not reached within {} s", .after.as_secs_f64())]
    Timeout { pod: PodKey, condition: &'static str, after: Duration },
    #[error("pods {pod:?} is not supervised: {reason}")]
    Unsupervised { pod: PodKey, reason: String },
    #[error(
        "pods {0:?} is being taken up after a start of probelet: containerd has not reported its tasks yet"
    )]
    Recovering(PodKey),
    #[error("pods {0:?} has failed for good ({1}) and starts no container any more")]
    Expired(PodKey, &'static str),
    #[error(
        "pods {0:?} is an adopted container, which only its owner deletes; `probelet release` ends its management"
    )]
    NotCreatedHere(PodKey),
    #[error("pods {pod:?} is defined by {file}: change or remove that file")]
    DefinedByFile { pod: PodKey, file: String },
    #[error("pods {pod:?}: {reason}")]
    NotAdopted { pod: PodKey, reason: String },
    #[error("pods {0:?} is busy: too many requests are waiting")]
    Busy(PodKey),
}

pub fn unsupervised_error(pod: &PodKey, reason: &str) -> SupervisorError {
    SupervisorError::Unsupervised { pod: pod.to_owned(), reason: reason.to_owned() }
}

pub fn timed_out(pod: &PodKey, condition: &'static str, after: Duration) -> SupervisorError {
    SupervisorError::Timeout { pod: pod.to_owned(), condition, after }
}

/// Adds the pod's path to a field that the runtime refused in a container.
pub fn located(spec: &PodSpec, index: usize, error: NodeError) -> SupervisorError {
    match error {
        NodeError::Invalid { field, reason } => SpecErrors(vec![SpecError {
            field: format!("{}.{field}", spec.field_at(index)),
            reason,
        }])
        .into(),
        other => other.into(),
    }
}
