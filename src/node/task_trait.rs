//! A running task, as the supervisor sees it.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use probelet_prober::Target;

use super::session::{Order, Session, SessionError};
use crate::domain::exit::Ending;
use crate::domain::user::User;
use crate::process::Process;

/// The task of an attempt, as it was found.
pub enum FoundTask {
    Running(Box<dyn Task>),
    /// The task has stopped; its exit status and the time of its exit.
    Ended(Ending, SystemTime),
    /// It is unknown whether the task runs.
    Unknown,
    None,
}

/// Facts about a task that only the daemon that started it has.
#[derive(Debug, Clone, Default)]
pub struct StartNotes {
    /// The user that init starts as.
    pub user: Option<User>,
    /// The reason why the output is discarded, if it is.
    pub no_log: Option<String>,
    /// The reason why the output does not go where the container's labels request it, if so.
    pub refused_log: Option<String>,
}

/// A started process, for which a pidfd is open.
#[async_trait]
pub trait Task: Target {
    fn pid(&self) -> u32;
    /// The init process of the task; `None` for a simulated one.
    fn process(&self) -> Option<Arc<Process>>;
    /// Sends a signal to init by pidfd, so never to a process that reused its pid.
    fn signal(&self, signal: i32) -> io::Result<()>;
    /// Starts a command with a client attached to its streams.
    async fn open(&self, order: &Order) -> Result<Session, SessionError>;
    /// Resident memory of the task's shim, in bytes.
    fn shim_memory(&self) -> io::Result<u64>;
    /// Facts of the start; empty if another daemon started the task.
    fn start_notes(&self) -> StartNotes;
    /// The value of `oom_kills` before the process could run.
    fn oom_kills_before(&self) -> Option<u64>;
    /// The number of processes that the OOM killer has ever killed in the task's cgroup. It stays
    /// available after the process has ended, until the task is deleted. `None` if it is unknown.
    fn oom_kills(&self) -> Option<u64>;
    /// Resolves with the new count when it exceeds `seen`, or with `None` when the process has
    /// ended.
    async fn oom_killed(&self, seen: u64) -> Option<u64>;
    /// Resolves when the process has ended, even if containerd is down; at once if it has already.
    async fn ended(&self) -> Ending;
}
