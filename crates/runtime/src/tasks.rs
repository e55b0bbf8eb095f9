//! Tasks: the processes of containers.

use std::path::Path;
use std::time::SystemTime;

use async_trait::async_trait;
use probelet_domain::adopt::Stdio;

use crate::{CallError, Mount};

/// The status of a task or of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskStatus {
    /// The process exists and has not begun to run.
    Created,
    /// The process runs.
    Running,
    /// The process is paused, or about to be.
    Paused,
    /// The process has ended.
    Stopped,
    /// The shim does not answer, which says nothing about the process.
    Unknown,
}

/// The state of a task or of a command.
#[derive(Debug, Clone)]
pub struct TaskState {
    /// The status.
    pub status: TaskStatus,
    /// The pid in the host's namespace.
    pub pid: u32,
    /// The exit status of a process that has ended: 128 + N if signal N ended it.
    pub exit_status: u32,
    /// When the process ended, if that is recorded.
    pub exited_at: Option<SystemTime>,
    /// Where the output goes.
    pub stdio: Stdio,
}

/// The tasks of one namespace. A task has its container's id.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// Creates a task whose process waits for [`Tasks::start`], and returns its pid. What is in
    /// the way of the creation is a refusal.
    async fn create(&self, id: &str, rootfs: Vec<Mount>, stdio: &Stdio) -> Result<u32, CallError>;
    /// Lets the task's process run.
    async fn start(&self, id: &str) -> Result<(), CallError>;
    /// Returns the task's state. A shim that has just died is a refusal.
    async fn state(&self, id: &str) -> Result<TaskState, CallError>;
    /// Lists all tasks with their statuses.
    async fn list(&self) -> Result<Vec<(String, TaskStatus)>, CallError>;
    /// Waits until the task's process ends, and returns its exit status. It has no deadline.
    async fn wait(&self, id: &str) -> Result<u32, CallError>;
    /// Sends SIGKILL to all processes of the task. A paused task is resumed.
    async fn kill_all(&self, id: &str) -> Result<(), CallError>;
    /// Deletes a task that has ended, and its shim. One that has not ended is a refusal.
    async fn delete(&self, id: &str) -> Result<(), CallError>;
    /// Closes the task's stdin in the shim, which keeps it open until this call.
    async fn close_stdin(&self, id: &str) -> Result<(), CallError>;
    /// Sets the size of the task's terminal, in characters.
    async fn resize(&self, id: &str, width: u32, height: u32) -> Result<(), CallError>;
    /// True if a task that SIGKILL ended had not begun to run, as when its creation was cut off.
    async fn never_ran(&self, id: &str) -> bool;
    /// Ends the shim of a task that the runtime does not know (any more), with what runs in
    /// `cgroup`, the container's cgroup below each hierarchy. Otherwise a shim that hangs would
    /// receive the requests for the next task of this id.
    async fn end_lost_shim(&self, id: &str, cgroup: &str) -> Result<(), CallError>;
    /// Removes the bundle that refused a creation, after ending its shim, if the bundle is this
    /// task's and the runtime does not know the task.
    async fn remove_bundle(&self, id: &str, cgroup: &str, bundle: &Path) -> Result<(), CallError>;
}
