//! Events in Kubernetes' words, and their correlation.

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

/// Bytes of a message, as in Kubernetes.
const LONGEST: usize = 1024;

/// One thing worth telling, as the machine tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Type of the event.
    pub kind: NoticeType,
    /// Kubernetes' reason: `Unhealthy`, `Killing`, `Created`, …
    pub reason: &'static str,
    /// Text for people; a longer one is cut to 1024 bytes and an ellipsis.
    pub message: String,
    /// The event is the pod's own, and not one of the container that it was noticed at.
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

    /// The same notice, about the pod in place of the container.
    #[must_use]
    pub fn of_pod(self) -> Self {
        Self { of_pod: true, ..self }
    }
}

/// A notice with its place: what `v1.Event` holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Grows with every change of the log and is never given twice, so a watcher can resume after
    /// it, whichever daemon it was told by.
    pub sequence: u64,
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod.
    pub pod_uid: String,
    /// Empty for the pod itself.
    pub container: String,
    /// The container is an init container or a sidecar.
    pub init: bool,
    /// Type of the event.
    pub kind: NoticeType,
    /// Kubernetes' reason, one word such as `Unhealthy`.
    pub reason: String,
    /// Text for people.
    pub message: String,
    /// Number of occurrences, from 1.
    pub count: u32,
    /// Wall-clock time of the first occurrence.
    pub first: SystemTime,
    /// Wall-clock time of the last occurrence.
    pub last: SystemTime,
}

impl Event {
    /// `spec.containers{app}`, `spec.initContainers{db}`, or empty for the pod itself.
    pub fn field_path(&self) -> String {
        if self.container.is_empty() {
            String::new()
        } else {
            let list = if self.init { "initContainers" } else { "containers" };
            format!("spec.{list}{{{}}}", self.container)
        }
    }

    /// Kubernetes' correlation: the same object, type, reason and message is one event.
    pub fn is_same(&self, other: &Self) -> bool {
        self.pod_uid == other.pod_uid
            && self.container == other.container
            && self.kind == other.kind
            && self.reason == other.reason
            && self.message == other.message
    }
}
