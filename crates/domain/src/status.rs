//! Status of pods and containers, in the shape of Kubernetes' API.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::Incarnation;
use super::exit::Terminated;
use super::history::History;
use super::network::PodNetwork;
use super::notice::Notice;
use super::probe::ProbeStatus;
use super::spec::ProbeKind;
use super::user::User;

mod waiting;

pub use waiting::WaitingReason;

/// Message of a pod that was active longer than its deadline, as in the kubelet.
pub const DEADLINE_EXCEEDED: &str = "Pod was active on the node longer than the specified deadline";

/// Status of a container: Kubernetes' `ContainerStatus`, and what probelet adds to it.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerStatus {
    /// Name of the container, unique in its pod.
    pub name: String,
    /// Newest attempt, which may not have begun yet.
    pub attempt: Incarnation,
    /// Newest attempt that has begun, or the newest one if none has. `restart_count`, `state`,
    /// `last_state` and the log are of this attempt.
    pub instance: Incarnation,
    /// Stage of the newest attempt.
    pub stage: Stage,
    /// Kubernetes' `ready`: the readiness probe passes, or an init container has ended with exit
    /// code 0.
    pub ready: bool,
    /// Kubernetes' `started`: the postStart hook is over and the startup probe has passed.
    pub started: bool,
    /// Number of restarts, Kubernetes' `restartCount`. An attempt counts once it has begun.
    pub restart_count: u32,
    /// Image as the spec names it; for a bundle, the path of the root filesystem.
    pub image: String,
    /// Manifest digest of the image, `name@sha256:…`; empty for a bundle or before the first start.
    pub image_id: String,
    /// Id of the newest attempt's container in containerd; empty before its start.
    pub container_id: String,
    /// User that the newest instance started as; `None` before the first start.
    pub user: Option<User>,
    /// Process id of the container's init process on the host; `None` without a process.
    pub pid: Option<u32>,
    /// Current state, as Kubernetes reports it.
    pub state: ContainerState,
    /// Newest end that is not part of `state`, Kubernetes' `lastState`; `None` if there is none.
    pub last_state: Option<Terminated>,
    /// Newest ends, the last one first, including those in `state` and `last_state`.
    pub history: History,
    /// Status of each probe of the running instance; empty without a process.
    pub probes: Vec<ProbeStatus>,
    /// Time at which the next attempt may start; `None` unless the container waits for it.
    pub next_try: Option<SystemTime>,
    /// True if the container was restarted the maximum number of times in a row, and is not
    /// restarted again.
    pub given_up: bool,
    /// Time until which no probe runs, unless an operator resumes them.
    pub paused_until: Option<SystemTime>,
    /// Memory of the running instance's shim; measured only if exec probes make it grow.
    pub shim: Option<ShimMemory>,
    /// Kill that the brake holds; `None` if no kill is held.
    pub kill_held: Option<KillHeld>,
}

impl ContainerStatus {
    /// Returns whether anything differs besides the probes' counters and the size of the shim.
    fn differs_in_level(&self, other: &Self) -> bool {
        // A field that is added does not compile until it is compared.
        let Self {
            name,
            attempt,
            instance,
            stage,
            ready,
            started,
            restart_count,
            image,
            image_id,
            container_id,
            user,
            pid,
            state,
            last_state,
            history,
            probes: _,
            next_try,
            given_up,
            paused_until,
            shim: _,
            kill_held,
        } = self;
        (name, attempt, instance, stage, ready, started, restart_count)
            != (
                &other.name,
                &other.attempt,
                &other.instance,
                &other.stage,
                &other.ready,
                &other.started,
                &other.restart_count,
            )
            || (image, image_id, container_id, user, pid)
                != (&other.image, &other.image_id, &other.container_id, &other.user, &other.pid)
            || (state, last_state, history) != (&other.state, &other.last_state, &other.history)
            || (next_try, given_up, paused_until, kill_held)
                != (&other.next_try, &other.given_up, &other.paused_until, &other.kill_held)
    }
}

/// A kill that a probe has decided and the brake holds.
#[derive(Debug, Clone, PartialEq)]
pub struct KillHeld {
    /// Kind of the probe that failed.
    pub probe: ProbeKind,
    /// Time of the probe's final verdict.
    pub since: SystemTime,
    /// Reason of the hold, as text: the storm, the starved host or the budget, with its numbers.
    pub reason: String,
}

/// Resident memory of a container's shim in bytes: it leaks a little with each exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShimMemory {
    /// Size at the first measurement of the instance.
    pub first: u64,
    /// Size at the newest measurement.
    pub latest: u64,
    /// Time of the newest measurement.
    pub at: SystemTime,
}

/// Stage of a container's newest attempt. The state, as Kubernetes shows it, stays that of the last
/// instance until the next one has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The attempt has not begun, and waits for a request.
    Idle,
    /// The attempt starts when the order of the pod allows it.
    Queued,
    /// The next instance is being made: image, network, process.
    Starting,
    /// A process runs.
    Running,
    /// The next start waits for its time.
    Waiting,
    /// No process runs, and none starts without a request.
    Over,
}

impl Stage {
    /// Returns whether a process runs, or will run without a request.
    pub fn goes_on(self) -> bool {
        !matches!(self, Self::Idle | Self::Over)
    }
}

impl ContainerStatus {
    /// True if the container is ready and its process exists. The levels of a process that is
    /// replaced stay published while the next one is started.
    pub fn serves(&self) -> bool {
        self.ready && self.stage != Stage::Starting
    }
}

/// State of a container, as in Kubernetes' `ContainerState`.
#[derive(Debug, Clone, PartialEq)]
pub enum ContainerState {
    /// The container waits for a start, or a start is under way, the postStart hook included.
    Waiting {
        /// Kubernetes' `reason`.
        reason: WaitingReason,
        /// Details of the reason; may be empty.
        message: String,
    },
    /// The process runs, and the postStart hook is over. The state of a process that is replaced
    /// because its definition changed stays until the next one has begun.
    Running {
        /// Time at which the process started.
        started_at: SystemTime,
    },
    /// The last instance has ended. The state stays until the next one has begun.
    Terminated(Terminated),
}

/// Phase of a pod, as in Kubernetes' `PodPhase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The init containers are not complete, or a container of the pod has not run yet.
    Pending,
    /// A container runs, or has ended and is to be restarted.
    Running,
    /// All regular containers have ended with exit code 0, and none is restarted.
    Succeeded,
    /// All regular containers have ended, at least one of them with another exit code than 0; or an
    /// init container has failed for good, or the pod's deadline or an eviction has ended it.
    Failed,
    /// The phase is not known.
    Unknown,
}

impl Phase {
    /// Name of the phase in Kubernetes' API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }
}

/// Condition of a pod, as in Kubernetes' `PodCondition`.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// `PodReadyToStartContainers`, `Initialized`, `Ready`, `ContainersReady`, `PodScheduled`,
    /// `AllContainersRestarting`.
    pub kind: &'static str,
    /// True for the status `True`, false for `False`.
    pub is_true: bool,
    /// Kubernetes' reason; mostly empty if the condition is true.
    pub reason: &'static str,
    /// Details of the reason; may be empty.
    pub message: String,
    /// Time at which `is_true` last changed, Kubernetes' `lastTransitionTime`.
    pub since: SystemTime,
}

/// Reason why a pod has failed, whatever the exit codes of its containers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expired {
    /// The pod was active longer than its spec allows.
    Deadline,
    /// The pod used more of a volume than its limit.
    Evicted {
        /// Message of the eviction, which names the volume and its limit.
        message: String,
    },
}

impl Expired {
    /// Kubernetes' reason of the failed pod: `DeadlineExceeded` or `Evicted`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Deadline => "DeadlineExceeded",
            Self::Evicted { .. } => "Evicted",
        }
    }

    /// Message of the failed pod, which goes with [`Self::reason`].
    pub fn message(&self) -> &str {
        match self {
            Self::Deadline => DEADLINE_EXCEEDED,
            Self::Evicted { message } => message,
        }
    }

    /// The pod's event, of the type that the kubelet gives it.
    pub fn notice(&self) -> Notice {
        match self {
            Self::Deadline => Notice::normal(self.reason(), self.message()),
            Self::Evicted { .. } => Notice::warning(self.reason(), self.message()),
        }
        .of_pod()
    }
}

/// Status of a pod: Kubernetes' `PodStatus`, and what probelet adds to it.
#[derive(Debug, Clone, PartialEq)]
pub struct PodStatus {
    /// Phase of the pod, from the states of its containers.
    pub phase: Phase,
    /// Conditions of the pod, in Kubernetes' order.
    pub conditions: Vec<Condition>,
    /// Time at which the pod was created.
    pub created_at: SystemTime,
    /// Time and grace of the deletion; `None` unless it was requested.
    pub deletion: Option<(SystemTime, Duration)>,
    /// Statuses of the init containers and sidecars, in the order of the spec.
    pub init_containers: Vec<ContainerStatus>,
    /// Reason why the pod starts no container any more; `None` if it may.
    pub expired: Option<Expired>,
    /// Statuses of the regular containers, in the order of the spec.
    pub containers: Vec<ContainerStatus>,
    /// Network of the pod: its addresses, those of the host, and a description.
    pub network: PodNetwork,
}

impl PodStatus {
    /// Status of a pod that was created at this time, and of which nothing else is known.
    pub fn new(created_at: SystemTime) -> Self {
        Self {
            phase: Phase::Pending,
            conditions: Vec::new(),
            created_at,
            deletion: None,
            init_containers: Vec::new(),
            expired: None,
            containers: Vec::new(),
            network: PodNetwork::default(),
        }
    }

    /// Statuses of all containers, in the order of [`super::spec::PodSpec::all`].
    pub fn all(&self) -> impl Iterator<Item = &ContainerStatus> {
        self.init_containers.iter().chain(&self.containers)
    }

    /// Status of the container of this name; `None` if the pod has no such container.
    pub fn of(&self, name: &str) -> Option<&ContainerStatus> {
        self.all().find(|status| status.name == name)
    }

    /// Returns whether anything differs besides the probes' counters and outputs and the size of
    /// the shim. Such a change is published to watchers.
    pub fn differs_in_level(&self, other: &Self) -> bool {
        let Self { phase, conditions, created_at, deletion, expired, network, .. } = self;
        let Self { init_containers, containers, .. } = self;
        let differ = |some: &[ContainerStatus], others: &[ContainerStatus]| {
            let mut pairs = some.iter().zip(others);
            some.len() != others.len() || pairs.any(|(one, other)| one.differs_in_level(other))
        };
        (phase, created_at, deletion) != (&other.phase, &other.created_at, &other.deletion)
            || (conditions, expired, network) != (&other.conditions, &other.expired, &other.network)
            || differ(init_containers, &other.init_containers)
            || differ(containers, &other.containers)
    }

    /// True if the pod's condition `Ready` is true.
    pub fn is_ready(&self) -> bool {
        self.conditions.iter().any(|c| c.kind == "Ready" && c.is_true)
    }
}
