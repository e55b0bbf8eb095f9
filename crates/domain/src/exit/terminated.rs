//! The end of one instance, as it is published and recorded.

use std::time::SystemTime;

use super::{Cause, Ending, Sigkill};
use crate::Incarnation;

/// End of one instance: Kubernetes' terminated state, and its cause.
#[derive(Debug, Clone, PartialEq)]
pub struct Terminated {
    /// Attempt that ended.
    pub attempt: Incarnation,
    /// ID of the container in the runtime; empty if the daemon does not know it.
    pub container_id: String,
    /// How the process ended, as far as it is known.
    pub ending: Ending,
    /// What ended the instance.
    pub cause: Cause,
    /// Kubernetes' reason: `Completed`, `Error`, `OOMKilled`, `StartError`,
    /// `ContainerStatusUnknown`; and `Stopped` after an operator's stop.
    pub reason: String,
    /// Exit code: 128 + signal for a killed process, 128 for a failed start, 137 if it is not
    /// known.
    pub exit_code: i32,
    /// Number of the signal that ended the process; `None` if no signal did.
    pub signal: Option<u8>,
    /// Kubernetes' message of a terminated state: the termination message, the end of the log, or
    /// the error of a failed start. May be empty.
    pub message: String,
    /// Wall-clock time of the start; `None` if the process was not started.
    pub started_at: Option<SystemTime>,
    /// Wall-clock time at which the end was noticed.
    pub finished_at: SystemTime,
    /// Origin of the SIGKILL that ended an instance which probelet was stopping; `None` for any
    /// other end.
    pub sigkill: Option<Sigkill>,
    /// Number of processes that the OOM killer has killed, including init if that is the cause.
    pub oom_kills: u64,
}

impl Terminated {
    /// Returns the cause as text, with its details.
    pub fn why(&self) -> String {
        let mut why = self.cause.to_string();
        if let Some(sigkill) = self.sigkill {
            why.push_str(&format!("; {sigkill}"));
        }
        let init = u64::from(self.cause == Cause::OutOfMemory);
        match self.oom_kills.saturating_sub(init) {
            0 => {}
            1 => why.push_str("; the OOM killer took 1 child process"),
            children => why.push_str(&format!("; the OOM killer took {children} child processes")),
        }
        why
    }
}
