//! The life of one container: what may happen to it, what is to be done, what is remembered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::Incarnation;
use super::brake::{Condemnation, Hold};
use super::exit::{Caller, Cause, Ending, LastWords, Terminated};
use super::history::History;
use super::image::{PullFault, Pulled, VolumeSeen};
use super::notice::{self, Notice};
use super::probe::{Launch, Outcome};
use super::restart::Backoff;
use super::spec::{HookKind, PodSpec, ProbeKind};
use super::user::User;

mod asked;
mod capture;
mod clock;
mod condemned;
mod deadline;
mod ending;
mod eviction;
mod image;
mod machine;
mod oom;
mod pause;
mod probing;
mod reconcile;
mod recover;
mod respec;
mod round;
mod shim;
mod shown;
mod state;
mod stopping;
mod verdict;

pub use machine::Machine;
pub use oom::OomCount;
pub use reconcile::{Look, SeenTask};
pub use recover::Recovered;
pub use round::Word;
pub use stopping::{Next, Stopping};

#[cfg(test)]
mod tests;

/// What must outlive the daemon. Written on transitions only, never per probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pub wanted: Wanted,
    pub attempt: Incarnation,
    pub restart_count: u32,
    pub created_at: SystemTime,
    /// When the newest attempt's process started; `None` before.
    pub started_at: Option<SystemTime>,
    /// The startup probe had passed, the readiness probe had passed.
    pub started: bool,
    pub ready: bool,
    pub image_id: String,
    /// The user that the newest instance began as; `None` in older records.
    #[serde(default)]
    pub user: Option<User>,
    /// Some registry has it, and may have a newer one by now.
    #[serde(default)]
    pub image_from_registry: bool,
    /// The image's own.
    #[serde(default)]
    pub stop_signal: Option<i32>,
    /// How the newest attempt ended, if it did.
    pub ended: Option<Terminated>,
    /// How the attempt before it ended.
    pub last_state: Option<Terminated>,
    /// When the next attempt may start, if one is to follow.
    pub restart_at: Option<SystemTime>,
    pub backoff: Backoff,
    /// No probe runs before this.
    #[serde(default)]
    pub paused_until: Option<SystemTime>,
    /// The whole length of that pause.
    #[serde(default)]
    pub paused_for: Option<Duration>,
    /// An ending that was asked for and has not come yet.
    #[serde(default)]
    pub stopping: Option<Stopping>,
    /// Why a probe's kill, let through and not begun yet, will end the instance.
    #[serde(default)]
    pub condemned: Option<Cause>,
    /// Which round of its pod it is in.
    #[serde(default)]
    pub round: u32,
    /// It waits for its turn in the round.
    #[serde(default)]
    pub held: bool,
    /// The pod is over: it does not start again.
    #[serde(default)]
    pub finished: bool,
    /// Of the newest attempt.
    #[serde(default)]
    pub oom: OomCount,
    #[serde(default)]
    pub history: History,
    /// The pod's active deadline was over while it was not, or it was evicted: nothing starts any
    /// more.
    #[serde(default)]
    pub expired: bool,
    /// Why, where it was evicted.
    #[serde(default)]
    pub evicted: Option<String>,
    /// Restarted as often in a row as it may, and left as it is since.
    #[serde(default)]
    pub given_up: bool,
    /// The container's newest events, which the machine itself has no use for.
    #[serde(default)]
    pub events: Vec<notice::Event>,
    /// The host's boot in which it was written; `None` in older records.
    #[serde(default)]
    pub boot_id: Option<String>,
    /// When the host was booted, by the clock that the times here are of; `None` in older records.
    #[serde(default)]
    pub booted_at: Option<SystemTime>,
}

/// What the image says that a container is made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageFacts {
    /// The manifest digest, `name@sha256:…`; empty for a bundle.
    pub id: String,
    pub from_registry: bool,
    pub stop_signal: Option<i32>,
}

impl Memory {
    /// What may be assumed of a later attempt whose own memory is lost.
    pub fn of_later(mut self, attempt: Incarnation, has_task: bool, wall: SystemTime) -> Self {
        let more = attempt.0.saturating_sub(self.attempt.0);
        self.restart_count = self.restart_count.saturating_add(more);
        self.last_state = self.ended.take().or(self.last_state);
        self.attempt = attempt;
        (self.stopping, self.restart_at, self.held) = (None, None, false);
        self.condemned = None;
        // When it started nobody knows; that it did, its task says.
        self.started_at = has_task.then_some(wall);
        (self.started, self.ready) = (false, false);
        self
    }

    pub fn new(wanted: Wanted, created_at: SystemTime) -> Self {
        Self {
            wanted,
            attempt: Incarnation::default(),
            restart_count: 0,
            created_at,
            started_at: None,
            started: false,
            ready: false,
            image_id: String::new(),
            user: None,
            image_from_registry: false,
            stop_signal: None,
            ended: None,
            last_state: None,
            restart_at: None,
            backoff: Backoff::default(),
            paused_until: None,
            paused_for: None,
            stopping: None,
            condemned: None,
            round: 0,
            held: false,
            finished: false,
            oom: OomCount::default(),
            history: History::default(),
            expired: false,
            evicted: None,
            given_up: false,
            events: Vec::new(),
            boot_id: None,
            booted_at: None,
        }
    }

    /// What could not be written is newer than all that was, while it is of no earlier attempt.
    pub fn outdates(&self, recorded: Incarnation) -> bool {
        self.attempt >= recorded
    }

    /// The host has been restarted since this was written; false where nobody can tell.
    pub fn is_of_another_boot(&self, current: Option<&str>) -> bool {
        self.boot_id.as_deref().zip(current).is_some_and(|(own, current)| own != current)
    }
}

/// The level that the user wants; the machine works towards it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    Running,
    Stopped,
    Removed,
}

/// What happened. Events with an incarnation that is not the current one are dropped.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The wanted level changed; `grace` replaces the spec's.
    Wanted {
        wanted: Wanted,
        grace: Option<Duration>,
    },
    /// An operator asks for a new instance, whatever the restart policy.
    Restart {
        grace: Option<Duration>,
    },
    /// An operator asks for one signal.
    Kill {
        signal: i32,
    },
    /// An operator wants no probe to run for a while.
    Pause {
        length: Duration,
    },
    /// The end of a pause, early.
    Resume,
    /// The pod's spec changed in what may change on a live container.
    Respec(Arc<PodSpec>),
    /// The pod's own word to one of its containers.
    Pod(Word),
    /// The user that the instance begins as; comes before `Started`.
    User {
        incarnation: Incarnation,
        user: User,
    },
    Started {
        incarnation: Incarnation,
        pid: u32,
        container_id: String,
    },
    /// The process could not be started.
    Failed {
        incarnation: Incarnation,
        fault: Fault,
        message: String,
    },
    /// What is here of the container's image, and of those that are its volumes, by their names.
    Looked {
        incarnation: Incarnation,
        image: Option<ImageFacts>,
        volumes: BTreeMap<String, VolumeSeen>,
    },
    Pulled {
        incarnation: Incarnation,
        image: ImageFacts,
        pulled: Pulled,
    },
    PullFailed {
        incarnation: Incarnation,
        fault: PullFault,
        message: String,
    },
    Probed {
        incarnation: Incarnation,
        kind: ProbeKind,
        launch: Launch,
        outcome: Outcome,
        latency: Duration,
    },
    Ended {
        incarnation: Incarnation,
        ending: Ending,
    },
    Hooked {
        incarnation: Incarnation,
        kind: HookKind,
        /// The error is for people who may see it: a hook's output may hold secrets.
        result: Result<(), String>,
    },
    /// Resident memory of the instance's shim in bytes.
    ShimMeasured {
        incarnation: Incarnation,
        bytes: u64,
    },
    /// What the pod's limited volumes hold, in bytes.
    VolumesMeasured {
        incarnation: Incarnation,
        used: BTreeMap<String, u64>,
    },
    /// Another container's volumes were over their limits.
    Evicted {
        message: String,
    },
    /// The evidence is kept, or there is none; empty then.
    Captured {
        incarnation: Incarnation,
        reading: String,
    },
    /// The brake lets the kill that was asked for through.
    Granted {
        incarnation: Incarnation,
    },
    /// It does not yet, and is to be asked again then.
    Held {
        incarnation: Incarnation,
        why: Hold,
        again: Instant,
    },
    /// Who asks for what operators' events come next.
    Asker(Option<Caller>),
    /// The OOM killer's count of the instance's cgroup; before `Started`, what it began with.
    OomKills {
        incarnation: Incarnation,
        kills: u64,
    },
    /// Comes before `Ended`.
    LastWords {
        incarnation: Incarnation,
        words: LastWords,
    },
    /// Nothing is left of an attempt.
    Forgotten {
        incarnation: Incarnation,
    },
    /// What the runtime holds of the container.
    Found(Look),
    /// The runtime has no record of an attempt that was to be written to.
    RecordMissing {
        incarnation: Incarnation,
    },
    /// The instance's output is kept nowhere.
    NoLog {
        incarnation: Incarnation,
        why: String,
    },
    /// The runtime was away, and answers again.
    RuntimeBack,
    /// The record could not be written, by no fault of the connection.
    Unwritten {
        error: String,
    },
    Written,
    /// It could not be cleared away; to be tried again.
    Remains {
        incarnation: Incarnation,
    },
    Tick,
}

/// Whose fault a failed start is: the container's counts as an attempt, the runtime's does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Container,
    Runtime,
    /// What it is configured to be must not run: looked at again now and then, as the kubelet does.
    Config,
    /// The image is not there, or not all of it.
    Image,
    /// The pod has no network yet.
    Network,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Start(Incarnation),
    /// See which of its images are here. The attempt's record is there when it is answered.
    LookForImage(Incarnation),
    Pull(Incarnation, String),
    /// The pull is not waited for any more.
    GiveUpPull(Incarnation),
    Probe(Incarnation, ProbeKind, Launch),
    /// Ask for the resident memory of the instance's shim.
    MeasureShim(Incarnation),
    /// Ask what the pod's limited volumes hold.
    MeasureVolumes(Incarnation),
    /// Run a lifecycle hook, for this long at most.
    RunHook(Incarnation, HookKind, Duration),
    /// See and keep what the process is doing. The stop waits for it, bounded.
    Capture(Incarnation),
    Signal(Incarnation, i32),
    /// Ask the brake for the kill of the instance that a probe condemned. The answer comes in the
    /// same turn.
    AskBrake(Incarnation, Condemnation),
    /// Tell the brake that a probe came late by the daemon's own doing.
    TellLate,
    /// Kill what runs of an attempt whose process nobody holds, and tell `Ended`.
    Destroy(Incarnation),
    /// Delete the ended task; its record, snapshot and log stay to be looked at.
    Reap(Incarnation),
    /// Delete all of an attempt.
    Forget(Incarnation),
    /// Write the attempt's record anew.
    Restore(Incarnation),
    /// End and delete a task that nobody wants.
    Clear(Incarnation),
    Note(Notice),
    /// Write the memory into the newest attempt's record.
    Persist,
}
