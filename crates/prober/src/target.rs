//! Access of a probe to the container that it probes.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Share;
use probelet_domain::spec::ExecVia;

/// Permits to run one command, which are returned when no process of the command is left.
#[derive(Debug)]
pub struct Turn {
    /// Permit of the container, which runs one command at a time.
    pub container: OwnedSemaphorePermit,
    /// Permit of the host for a command that works; `None` for a command that only waits.
    pub host: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Returns the host's permit, because the command only waits from here on.
    pub fn leave_host(&mut self) {
        self.host = None;
    }
}

/// Result of a command that ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// Exit code; 128 + the signal if a signal ended the command.
    pub exit_code: u32,
    /// First [`EXEC_OUTPUT`] bytes of the output: stdout, then stderr.
    pub output: Vec<u8>,
}

/// Maximum size in bytes of a command's output that is kept. The rest is read and dropped.
pub const EXEC_OUTPUT: usize = 10 * 1024;

/// Reason why a command has no exit code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// The command was killed after its timeout.
    #[error("timed out")]
    TimedOut,
    /// The command was not run, or its exit code is unknown; the container has not failed.
    #[error("{0}")]
    Failed(String),
}

/// A running container, as probes reach it.
#[async_trait]
pub trait Target: Send + Sync + 'static {
    /// Opens a TCP socket in the container's network namespace, of the address family of `peer`.
    fn tcp_socket(&self, peer: SocketAddr) -> io::Result<tokio::net::TcpSocket>;
    /// Opens a UDP socket in the container's network namespace, bound to a free port and connected
    /// to `peer`.
    fn udp_socket(&self, peer: SocketAddr) -> io::Result<tokio::net::UdpSocket>;
    /// Reads a file below the container's root. Symbolic links are resolved within the root.
    /// Returns `FileTooLarge` for a file of more than `limit` bytes.
    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;
    /// Semaphore with one permit, which a caller takes before it runs a command.
    fn exec_turn(&self) -> Arc<Semaphore>;
    /// Processor time that the probes of the container may use together.
    fn probe_share(&self) -> Arc<Share> {
        Arc::default()
    }
    /// Runs a command with the user, environment, working directory and limits of the container's
    /// process, and with `$(NAME)` replaced from its environment. After `timeout` the command and
    /// its children are killed. The permits are returned when none of them runs any more. `via` only
    /// changes what runs the command, and neither the command nor its result.
    async fn exec(
        &self,
        command: &[String],
        timeout: Duration,
        turn: Turn,
        via: ExecVia,
    ) -> Result<Executed, ExecError>;
}
