//! What the supervisor needs of a container runtime. One implementation drives containerd,
//! another one is scripted for tests.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::domain::Incarnation;
use crate::domain::adopt::ContainerRef;
use crate::domain::container::{ImageFacts, Memory, SeenTask};
use crate::domain::exit::{Ending, ExitEvidence};
use crate::domain::ids::stem;
use crate::domain::image::{Keyring, Progress, Reference, Stored, VolumeSeen};
use crate::domain::network::PodNetwork;
use crate::domain::spec::{ContainerSpec, PodSpec};
use crate::domain::user::User;
use crate::process::Process;
use crate::registry::RegistryError;

use session::{Order, Session, SessionError};

pub mod containerd;
#[cfg(test)]
pub mod fake;
mod foreign_containers;
pub mod record;
pub mod session;

pub use foreign_containers::{ForeignContainers, News};
pub use probelet_prober::{EXEC_OUTPUT, ExecError, Executed, Target, Turn, deadline_in};

/// One attempt of one container, by its name in containerd: `POD_CONTAINER_N` in most cases.
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

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    AlreadyExists(String),
    /// The user's input can't be run: field (relative to the container) and reason.
    #[error("{field}: {reason}")]
    Invalid { field: &'static str, reason: String },
    /// As it is configured it must not run here; it may another time.
    #[error("{0}")]
    Config(String),
    /// The image is not here, or not all of it.
    #[error("{0}")]
    NoImage(String),
    #[error("{0}")]
    InUse(String),
    /// The pod could not be connected to its network.
    #[error("{0}")]
    Network(String),
    /// The runtime refused to create or start the process; its own words.
    #[error("{0}")]
    StartFailed(String),
    #[error("containerd is not reachable: {0}")]
    Unavailable(String),
    #[error("{call} took longer than {seconds} s")]
    Timeout { call: &'static str, seconds: u64 },
    #[error("{text}")]
    Refused { refusal: Refusal, text: String },
    #[error("{0}")]
    Internal(String),
}

/// A refusal of containerd or runc that is acted upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The shim ended while it was asked. containerd is about to delete its task.
    ShimDied,
    /// The task has not ended, so it cannot be deleted.
    StillRunning,
    /// A bundle of an earlier creation, in this folder, which was cut off.
    BundleInTheWay(PathBuf),
    /// runc's state, or another file, of an earlier creation that was cut off.
    StateInTheWay,
}

impl From<probelet_oci::InvalidSpec> for RuntimeError {
    fn from(probelet_oci::InvalidSpec { field, reason }: probelet_oci::InvalidSpec) -> Self {
        Self::Invalid { field, reason }
    }
}

impl RuntimeError {
    /// The runtime's text, if it answered that it cannot do what it was asked for.
    ///
    /// # Errors
    ///
    /// Any other error is given back.
    pub fn into_answer(self) -> Result<String, Self> {
        match self {
            Self::Internal(text) | Self::Refused { text, .. } => Ok(text),
            other => Err(other),
        }
    }

    /// The runtime did not answer at all.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Timeout { .. })
    }
}

/// An attempt's record at boot, before anybody has asked about its task.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub id: AttemptId,
    pub pod: PodSpec,
    pub memory: Memory,
    /// The memory is not the record's but one that could not be written to it.
    pub pending_record: bool,
}

/// An attempt found in the runtime at boot.
pub struct Found {
    pub id: AttemptId,
    pub pod: PodSpec,
    pub memory: Memory,
    pub task: FoundTask,
    /// Of an ended task.
    pub words: ExitEvidence,
    /// The memory is not the record's but one that could not be written to it.
    pub pending_record: bool,
}

/// What could not be written to a container's record, as it was kept for a later daemon.
pub struct PendingRecord {
    pub pod: PodSpec,
    pub container: String,
    pub memory: Memory,
}

pub enum FoundTask {
    Running(Box<dyn Task>),
    /// A stopped task that still knows its exit status.
    Ended(Ending, SystemTime),
    /// Nobody can say whether it runs.
    Unknown,
    None,
}

/// What is remembered at boot.
#[derive(Default)]
pub struct Survey {
    pub sound: Vec<Recorded>,
    pub unsound: Vec<Unsound>,
    pub pending_record: Vec<PendingRecord>,
}

/// An attempt that cannot be taken up as it is.
pub struct Unsound {
    /// By its labels.
    pub id: AttemptId,
    pub pod_uid: String,
    pub image: String,
    pub flaw: Flaw,
    pub reason: String,
    /// Where it was asked about.
    pub task: FoundTask,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Written by a newer version: not to be touched.
    Newer,
    /// What is remembered cannot be read.
    Broken,
    /// Its task could not be looked at this time.
    Unclear,
}

/// What a fresh attempt is born with, all written in the call that makes its record.
#[derive(Debug, Clone)]
pub struct StartRequest {
    pub id: AttemptId,
    pub pod: Arc<PodSpec>,
    /// Its place in [`PodSpec::all`].
    pub index: usize,
    pub memory: Memory,
}

impl StartRequest {
    pub fn container(&self) -> Option<&ContainerSpec> {
        self.pod.at(self.index)
    }
}

/// An image to be pulled.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its whole name, by which the store knows it afterwards.
    pub image: String,
    pub reference: Reference,
    /// Tried before the host's own.
    pub keyrings: Vec<Keyring>,
    pub at: SystemTime,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// What came is not the image.
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// Each call is bounded by a deadline of its own and may be aborted at any await.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Checks that `container` can be made here (its image is here, its OCI spec is one, its
    /// rootfs is a folder) and gives what the image says, without leaving a trace.
    async fn check(&self, container: &ContainerSpec) -> Result<ImageFacts, RuntimeError>;
    /// What there is of the image of a pod's volume.
    async fn look_at_volume(
        &self,
        uid: &str,
        volume: &str,
        image: &str,
    ) -> Result<VolumeSeen, RuntimeError>;
    /// What those of the pod's volumes hold that have a limit, in bytes.
    async fn volumes_used(&self, _pod: &PodSpec) -> Result<BTreeMap<String, u64>, RuntimeError> {
        Ok(BTreeMap::new())
    }
    /// Brings an image and all that a start needs of it; the bytes of its layers. Bounded by a
    /// registry that sends nothing for a while.
    async fn pull(
        &self,
        wanted: &Wanted,
        progress: &Arc<watch::Sender<Progress>>,
    ) -> Result<(ImageFacts, u64), PullError>;
    async fn images(&self) -> Result<Vec<Stored>, RuntimeError>;
    /// Refuses one that a container names. The name that it had in the store.
    async fn remove_image(&self, name: &str) -> Result<String, RuntimeError>;
    /// The record (and snapshot) of an attempt, without a task, also where its image is not here
    /// yet. An existing one is kept.
    async fn create(&self, creation: &StartRequest) -> Result<(), RuntimeError>;
    /// Creates what `create` would where it is missing, clears what an earlier try left, and
    /// starts the process. The process is held (pidfd) before it runs its first instruction.
    async fn start(&self, creation: &StartRequest) -> Result<Box<dyn Task>, RuntimeError>;
    /// Overwrites what is remembered in the attempt's record. A missing record is `NotFound`.
    async fn remember(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), RuntimeError>;
    /// Keeps what could not be remembered where a later daemon's survey finds it, without the
    /// runtime's help. A `remember` that succeeds takes it away.
    async fn keep(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), RuntimeError>;
    /// Deletes the attempt's ended task and its shim; record, snapshot and log stay to be looked at.
    async fn reap(&self, id: &AttemptId) -> Result<(), RuntimeError>;
    /// Deletes all of the attempt: task (killed if it runs), record, snapshot, log.
    async fn forget(&self, id: &AttemptId) -> Result<(), RuntimeError>;
    /// Every attempt in the namespace, as its record has it. No task is asked about: its shim may
    /// hang.
    async fn survey(&self) -> Result<Survey, RuntimeError>;
    /// The attempt's task as it is.
    async fn task(&self, id: &AttemptId) -> Result<FoundTask, RuntimeError>;
    /// Whether it answers. Cheap: it is asked again and again.
    async fn ping(&self) -> Result<(), RuntimeError> {
        Ok(())
    }
    /// Every attempt that has a record, sound or not, and what its task is about.
    async fn look(&self) -> Result<Vec<(AttemptId, SeenTask)>, RuntimeError>;
    /// Writes a record that somebody deleted anew; the task is not touched.
    async fn restore(&self, creation: &StartRequest) -> Result<(), RuntimeError>;
    /// Kills and deletes the attempt's task, if it has one; the record stays.
    async fn clear(&self, id: &AttemptId) -> Result<(), RuntimeError>;
    /// What an ended attempt left; its log's end only where it is wanted.
    async fn exit_evidence(&self, id: &AttemptId, with_log: bool) -> ExitEvidence;
    /// Whether a pod that runs is still connected as it was; [`RuntimeError::Network`] if not.
    async fn check_network(&self, _pod: &PodSpec) -> Result<(), RuntimeError> {
        Ok(())
    }
    /// Takes a pod that runs off its network and connects it anew.
    async fn reconnect(&self, _pod: &PodSpec) -> Result<(), RuntimeError> {
        Ok(())
    }
    /// The pod is to go: what is under way to connect it ends now.
    fn give_up_network(&self, _pod: &PodSpec) {}
    /// What the pod's network is, by what was done last; cheap.
    fn network(&self, _pod: &PodSpec) -> PodNetwork {
        PodNetwork::default()
    }
    /// Where the attempt's stdout and stderr go.
    fn log_path(&self, id: &AttemptId) -> PathBuf;
}

/// A process that was started and is held by its pidfd.
#[async_trait]
pub trait Task: Target {
    fn pid(&self) -> u32;
    /// Its init, where one is held: a fake has none.
    fn process(&self) -> Option<Arc<Process>> {
        None
    }
    /// To init itself, by pidfd: never to a process that reused its pid.
    fn signal(&self, signal: i32) -> io::Result<()>;
    /// Starts a command that somebody talks to.
    async fn open(&self, _order: &Order) -> Result<Session, SessionError> {
        Err(SessionError::Failed("commands are not run here".to_owned()))
    }
    /// Resident memory of the shim that holds this task, in bytes.
    fn shim_memory(&self) -> io::Result<u64>;
    /// The user that it begins as; `None` of a task that this daemon did not start.
    fn user(&self) -> Option<User> {
        None
    }
    /// Why its output is kept nowhere, if it is not.
    fn no_log(&self) -> Option<String> {
        None
    }
    /// Where its owner's labels want its output and why it does not go there, if so.
    fn refused_log(&self) -> Option<String> {
        None
    }
    /// `oom_kills` from before the process could run.
    fn oom_kills_before(&self) -> Option<u64> {
        None
    }
    /// How many processes of its cgroup the OOM killer has taken, ever, also when the process has
    /// ended and until its task is deleted; `None` where nobody can tell.
    fn oom_kills(&self) -> Option<u64> {
        None
    }
    /// Resolves when there are more of them than `seen`, or (`None`) when the process has ended.
    async fn oom_killed(&self, _seen: u64) -> Option<u64> {
        self.ended().await;
        None
    }
    /// Resolves when the process has ended, also while containerd is down; at once if it has.
    async fn ended(&self) -> Ending;
}
