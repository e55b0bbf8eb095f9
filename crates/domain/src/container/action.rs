//! What is to be done for a container.

use std::time::Duration;

use crate::Incarnation;
use crate::brake::KillRequest;
use crate::notice::Notice;
use crate::probe::Launch;
use crate::spec::{HookKind, ProbeKind};

/// What is to be done. The actions of one event are performed in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Something about the current instance.
    Instance(Incarnation, InstanceAction),
    /// Tell the brake that a probe came late by the daemon's own fault.
    TellLate,
    /// Delete the ended task; its record, snapshot and log stay readable.
    Reap(Incarnation),
    /// Delete everything of an attempt.
    Forget(Incarnation),
    /// Write the record of an attempt anew.
    Restore(Incarnation),
    /// End and delete a task that should not be there.
    Clear(Incarnation),
    /// Publish an event.
    Note(Notice),
    /// Write the memory into the record of the newest attempt.
    Persist,
}

/// What is to be done for an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceAction {
    /// Start the process.
    Start,
    /// See which of the images are on the machine. The attempt's record is written before the
    /// answer.
    LookForImage,
    /// Pull this image.
    Pull(String),
    /// Stop waiting for the pull.
    GiveUpPull,
    /// Run a probe once.
    Probe(ProbeKind, Launch),
    /// Measure the resident memory of the shim.
    MeasureShim,
    /// Measure the pod's limited volumes.
    MeasureVolumes,
    /// Run a lifecycle hook, at most for this long.
    RunHook(HookKind, Duration),
    /// Store what the process is doing. The stop waits for it, for a bounded time.
    Capture,
    /// Send a signal to the process.
    Signal(i32),
    /// Ask the brake for the kill that a probe decided. The answer comes in the same turn.
    AskBrake(KillRequest),
    /// Kill what runs of an attempt whose process the daemon does not hold, and report `Ended`.
    Destroy,
}
