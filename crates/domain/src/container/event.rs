//! The events of a container.

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

/// An event of a container, or of one of its attempts.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The wanted level changed. `grace` replaces that of the spec.
    Wanted {
        /// New wanted level.
        wanted: Wanted,
        /// Grace of the stop that follows; `None` for that of the spec.
        grace: Option<Duration>,
    },
    /// An operator asks for a new instance, whatever the restart policy.
    Restart {
        /// Grace of the stop; `None` for that of the spec.
        grace: Option<Duration>,
    },
    /// An operator asks for one signal.
    Kill {
        /// Number of the signal.
        signal: i32,
    },
    /// An operator asks that no probe runs for this long.
    Pause {
        /// Length of the pause, counted from this event.
        length: Duration,
    },
    /// An operator ends a pause early.
    Resume,
    /// The pod's spec changed in fields that may change on a live container.
    Respec(Arc<PodSpec>),
    /// The pod orders one of its containers to do something.
    Pod(PodSignal),
    /// Caller of the operators' events that follow.
    Asker(Option<Caller>),
    /// Another container's volumes were over their limits.
    Evicted {
        /// Message of the eviction, which names the volume and its limit.
        message: String,
    },
    /// Something about an instance. It is dropped unless the instance is the current one.
    Instance(Incarnation, InstanceEvent),
    /// Nothing is left of an attempt in the runtime.
    AttemptDeleted {
        /// Attempt that was cleaned up.
        incarnation: Incarnation,
    },
    /// An attempt could not be cleaned up; the cleanup is retried.
    Leftovers {
        /// Attempt of which something is left.
        incarnation: Incarnation,
    },
    /// The runtime has no record of an attempt when the record was to be written.
    RecordMissing {
        /// Attempt without a record.
        incarnation: Incarnation,
    },
    /// The output of an attempt is not logged.
    NoLog {
        /// Attempt that runs without a log.
        incarnation: Incarnation,
        /// Reason why there is no log.
        why: String,
    },
    /// State of the container in the runtime.
    Found(Observation),
    /// The runtime answers again after an outage.
    RuntimeBack,
    /// The record could not be written, though the runtime answers.
    PendingRecord {
        /// Error of the write.
        error: String,
    },
    /// The record was written.
    Written,
    /// The deadline of the machine was reached.
    Tick,
}

/// An event of an instance of a container.
#[derive(Debug, Clone, PartialEq)]
pub enum InstanceEvent {
    /// The user that the process starts as; comes before `Started`.
    User {
        /// User of the process.
        user: User,
    },
    /// The process runs.
    Started {
        /// Process id of the init process on the host.
        pid: u32,
        /// containerd's id of the attempt's container.
        container_id: String,
    },
    /// The process could not be started.
    Failed {
        /// Kind of the fault, which decides how the start is retried.
        fault: Fault,
        /// Error of the start.
        message: String,
    },
    /// Whether the container's image is on the machine, and those of its image volumes by the
    /// volumes' names.
    ImagesChecked {
        /// Facts of the container's image; `None` if it is not on the machine.
        image: Option<ImageFacts>,
        /// State of the image of each image volume, by the volume's name.
        volumes: BTreeMap<String, VolumeSeen>,
    },
    /// An image was pulled.
    Pulled {
        /// Facts of the image that was pulled.
        image: ImageFacts,
        /// Duration and size of the pull.
        pulled: Pulled,
    },
    /// An image could not be pulled.
    PullFailed {
        /// Kind of the fault.
        fault: PullFault,
        /// Error of the pull.
        message: String,
    },
    /// Outcome of a probe's attempt.
    Probed {
        /// Kind of the probe.
        kind: ProbeKind,
        /// Launch that this is the result of. The result of an older launch is dropped.
        launch: Launch,
        /// Outcome of the attempt.
        outcome: Outcome,
        /// Duration of the attempt.
        latency: Duration,
    },
    /// The process ended.
    Ended {
        /// Exit code or signal of the process, as far as known.
        ending: Ending,
    },
    /// A lifecycle hook ended. The error is not published: the output of a hook may have secrets.
    Hooked {
        /// Kind of the hook.
        kind: HookKind,
        /// Success, or the error of the hook.
        result: Result<(), String>,
    },
    /// Resident memory of the instance's shim in bytes.
    ShimMeasured {
        /// Resident memory of the shim in bytes.
        bytes: u64,
    },
    /// Bytes in the pod's limited volumes, by their names.
    VolumesMeasured {
        /// Bytes in use, by the name of the volume.
        used: BTreeMap<String, u64>,
    },
    /// What the end of the processes would destroy has been captured, or the rest of it takes too
    /// long to wait for.
    ProcessesCaptured,
    /// The evidence is stored. `reading` is empty if there is none.
    Captured {
        /// Summary of the evidence, as published in the event `Evidence`.
        reading: String,
    },
    /// The brake allows the kill.
    Granted,
    /// The brake holds the kill, and is to be asked again at `again`.
    Held {
        /// Reason of the hold.
        why: Hold,
        /// Time at which the brake is to be asked again.
        again: Instant,
    },
    /// Count of OOM kills in the instance's cgroup; before `Started`, the count at its start.
    OomKills {
        /// Count of the cgroup, which may be older than the instance.
        kills: u64,
    },
    /// Evidence that the instance left at its end; comes before `Ended`.
    ExitEvidence {
        /// Termination message, end of the log, and count of OOM kills.
        evidence: ExitEvidence,
    },
}

impl InstanceEvent {
    /// Returns this event as one of the instance `incarnation`.
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
    /// The runtime rejected the container, or its process could not be started.
    Container,
    /// The runtime is unavailable, or failed for a reason of its own. The start is retried.
    Runtime,
    /// The container must not run as it is configured. The start is retried every 10 s, as in the
    /// kubelet.
    Config,
    /// The image, or a part of it, is not on the machine.
    Image,
    /// The pod has no network yet.
    Network,
}
