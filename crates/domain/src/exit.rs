//! How a process ended, as Kubernetes reports it.

use super::spec::{HookKind, ProbeKind};

mod exit_evidence;
mod judge;
mod operator;
mod terminated;

pub use exit_evidence::{ExitEvidence, LOG_BYTES, LOG_LINES, MESSAGE_BYTES};
pub use judge::{Known, Sigkill, Verdict};
pub use operator::{Caller, Operator, STOP};
pub use terminated::Terminated;

/// How a process ended, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A wait status from the kernel: exited by itself with this code.
    Exited(u8),
    /// A wait status from the kernel: killed by this signal.
    Signaled(u8),
    /// Exit code as containerd reports it, in which `exit 137` and SIGKILL are the same.
    Reported(u32),
    /// The process is gone, and how it ended is not known.
    Lost,
}

impl Ending {
    /// Reads a raw wait status (`wait(2)`).
    pub fn from_wait_status(status: i32) -> Self {
        let signal = (status & 0x7f) as u8;
        if signal == 0 {
            Self::Exited(((status >> 8) & 0xff) as u8)
        } else {
            Self::Signaled(signal)
        }
    }

    /// Exit code by the shell's convention, which Kubernetes shares: 128 + signal for a killed
    /// process.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Exited(code) => i32::from(code),
            Self::Signaled(signal) => 128 + i32::from(signal),
            Self::Reported(code) => i32::try_from(code).unwrap_or(i32::MAX),
            Self::Lost => 137,
        }
    }

    /// Signal that ended the process. Of the exit codes that containerd reports, only that of
    /// SIGKILL is read as a signal: a program often exits with 143 after a handled SIGTERM, hardly
    /// ever with 137.
    pub fn signal(self) -> Option<u8> {
        match self {
            Self::Signaled(signal) => Some(signal),
            Self::Reported(137) => Some(9),
            Self::Exited(_) | Self::Reported(_) | Self::Lost => None,
        }
    }

    /// Kubernetes' reason of a terminated state, from the ending alone: `Completed`, `Error`, or
    /// `ContainerStatusUnknown` if it is not known how the process ended.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Lost => "ContainerStatusUnknown",
            _ if self.exit_code() == 0 => "Completed",
            _ => "Error",
        }
    }
}

/// Cause of an instance's end; in Kubernetes it has to be derived from events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The instance ended without being asked by probelet.
    Itself,
    /// A signal that probelet did not send.
    Outside {
        /// Number of the signal.
        signal: u8,
    },
    /// A failed probe, after which the instance was stopped.
    Probe {
        /// Kind of the probe.
        kind: ProbeKind,
        /// Output of the failed attempt.
        output: String,
    },
    /// A request of an operator, such as a stop, a restart or a signal.
    Operator(Operator),
    /// The kernel's OOM killer killed the init process.
    OutOfMemory,
    /// A signal that a process causes itself: a fault, an abort.
    Crash {
        /// Number of the signal.
        signal: u8,
    },
    /// A lifecycle hook failed.
    Hook {
        /// Kind of the hook.
        kind: HookKind,
        /// Error or output of the hook.
        output: String,
    },
    /// The exit rule of another container restarts all containers of the pod.
    AllRestart,
    /// The container restarts with the container that it depends on.
    Dependency {
        /// Name of the container that it depends on.
        owner: String,
    },
    /// The definition of the container changed.
    Changed,
    /// The containers that it accompanied have ended.
    PodOver,
    /// The pod's active deadline was exceeded.
    Deadline,
    /// The pod used more of a volume than its limit.
    Evicted {
        /// Message of the eviction.
        why: String,
    },
    /// The instance could not be started.
    Start,
    /// The node was shut down or restarted while the instance ran.
    NodeRestart,
    /// The cause is not known: the daemon did not observe the end.
    Unknown,
}

impl Cause {
    /// One of a fixed set of labels, for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Itself => "exited",
            Self::Outside { .. } => "outside",
            Self::Probe { kind, .. } => kind.lower(),
            Self::Operator(_) => "operator",
            Self::OutOfMemory => "oom",
            Self::Crash { .. } => "crash",
            Self::Hook { .. } => "hook",
            Self::AllRestart => "restart_all",
            Self::Dependency { .. } => "dependency",
            Self::Changed => "changed",
            Self::PodOver => "pod_over",
            Self::Deadline => "deadline",
            Self::Evicted { .. } => "evicted",
            Self::Start => "start",
            Self::NodeRestart => "node_restart",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Itself => f.write_str("exited by itself"),
            Self::Outside { signal } => {
                write!(f, "{} from outside", super::signal::name(i32::from(*signal)))
            }
            Self::Probe { kind, output } => write!(f, "{} probe failed: {output}", kind.lower()),
            Self::Operator(operator) => write!(f, "operator: {operator}"),
            Self::Crash { signal } => {
                write!(f, "crashed with {}", super::signal::name(i32::from(*signal)))
            }
            Self::OutOfMemory => f.write_str("out of memory: the OOM killer took init"),
            Self::Hook { kind, output } => write!(f, "{} hook failed: {output}", kind.as_str()),
            Self::AllRestart => f.write_str("restart of all containers"),
            Self::Dependency { owner } => write!(f, "restarts with {owner}"),
            Self::Changed => f.write_str("its definition changed"),
            Self::PodOver => f.write_str("the pod's containers have ended"),
            Self::Deadline => f.write_str("active deadline exceeded"),
            Self::Evicted { why } => write!(f, "evicted: {why}"),
            Self::NodeRestart => f.write_str("the node was restarted"),
            Self::Unknown => f.write_str("unknown"),
            Self::Start => f.write_str("could not be started"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_and_reasons_are_kubernetes() {
        let cases = [
            (Ending::from_wait_status(0), 0, None, "Completed"),
            (Ending::from_wait_status(1 << 8), 1, None, "Error"),
            (Ending::from_wait_status(42 << 8), 42, None, "Error"),
            (Ending::from_wait_status(9), 137, Some(9), "Error"),
            (Ending::from_wait_status(15), 143, Some(15), "Error"),
            (Ending::from_wait_status(11 | 0x80), 139, Some(11), "Error"),
            (Ending::Reported(0), 0, None, "Completed"),
            (Ending::Reported(137), 137, Some(9), "Error"),
            (Ending::Reported(143), 143, None, "Error"),
            (Ending::Lost, 137, None, "ContainerStatusUnknown"),
        ];
        for (ending, code, signal, reason) in cases {
            assert_eq!(ending.exit_code(), code, "{ending:?}");
            assert_eq!(ending.signal(), signal, "{ending:?}");
            assert_eq!(ending.reason(), reason, "{ending:?}");
        }
    }
}
