//! What is: Kubernetes-shaped status of pods and containers.

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

/// The kubelet's words.
pub const DEADLINE_EXCEEDED: &str = "Pod was active on the node longer than the specified deadline";

#[derive(Debug, Clone, PartialEq)]
pub struct ContainerStatus {
    pub name: String,
    /// The newest attempt, which may not have begun yet.
    pub attempt: Incarnation,
    /// The newest attempt that has begun, which `restart_count`, `state` and `last_state` are of,
    /// and whose log there is; the newest one where none has.
    pub instance: Incarnation,
    pub stage: Stage,
    pub ready: bool,
    pub started: bool,
    pub restart_count: u32,
    pub image: String,
    /// The manifest digest, `name@sha256:…`; empty for a bundle or before the first start.
    pub image_id: String,
    /// containerd's container id of the newest attempt; empty before it.
    pub container_id: String,
    /// The user that the newest instance began as; `None` before it.
    pub user: Option<User>,
    pub pid: Option<u32>,
    pub state: ContainerState,
    pub last_state: Option<Terminated>,
    /// The newest ends, newest first, `state` and `last_state` among them.
    pub history: History,
    pub probes: Vec<ProbeStatus>,
    /// When the next attempt may start, while it waits for that.
    pub next_try: Option<SystemTime>,
    /// Restarted as often in a row as it may.
    pub given_up: bool,
    /// No probe runs before this, unless resumed.
    pub paused_until: Option<SystemTime>,
    /// Of the running instance, where exec probes make it grow.
    pub shim: Option<ShimMemory>,
    pub kill_held: Option<KillHeld>,
}

/// A probe has condemned the instance, and the brake holds the kill back.
#[derive(Debug, Clone, PartialEq)]
pub struct KillHeld {
    pub probe: ProbeKind,
    /// When the probe's word was final.
    pub since: SystemTime,
    pub reason: String,
}

/// Resident memory of a container's shim in bytes: it leaks a little with each exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShimMemory {
    /// At the first measurement of the instance.
    pub first: u64,
    pub latest: u64,
    pub at: SystemTime,
}

/// How far a container has come. Its state, as Kubernetes shows it, stays that of the last
/// instance until the next one has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has not begun, and does not by itself.
    Idle,
    /// It starts when the order of its pod lets it.
    Queued,
    /// The next instance is being made: image, network, process.
    Starting,
    /// There is a process.
    Running,
    /// The next start waits for its time.
    Waiting,
    /// Nothing runs, and nothing follows by itself.
    Over,
}

impl Stage {
    /// There is a process, or there will be one without anybody asking for it.
    pub fn goes_on(self) -> bool {
        !matches!(self, Self::Idle | Self::Over)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum ContainerState {
    Waiting { reason: WaitingReason, message: String },
    Running { started_at: SystemTime },
    Terminated(Terminated),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    Pending,
    Running,
    Succeeded,
    Failed,
    /// Nobody here can tell.
    Unknown,
}

impl Phase {
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

#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// `PodReadyToStartContainers`, `Initialized`, `Ready`, `ContainersReady`, `PodScheduled`,
    /// `AllContainersRestarting`.
    pub kind: &'static str,
    pub is_true: bool,
    pub reason: &'static str,
    pub message: String,
    pub since: SystemTime,
}

/// Why a pod has failed whatever its containers did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expired {
    /// It was active longer than its spec allows.
    Deadline,
    /// It used more than it may.
    Evicted { message: String },
}

impl Expired {
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Deadline => "DeadlineExceeded",
            Self::Evicted { .. } => "Evicted",
        }
    }

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

#[derive(Debug, Clone, PartialEq)]
pub struct PodStatus {
    pub phase: Phase,
    pub conditions: Vec<Condition>,
    pub created_at: SystemTime,
    /// When deletion was asked for, and with what grace.
    pub deletion: Option<(SystemTime, Duration)>,
    pub init_containers: Vec<ContainerStatus>,
    /// Why it starts nothing any more, if so.
    pub expired: Option<Expired>,
    pub containers: Vec<ContainerStatus>,
    pub network: PodNetwork,
}

impl PodStatus {
    /// In the order of [`super::spec::PodSpec::all`].
    pub fn all(&self) -> impl Iterator<Item = &ContainerStatus> {
        self.init_containers.iter().chain(&self.containers)
    }

    pub fn of(&self, name: &str) -> Option<&ContainerStatus> {
        self.all().find(|status| status.name == name)
    }

    /// Whether more than the probes' counters and last words (and the shim's size) differs: worth
    /// waking a watcher for.
    pub fn differs_in_level(&self, other: &Self) -> bool {
        let bare = |status: &Self| {
            let mut bare = status.clone();
            for container in bare.init_containers.iter_mut().chain(&mut bare.containers) {
                container.probes.clear();
                container.shim = None;
            }
            bare
        };
        bare(self) != bare(other)
    }

    pub fn is_ready(&self) -> bool {
        self.conditions.iter().any(|c| c.kind == "Ready" && c.is_true)
    }
}
