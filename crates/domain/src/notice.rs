//! Events in Kubernetes' form, and their correlation.

use std::time::SystemTime;

use super::shorten;

pub mod sequence;

/// Type of an event, as in Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeType {
    /// The event is for information.
    Normal,
    /// The event reports a problem.
    Warning,
}

impl NoticeType {
    /// Kubernetes' name of the type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Maximum size of a message in bytes, as in Kubernetes.
const LONGEST: usize = 1024;

/// Event of a machine that is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Type of the event.
    pub kind: NoticeType,
    /// Kubernetes' reason: `Unhealthy`, `Killing`, `Created`, …
    pub reason: &'static str,
    /// Text for users; a longer one is cut to 1024 bytes and an ellipsis.
    pub message: String,
    /// True if the event is about the pod, not about the container that it was noticed at.
    pub of_pod: bool,
}

impl Notice {
    /// Notice of type `Normal` about a container.
    pub fn normal(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(NoticeType::Normal, reason, message.into())
    }

    /// Notice of type `Warning` about a container.
    pub fn warning(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(NoticeType::Warning, reason, message.into())
    }

    fn new(kind: NoticeType, reason: &'static str, mut message: String) -> Self {
        shorten(&mut message, LONGEST);
        Self { kind, reason, message, of_pod: false }
    }

    /// Returns the same notice, about the pod instead of the container.
    #[must_use]
    pub fn of_pod(self) -> Self {
        Self { of_pod: true, ..self }
    }
}

/// Type of an object of the Kubernetes API, such as a Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectType {
    /// Kubernetes' `apiVersion`.
    pub api_version: String,
    /// Kubernetes' `kind`.
    pub kind: String,
}

/// A notice with its object and its count: the data of `v1.Event`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Number that grows with every change of the log and is never used twice. A watcher can resume
    /// after it, even if another daemon sent it.
    pub sequence: u64,
    /// Object that the event is about, if it is no pod. Its namespace, name and UID are those of
    /// the event.
    pub object: Option<ObjectType>,
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod.
    pub pod_uid: String,
    /// Name of the container; empty for an event of the pod.
    pub container: String,
    /// True if the container is an init container or a sidecar.
    pub init: bool,
    /// Type of the event.
    pub kind: NoticeType,
    /// Kubernetes' reason, a single term such as `Unhealthy`.
    pub reason: String,
    /// Text for users.
    pub message: String,
    /// Number of occurrences, from 1.
    pub count: u32,
    /// Wall-clock time of the first occurrence.
    pub first: SystemTime,
    /// Wall-clock time of the last occurrence.
    pub last: SystemTime,
}

impl Event {
    /// Field path of the object: `spec.containers{app}`, `spec.initContainers{db}`, or empty for
    /// the pod.
    pub fn field_path(&self) -> String {
        if self.container.is_empty() {
            String::new()
        } else {
            let list = if self.init { "initContainers" } else { "containers" };
            format!("spec.{list}{{{}}}", self.container)
        }
    }

    /// Returns whether both are one event by Kubernetes' correlation: of the same object, type,
    /// reason and message.
    pub fn is_same(&self, other: &Self) -> bool {
        self.pod_uid == other.pod_uid
            && self.container == other.container
            && self.kind == other.kind
            && self.reason == other.reason
            && self.message == other.message
    }
}
