//! The interface between the supervisor and a container runtime. One implementation drives
//! containerd, another one is scripted for tests.

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

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    AlreadyExists(String),
    /// The user's input cannot be run: the field (relative to the container) and the reason.
    #[error("{field}: {reason}")]
    Invalid { field: &'static str, reason: String },
    /// The configuration of the host does not allow this container to run now. A later try may
    /// succeed.
    #[error("{0}")]
    Config(String),
    /// The image is missing or incomplete.
    #[error("{0}")]
    NoImage(String),
    #[error("{0}")]
    InUse(String),
    /// The pod could not be connected to its network.
    #[error("{0}")]
    Network(String),
    /// The runtime refused to create or start the process; the text is the runtime's.
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
    /// The shim ended during the call. containerd is about to delete its task.
    ShimDied,
    /// The task has not ended, so it cannot be deleted.
    StillRunning,
    /// The bundle in this folder is in the way. An earlier creation that was cut off left it.
    BundleInTheWay(PathBuf),
    /// runc's state, or another file, is in the way. An earlier creation that was cut off left it.
    StateInTheWay,
}

impl From<probelet_oci::InvalidSpec> for RuntimeError {
    fn from(probelet_oci::InvalidSpec { field, reason }: probelet_oci::InvalidSpec) -> Self {
        Self::Invalid { field, reason }
    }
}

impl RuntimeError {
    /// Returns the runtime's text if the runtime answered that it cannot do what was requested.
    ///
    /// # Errors
    ///
    /// Returns any other error unchanged.
    pub fn into_answer(self) -> Result<String, Self> {
        match self {
            Self::Internal(text) | Self::Refused { text, .. } => Ok(text),
            other => Err(other),
        }
    }

    /// True if the runtime did not answer at all.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Timeout { .. })
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

pub enum FoundTask {
    Running(Box<dyn Task>),
    /// The task has stopped; its exit status and the time of its exit.
    Ended(Ending, SystemTime),
    /// It is unknown whether the task runs.
    Unknown,
    None,
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

/// An image to be pulled.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The full name of the image, under which the store lists it after the pull.
    pub image: String,
    pub reference: Reference,
    /// Credentials that are tried before the host's.
    pub keyrings: Vec<Keyring>,
    pub at: SystemTime,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The content that the registry sent is not the image.
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// The container runtime. Each call has a deadline and may be aborted at any await.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Checks that `container` can be created here (the image is present, the OCI spec is valid,
    /// the rootfs is a folder) and returns the image's facts. It leaves nothing behind.
    async fn check(&self, container: &ContainerSpec) -> Result<ImageFacts, RuntimeError>;
    /// Returns the state of the image of a pod's volume.
    async fn look_at_volume(
        &self,
        uid: &str,
        volume: &str,
        image: &str,
    ) -> Result<VolumeSeen, RuntimeError>;
    /// Returns the bytes used in each of the pod's volumes that have a limit.
    async fn volumes_used(&self, _pod: &PodSpec) -> Result<BTreeMap<String, u64>, RuntimeError> {
        Ok(BTreeMap::new())
    }
    /// Pulls an image and all that a start needs of it, and returns the bytes of its layers. The
    /// pull fails when the registry sends nothing for a while.
    async fn pull(
        &self,
        wanted: &Wanted,
        progress: &Arc<watch::Sender<Progress>>,
    ) -> Result<(ImageFacts, u64), PullError>;
    async fn images(&self) -> Result<Vec<Stored>, RuntimeError>;
    /// Removes an image and returns its name in the store. An image that a container names is
    /// refused.
    async fn remove_image(&self, name: &str) -> Result<String, RuntimeError>;
    /// Creates the record (and snapshot) of an attempt, without a task, even if its image is not
    /// present yet. An existing record is kept.
    async fn create(&self, creation: &StartRequest) -> Result<(), RuntimeError>;
    /// Creates what `create` would where it is missing, cleans up what an earlier try left, and
    /// starts the process. A pidfd of the process is open before its first instruction.
    async fn start(&self, creation: &StartRequest) -> Result<Box<dyn Task>, RuntimeError>;
    /// Overwrites the state saved in the attempt's record. A missing record is `NotFound`.
    async fn remember(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), RuntimeError>;
    /// Saves state that could not be written to the record where a later daemon's survey finds it,
    /// without the runtime. A `remember` that succeeds deletes it.
    async fn keep(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), RuntimeError>;
    /// Deletes the attempt's ended task and its shim. Record, snapshot and log stay for inspection.
    async fn reap(&self, id: &AttemptId) -> Result<(), RuntimeError>;
    /// Deletes everything of the attempt: task (killed if it runs), record, snapshot, log.
    async fn forget(&self, id: &AttemptId) -> Result<(), RuntimeError>;
    /// Returns all attempts in the namespace, as their records describe them. Tasks are not
    /// queried, since a shim may hang.
    async fn survey(&self) -> Result<Survey, RuntimeError>;
    /// Returns the current state of the attempt's task.
    async fn task(&self, id: &AttemptId) -> Result<FoundTask, RuntimeError>;
    /// Checks that the runtime answers. The call is cheap, since it is repeated often.
    async fn ping(&self) -> Result<(), RuntimeError> {
        Ok(())
    }
    /// Returns all attempts that have a record, sound or not, with the state of their tasks.
    async fn look(&self) -> Result<Vec<(AttemptId, SeenTask)>, RuntimeError>;
    /// Writes a record again that another client deleted. The task is not touched.
    async fn restore(&self, creation: &StartRequest) -> Result<(), RuntimeError>;
    /// Kills and deletes the attempt's task, if it has one; the record stays.
    async fn clear(&self, id: &AttemptId) -> Result<(), RuntimeError>;
    /// Returns what an ended attempt left. The end of the log is included if `with_log` is set.
    async fn exit_evidence(&self, id: &AttemptId, with_log: bool) -> ExitEvidence;
    /// Checks that a running pod is still connected as before; [`RuntimeError::Network`] if not.
    async fn check_network(&self, _pod: &PodSpec) -> Result<(), RuntimeError> {
        Ok(())
    }
    /// Disconnects a running pod from its network and connects it again.
    async fn reconnect(&self, _pod: &PodSpec) -> Result<(), RuntimeError> {
        Ok(())
    }
    /// Stops waiting for the plugins that connect a pod, since it is about to be removed.
    fn give_up_network(&self, _pod: &PodSpec) {}
    /// Returns the pod's network as the last operation left it. The call is cheap.
    fn network(&self, _pod: &PodSpec) -> PodNetwork {
        PodNetwork::default()
    }
    /// Returns the file that receives the attempt's stdout and stderr.
    fn log_path(&self, id: &AttemptId) -> PathBuf;
}

/// A started process, for which a pidfd is open.
#[async_trait]
pub trait Task: Target {
    fn pid(&self) -> u32;
    /// The init process of the task; `None` for a fake.
    fn process(&self) -> Option<Arc<Process>> {
        None
    }
    /// Sends a signal to init by pidfd, so never to a process that reused its pid.
    fn signal(&self, signal: i32) -> io::Result<()>;
    /// Starts a command with a client attached to its streams.
    async fn open(&self, _order: &Order) -> Result<Session, SessionError> {
        Err(SessionError::Failed("commands are not run here".to_owned()))
    }
    /// Resident memory of the task's shim, in bytes.
    fn shim_memory(&self) -> io::Result<u64>;
    /// The user that init starts as; `None` if this daemon did not start the task.
    fn user(&self) -> Option<User> {
        None
    }
    /// The reason why the output is discarded, if it is.
    fn no_log(&self) -> Option<String> {
        None
    }
    /// The reason why the output does not go where the container's labels request it, if so.
    fn refused_log(&self) -> Option<String> {
        None
    }
    /// The value of `oom_kills` before the process could run.
    fn oom_kills_before(&self) -> Option<u64> {
        None
    }
    /// The number of processes that the OOM killer has ever killed in the task's cgroup. It stays
    /// available after the process has ended, until the task is deleted. `None` if it is unknown.
    fn oom_kills(&self) -> Option<u64> {
        None
    }
    /// Resolves with the new count when it exceeds `seen`, or with `None` when the process has
    /// ended.
    async fn oom_killed(&self, _seen: u64) -> Option<u64> {
        self.ended().await;
        None
    }
    /// Resolves when the process has ended, even if containerd is down; at once if it has already.
    async fn ended(&self) -> Ending;
}
