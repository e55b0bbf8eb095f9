//! The actions for a container.

use std::time::Duration;

use crate::Incarnation;
use crate::brake::KillRequest;
use crate::notice::Notice;
use crate::probe::Launch;
use crate::spec::{HookKind, ProbeKind};

/// An action for a container. The actions of one event are performed in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// An action for the current instance.
    Instance(Incarnation, InstanceAction),
    /// Report to the brake that the daemon ran a probe late.
    ReportLate,
    /// Delete the ended task; its record, snapshot and log stay readable.
    DeleteTask(Incarnation),
    /// Delete the record, snapshot and log of an attempt.
    DeleteAttempt(Incarnation),
    /// Write the record of an attempt again.
    RestoreRecord(Incarnation),
    /// End and delete a task that should not exist.
    EndStrayTask(Incarnation),
    /// Publish an event.
    Note(Notice),
    /// Write the memory into the record of the newest attempt.
    Persist,
}

/// An action for an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceAction {
    /// Start the process.
    Start,
    /// Check which of the images are on the machine. The attempt's record is written before the
    /// answer.
    CheckImages,
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
    /// Measure the CPU time of each thread, so that the evidence of a later kill can tell what has
    /// run since.
    Sample,
    /// Capture and store what the processes are doing. The stop waits until nothing more would be
    /// lost with them, for a bounded time.
    Capture,
    /// Send a signal to the process.
    Signal(i32),
    /// Ask the brake for the kill that a probe decided. The answer comes in the same turn of the
    /// actor.
    AskBrake(KillRequest),
    /// Kill the processes of an attempt whose init process the daemon has no pidfd of, and report
    /// `Ended`.
    Destroy,
}
