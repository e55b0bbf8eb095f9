//! The end of one instance, as it is shown and kept.

use std::time::SystemTime;

use super::{Cause, Ending, Sigkill};
use crate::Incarnation;

#[derive(Debug, Clone, PartialEq)]
pub struct Terminated {
    pub attempt: Incarnation,
    pub container_id: String,
    pub ending: Ending,
    pub cause: Cause,
    /// Kubernetes' reason: `Completed`, `Error`, `OOMKilled`, `StartError`,
    /// `ContainerStatusUnknown`; and `Stopped` after an operator's stop.
    pub reason: String,
    pub exit_code: i32,
    pub signal: Option<u8>,
    pub message: String,
    pub started_at: Option<SystemTime>,
    pub finished_at: SystemTime,
    /// How SIGKILL came where probelet was ending it anyway.
    pub sigkill: Option<Sigkill>,
    /// How many of its processes the OOM killer took, init among them where that is the cause.
    pub oom_kills: u64,
}

impl Terminated {
    /// The cause with all that belongs to its story.
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
