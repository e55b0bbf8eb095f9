//! Commands in running tasks.

use async_trait::async_trait;

use crate::{CallError, TaskState};

/// Names a command in a task.
#[derive(Debug, Clone, Copy)]
pub struct Exec<'a> {
    /// The container's id.
    pub container: &'a str,
    /// The command's id in the container.
    pub id: &'a str,
}

/// The streams of a command: paths of FIFOs, or empty where there is no stream.
#[derive(Debug, Clone, Default)]
pub struct ExecStdio {
    /// What the command reads.
    pub stdin: String,
    /// What the command writes.
    pub stdout: String,
    /// Its errors; empty for a terminal.
    pub stderr: String,
    /// True if the streams are a terminal.
    pub terminal: bool,
}

/// Commands in the tasks of one namespace.
#[async_trait]
pub trait Commands: Send + Sync {
    /// Creates a command from an OCI process, as JSON.
    async fn create(&self, exec: Exec<'_>, process: &[u8], io: ExecStdio) -> Result<(), CallError>;
    /// Starts the command and returns its pid. Only this call fails for a command that cannot run.
    async fn start(&self, exec: Exec<'_>) -> Result<u32, CallError>;
    /// Waits until the command ends, and returns its exit status. It has no deadline.
    async fn wait(&self, exec: Exec<'_>) -> Result<u32, CallError>;
    /// Returns the command's state.
    async fn state(&self, exec: Exec<'_>) -> Result<TaskState, CallError>;
    /// Sends SIGKILL to the command's process.
    async fn kill(&self, exec: Exec<'_>) -> Result<(), CallError>;
    /// Closes stdin in the shim, which keeps it open until this call.
    async fn close_stdin(&self, exec: Exec<'_>) -> Result<(), CallError>;
    /// Sets the size of the command's terminal, in characters.
    async fn resize(&self, exec: Exec<'_>, width: u32, height: u32) -> Result<(), CallError>;
    /// Deletes a command that has ended.
    async fn delete(&self, exec: Exec<'_>) -> Result<(), CallError>;
    /// Lists the processes in a container, with the command that started each where it is known.
    async fn processes(&self, container: &str) -> Result<Vec<(u32, Option<String>)>, CallError>;
}
