//! Events of the runtime. They speed things up; no decision depends on them.

use std::collections::BTreeMap;

/// A change that the runtime reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The namespace of the container.
    pub namespace: String,
    /// The container's id; empty for [`EventKind::Live`].
    pub container: String,
    /// What has changed.
    pub kind: EventKind,
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The stream has begun. Earlier changes may have been missed.
    Live,
    /// The record was created.
    Created,
    /// The record was changed; its labels now.
    Updated(BTreeMap<String, String>),
    /// The record was deleted.
    Deleted,
    /// The task was started.
    TaskStarted,
    /// The task, whose process had this pid, was deleted.
    TaskDeleted {
        /// The pid of the task's process.
        pid: u32,
    },
}
