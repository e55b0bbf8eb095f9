//! What a probe needs of the container that it probes.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Share;

/// Permits to run one command. They are returned when no process of the command is left.
#[derive(Debug)]
pub struct Turn {
    /// The container's permit: a container runs one command at a time.
    pub container: OwnedSemaphorePermit,
    /// One of the host's permits for commands that work; a command that only waits needs none.
    pub host: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Returns the host's permit: the command only waits from here on.
    pub fn leave_host(&mut self) {
        self.host = None;
    }
}

/// The result of a command that ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// The exit code; 128 + the signal if a signal ended the command.
    pub exit_code: u32,
    /// The first [`EXEC_OUTPUT`] bytes: stdout, then stderr.
    pub output: Vec<u8>,
}

/// Bytes of a command's output that are kept. The rest is read and dropped.
pub const EXEC_OUTPUT: usize = 10 * 1024;

/// The reason that a command has no exit code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// The command was killed after its timeout.
    #[error("timed out")]
    TimedOut,
    /// The command was not run, or its exit code is unknown: the container is not to blame.
    #[error("{0}")]
    Failed(String),
}

/// A running container, as probes reach it.
#[async_trait]
pub trait Target: Send + Sync + 'static {
    /// Opens a TCP socket in the container's network namespace, of the address family of `peer`.
    fn tcp_socket(&self, peer: SocketAddr) -> io::Result<tokio::net::TcpSocket>;
    /// Opens a UDP socket in the container's network namespace, bound to any port and connected to
    /// `peer`.
    fn udp_socket(&self, peer: SocketAddr) -> io::Result<tokio::net::UdpSocket>;
    /// Reads a file below the container's root, and follows symbolic links within it.
    /// `FileTooLarge` beyond `limit` bytes.
    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;
    /// A semaphore of one permit, which a caller takes before it runs a command.
    fn exec_turn(&self) -> Arc<Semaphore>;
    /// The processor time that the probes of the container may use together.
    fn probe_share(&self) -> Arc<Share> {
        Arc::default()
    }
    /// Runs a command like the container's own process: with its user, environment, folder and
    /// limits, and with `$(NAME)` replaced from its environment. After `timeout` the command and
    /// its children are killed. The permits are returned when none of them runs any more.
    async fn exec(
        &self,
        command: &[String],
        timeout: Duration,
        turn: Turn,
    ) -> Result<Executed, ExecError>;
}
