//! What a probe needs of the container that it probes.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Share;

/// The right to run one command: dropped when its process is gone.
#[derive(Debug)]
pub struct Turn {
    /// The container's own turn: it runs one command at a time.
    pub container: OwnedSemaphorePermit,
    /// One of the host's turns for commands at work; a command that only waits needs none.
    pub host: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Returns the host's turn, for a command that only waits.
    pub fn leave_host(&mut self) {
        self.host = None;
    }
}

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

/// Why a command has no exit code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// The command was killed after its timeout.
    #[error("timed out")]
    TimedOut,
    /// It was not run, or nobody can tell how it ended: no fault of the container.
    #[error("{0}")]
    Failed(String),
}

/// A running container, as probes reach it.
#[async_trait]
pub trait Target: Send + Sync + 'static {
    /// A TCP socket born in the task's network namespace, fit to connect to `peer`'s family.
    fn tcp_socket(&self, peer: SocketAddr) -> io::Result<tokio::net::TcpSocket>;
    /// A UDP socket born there, bound to any port, of `peer`'s family and connected to it.
    fn udp_socket(&self, peer: SocketAddr) -> io::Result<tokio::net::UdpSocket>;
    /// A file as the container sees it, symbolic links too; `FileTooLarge` beyond `limit` bytes.
    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;
    /// One permit: who runs a command in the container takes it first, and with it the turn.
    fn exec_turn(&self) -> Arc<Semaphore>;
    /// What its probes may use of a processor, together.
    fn probe_share(&self) -> Arc<Share> {
        Arc::default()
    }
    /// Runs a command as the container's own process would be run (its user, environment,
    /// folder, limits), with `$(NAME)` replaced from its environment. Past `timeout` it and its
    /// children are killed. The turn goes back when nothing of it runs any more.
    async fn exec(
        &self,
        command: &[String],
        timeout: Duration,
        turn: Turn,
    ) -> Result<Executed, ExecError>;
}
