//! What the supervisor needs of a container runtime. One implementation drives containerd,
//! another one is scripted for tests.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::domain::Incarnation;
use crate::domain::container::{ImageFacts, Memory};
use crate::domain::exit::{Ending, LastWords};
use crate::domain::image::{Keyring, Progress, Reference, Stored};
use crate::domain::spec::{ContainerSpec, PodSpec};
use crate::process::Process;
use crate::registry::RegistryError;

pub mod containerd;
#[cfg(test)]
pub mod fake;
pub mod oci;
pub mod record;

/// One attempt of one container: `POD_CONTAINER_N`, or `NAME_N` for a bare container (whose
/// pod and container share a name).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttemptId {
    pub pod: String,
    pub container: String,
    pub attempt: Incarnation,
}

impl std::fmt::Display for AttemptId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.pod == self.container {
            write!(f, "{}_{}", self.pod, self.attempt)
        } else {
            write!(f, "{}_{}_{}", self.pod, self.container, self.attempt)
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
    /// The image is not here, or not all of it.
    #[error("{0}")]
    NoImage(String),
    #[error("{0}")]
    InUse(String),
    /// The runtime refused to create or start the process; its own words.
    #[error("{0}")]
    StartFailed(String),
    #[error("containerd is not reachable: {0}")]
    Unavailable(String),
    #[error("{call} took longer than {seconds} s")]
    Timeout { call: &'static str, seconds: u64 },
    #[error("{0}")]
    Internal(String),
}

/// An attempt found in the runtime at boot.
pub struct Found {
    pub id: AttemptId,
    pub pod: PodSpec,
    pub memory: Memory,
    pub task: FoundTask,
    /// Of an ended task.
    pub words: LastWords,
}

pub enum FoundTask {
    Running(Box<dyn Task>),
    /// A stopped task that still knows its exit status.
    Ended(Ending, SystemTime),
    /// Nobody can say whether it runs.
    Unknown,
    None,
}

/// What a fresh attempt is born with, all written in the call that makes its record.
#[derive(Debug, Clone)]
pub struct Birth {
    pub id: AttemptId,
    pub pod: Arc<PodSpec>,
    /// Its place in [`PodSpec::all`].
    pub index: usize,
    pub memory: Memory,
}

impl Birth {
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
    async fn create(&self, birth: &Birth) -> Result<(), RuntimeError>;
    /// Creates what `create` would where it is missing, clears what an earlier try left, and
    /// starts the process. The process is held (pidfd) before it runs its first instruction.
    async fn start(&self, birth: &Birth) -> Result<Box<dyn Task>, RuntimeError>;
    /// Overwrites what is remembered in the attempt's record. A missing record is `NotFound`.
    async fn remember(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), RuntimeError>;
    /// Kills what runs of the attempt's task, and deletes it.
    async fn destroy(&self, id: &AttemptId) -> Result<(), RuntimeError>;
    /// Deletes the attempt's ended task and its shim; record, snapshot and log stay to be looked at.
    async fn reap(&self, id: &AttemptId) -> Result<(), RuntimeError>;
    /// Deletes all of the attempt: task (killed if it runs), record, snapshot, log.
    async fn forget(&self, id: &AttemptId) -> Result<(), RuntimeError>;
    /// Every attempt with a sound record in the namespace, with its task if there is one.
    async fn list(&self) -> Result<Vec<Found>, RuntimeError>;
    /// What an ended attempt left; its log's end only where it is wanted.
    async fn last_words(&self, id: &AttemptId, with_log: bool) -> LastWords;
    /// Where the attempt's stdout and stderr go.
    fn log_path(&self, id: &AttemptId) -> PathBuf;
}

/// The right to run one command: dropped when its process is gone.
#[derive(Debug)]
pub struct Turn(pub Vec<OwnedSemaphorePermit>);

/// How a command ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// 128 + signal where a signal ended it.
    pub exit_code: u32,
    /// The first [`EXEC_OUTPUT`] bytes: stdout, then stderr.
    pub output: Vec<u8>,
}

/// How much of a command's output is kept; the rest is read and thrown away.
pub const EXEC_OUTPUT: usize = 10 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    #[error("timed out")]
    TimedOut,
    /// It was not run, or nobody can tell how it ended: no fault of the container.
    #[error("{0}")]
    Failed(String),
}

/// A process that was started and is held by its pidfd.
#[async_trait]
pub trait Task: Send + Sync + 'static {
    fn pid(&self) -> u32;
    /// Its init, where one is held: a fake has none.
    fn process(&self) -> Option<Arc<Process>> {
        None
    }
    /// To init itself, by pidfd: never to a process that reused its pid.
    fn signal(&self, signal: i32) -> io::Result<()>;
    /// A TCP socket born in the task's network namespace, fit to connect to `peer`'s family.
    fn tcp_socket(&self, peer: SocketAddr) -> io::Result<tokio::net::TcpSocket>;
    /// A UDP socket born there, bound to any port, of `peer`'s family and connected to it.
    fn udp_socket(&self, peer: SocketAddr) -> io::Result<tokio::net::UdpSocket>;
    /// A file as the container sees it, symbolic links too; `FileTooLarge` beyond `limit` bytes.
    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;
    /// One permit: who runs a command in the container takes it first, and with it the turn.
    fn exec_turn(&self) -> Arc<Semaphore>;
    /// Runs a command as the container's own process would be run (its user, environment,
    /// folder, limits), with `$(NAME)` replaced from its environment. Past `timeout` it and its
    /// children are killed. The turn goes back when nothing of it runs any more.
    async fn exec(
        &self,
        command: &[String],
        timeout: Duration,
        turn: Turn,
    ) -> Result<Executed, ExecError>;
    /// Resident memory of the shim that holds this task, in bytes.
    fn shim_memory(&self) -> io::Result<u64>;
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
