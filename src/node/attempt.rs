//! Attempts of containers: their names, what a start is made of, and what a daemon finds of them at
//! boot.

use std::sync::Arc;

use super::task_trait::FoundTask;
use crate::domain::Incarnation;
use crate::domain::adopt::ContainerRef;
use crate::domain::container::Memory;
use crate::domain::exit::ExitEvidence;
use crate::domain::ids::stem;
use crate::domain::spec::{ContainerSpec, PodSpec};

/// One attempt of one container. It is displayed as its id in containerd: `POD_CONTAINER_N` in most
/// cases.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttemptId {
    pub pod: String,
    pub container: String,
    pub attempt: Incarnation,
}

impl std::fmt::Display for AttemptId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // An adopted container has one record for all attempts.
        if let Some(place) = ContainerRef::of_pod(&self.pod) {
            f.write_str(&place.id)
        } else {
            write!(f, "{}_{}", stem(&self.pod, &self.container), self.attempt)
        }
    }
}

/// An attempt's record at boot, before its task is queried.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub id: AttemptId,
    pub pod: PodSpec,
    pub memory: Memory,
    /// True if `memory` comes from a pending record, which could not be written to the record.
    pub pending_record: bool,
}

/// An attempt found in the runtime at boot.
pub struct Found {
    pub id: AttemptId,
    pub pod: PodSpec,
    pub memory: Memory,
    pub task: FoundTask,
    /// The exit evidence of an ended task; empty for others.
    pub words: ExitEvidence,
    /// True if `memory` comes from a pending record, which could not be written to the record.
    pub pending_record: bool,
}

/// The state that could not be written to a container's record and was saved for a later daemon.
pub struct PendingRecord {
    pub pod: PodSpec,
    pub container: String,
    pub memory: Memory,
}

/// The records that a daemon finds at boot.
#[derive(Default)]
pub struct Survey {
    pub sound: Vec<Recorded>,
    pub unsound: Vec<Unsound>,
    pub pending_record: Vec<PendingRecord>,
}

/// An attempt that the daemon cannot adopt as it is.
pub struct Unsound {
    /// The attempt as the record's labels name it.
    pub id: AttemptId,
    pub pod_uid: String,
    pub image: String,
    pub flaw: Flaw,
    pub reason: String,
    /// The attempt's task, if it was queried.
    pub task: FoundTask,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A newer version wrote the record. This daemon must not change it.
    Newer,
    /// The saved state cannot be read.
    Broken,
    /// The task's state could not be read this time.
    Unclear,
}

/// The parts of a new attempt. All are written in the call that creates its record.
#[derive(Debug, Clone)]
pub struct StartRequest {
    pub id: AttemptId,
    pub pod: Arc<PodSpec>,
    /// The container's index in [`PodSpec::all`].
    pub index: usize,
    pub memory: Memory,
}

impl StartRequest {
    pub fn container(&self) -> Option<&ContainerSpec> {
        self.pod.at(self.index)
    }
}
