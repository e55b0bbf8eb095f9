//! What can happen to a container.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{ImageFacts, Observation, PodSignal, Wanted};
use crate::Incarnation;
use crate::brake::Hold;
use crate::exit::{Caller, Ending, ExitEvidence};
use crate::image::{PullFault, Pulled, VolumeSeen};
use crate::probe::{Launch, Outcome};
use crate::spec::{HookKind, PodSpec, ProbeKind};
use crate::user::User;

/// What happened to a container as a whole, or to one of its attempts.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The wanted level changed. `grace` replaces that of the spec.
    Wanted { wanted: Wanted, grace: Option<Duration> },
    /// An operator asks for a new instance, whatever the restart policy.
    Restart { grace: Option<Duration> },
    /// An operator asks for one signal.
    Kill { signal: i32 },
    /// An operator asks that no probe runs for this long.
    Pause { length: Duration },
    /// An operator ends a pause early.
    Resume,
    /// The pod's spec changed in what may change on a live container.
    Respec(Arc<PodSpec>),
    /// The pod orders one of its containers to do something.
    Pod(PodSignal),
    /// Caller of the operators' events that follow.
    Asker(Option<Caller>),
    /// Another container's volumes were over their limits.
    Evicted { message: String },
    /// Something about an instance. It is dropped unless the instance is the current one.
    Instance(Incarnation, InstanceEvent),
    /// Nothing is left of an attempt in the runtime.
    Forgotten { incarnation: Incarnation },
    /// An attempt could not be cleaned up; the cleanup is retried.
    Leftovers { incarnation: Incarnation },
    /// The runtime has no record of an attempt that was to be written to.
    RecordMissing { incarnation: Incarnation },
    /// The output of an attempt is kept nowhere.
    NoLog { incarnation: Incarnation, why: String },
    /// What the runtime has of the container.
    Found(Observation),
    /// The runtime was away, and answers again.
    RuntimeBack,
    /// The record could not be written, though the runtime answers.
    PendingRecord { error: String },
    /// The record was written.
    Written,
    /// The deadline of the machine was reached.
    Tick,
}

/// What happened to an instance of a container.
#[derive(Debug, Clone, PartialEq)]
pub enum InstanceEvent {
    /// The user that the process starts as; comes before `Started`.
    User { user: User },
    /// The process runs.
    Started { pid: u32, container_id: String },
    /// The process could not be started.
    Failed { fault: Fault, message: String },
    /// Whether the container's image is on the machine, and those of its image volumes by the
    /// volumes' names.
    Looked { image: Option<ImageFacts>, volumes: BTreeMap<String, VolumeSeen> },
    /// An image was pulled.
    Pulled { image: ImageFacts, pulled: Pulled },
    /// An image could not be pulled.
    PullFailed { fault: PullFault, message: String },
    /// Outcome of a probe's attempt.
    Probed { kind: ProbeKind, launch: Launch, outcome: Outcome, latency: Duration },
    /// The process ended.
    Ended { ending: Ending },
    /// A lifecycle hook ended. The error is not published: the output of a hook may have secrets.
    Hooked { kind: HookKind, result: Result<(), String> },
    /// Resident memory of the instance's shim in bytes.
    ShimMeasured { bytes: u64 },
    /// Bytes in the pod's limited volumes, by their names.
    VolumesMeasured { used: BTreeMap<String, u64> },
    /// The evidence is stored. `reading` is empty if there is none.
    Captured { reading: String },
    /// The brake allows the kill.
    Granted,
    /// The brake holds the kill, and is to be asked again then.
    Held { why: Hold, again: Instant },
    /// Count of OOM kills in the instance's cgroup; before `Started`, the count at its start.
    OomKills { kills: u64 },
    /// What the instance left at its end; comes before `Ended`.
    ExitEvidence { words: ExitEvidence },
}

impl InstanceEvent {
    /// This event as one of the instance `incarnation`.
    pub fn of(self, incarnation: Incarnation) -> Event {
        Event::Instance(incarnation, self)
    }
}

impl From<PodSignal> for Event {
    fn from(signal: PodSignal) -> Self {
        Self::Pod(signal)
    }
}

/// Why a start failed. A fault of the container counts as an attempt, one of the runtime does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Container,
    Runtime,
    /// The container must not run as it is configured. The start is retried every 10 s, as in the
    /// kubelet.
    Config,
    /// The image, or a part of it, is not on the machine.
    Image,
    /// The pod has no network yet.
    Network,
}
