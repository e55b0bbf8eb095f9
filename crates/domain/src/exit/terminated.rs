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
        self.detailed(self.cause.to_string())
    }

    /// Returns the same without the texts that the container may have written, for readers who must
    /// not see them: the outputs of a probe and of a hook.
    pub fn why_without_texts(&self) -> String {
        self.detailed(match &self.cause {
            Cause::Probe { kind, .. } => format!("{} probe failed", kind.lower()),
            Cause::Hook { kind, .. } => format!("{} hook failed", kind.as_str()),
            cause => cause.to_string(),
        })
    }

    fn detailed(&self, mut why: String) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{HookKind, ProbeKind};

    #[test]
    fn what_a_container_wrote_can_be_left_out() {
        let output = "token=hunter2".to_owned();
        let causes = [
            (
                Cause::Probe { kind: ProbeKind::Startup, output: output.clone() },
                "startup probe failed",
            ),
            (Cause::Hook { kind: HookKind::PostStart, output }, "postStart hook failed"),
            (Cause::Crash { signal: 11 }, "crashed with SIGSEGV"),
        ];
        for (cause, words) in causes {
            let end = Terminated {
                attempt: Incarnation(0),
                container_id: String::new(),
                ending: Ending::Signaled(9),
                cause,
                reason: "Error".to_owned(),
                exit_code: 137,
                signal: Some(9),
                message: "token=hunter2".to_owned(),
                started_at: None,
                finished_at: SystemTime::UNIX_EPOCH,
                sigkill: None,
                oom_kills: 1,
            };
            let expected = format!("{words}; the OOM killer took 1 child process");
            assert_eq!(end.why_without_texts(), expected);
            let has_texts = !matches!(end.cause, Cause::Crash { .. });
            assert_eq!(end.why().contains("hunter2"), has_texts);
        }
    }
}
