//! What a condemned container was doing: what is captured before the first signal, and what it
//! reads as. The adapter fills a [`Captured`] in; all judging is here.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Incarnation;
use super::probe::{Outcome, ProbeStatus};

mod fit;
mod reading;
#[cfg(test)]
mod tests;

pub use reading::reading;

/// How long the stop of a condemned container waits for its evidence.
pub const CAPTURE: Duration = Duration::from_millis(300);
/// Where the user has a command run for it.
pub const CAPTURE_WITH_COMMAND: Duration = Duration::from_secs(5);
/// How many deaths of a container keep their evidence.
pub const KEPT: usize = 3;
/// The size of one as JSON, in bytes.
pub const MOST: usize = 256 << 10;

/// One death's evidence, as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Evidence {
    /// Name of the pod; `NAMESPACE/ID` for an adopted container.
    pub pod: String,
    /// UID of the pod, which tells it from an earlier pod of the same name.
    pub uid: String,
    /// Name of the container in the pod.
    pub container: String,
    /// Attempt that was condemned.
    pub attempt: Incarnation,
    /// When the container was condemned, in milliseconds of Unix time.
    pub at: u64,
    /// Cause of the kill, as text.
    pub cause: String,
    /// What the rest comes to, a sentence each.
    pub reading: Vec<String>,
    /// Status of each probe at the time of the capture.
    pub probes: Vec<ProbeWord>,
    /// Raw data that `reading` is derived from.
    pub captured: Captured,
}

/// A probe's last word before the end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProbeWord {
    /// Kind of the probe in lower case: `liveness`, `readiness` or `startup`.
    pub kind: String,
    /// Outcome of the last attempt: `success`, `warning`, `failure` or `error`; empty without an
    /// attempt.
    pub outcome: String,
    /// Output of the last attempt; empty without one.
    pub output: String,
    /// Duration of the last attempt in milliseconds; 0 without one.
    pub latency_milliseconds: u64,
    /// Number of attempts that succeeded.
    pub successes: u64,
    /// Number of attempts that failed.
    pub failures: u64,
    /// Number of attempts that ended in an error of the prober.
    pub errors: u64,
}

/// What was seen. A part that could not be read is empty, and `missing` says why.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Captured {
    /// Duration of the capture in milliseconds.
    pub took_milliseconds: u64,
    /// Time between the two samples of the threads, in milliseconds; 0 if none were taken.
    pub sample_milliseconds: u64,
    /// Processes of the container, init first; at most 20.
    pub processes: Vec<Process>,
    /// Listening TCP sockets of the network namespace, the longest accept queues first; at most 50.
    pub listeners: Vec<Listener>,
    /// Sockets of the network namespace by protocol and state.
    pub sockets: Vec<Count>,
    /// Memory use of the container.
    pub memory: Memory,
    /// Throttling by the CPU limit.
    pub cpu: Cpu,
    /// The cgroup's where it has its own, else the host's.
    pub pressure: Vec<Pressure>,
    /// The cgroup's freezer holds all its processes.
    pub frozen: bool,
    /// The log's last lines.
    pub log: Vec<String>,
    /// What the user's command for evidence said.
    pub command_output: Option<String>,
    /// What could not be read or was left out, and why.
    pub missing: Vec<String>,
}

/// Process of a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Process {
    /// On the host.
    pub pid: u32,
    /// Name of the process (`Name` of `/proc/PID/status`).
    pub name: String,
    /// State letter of proc(5), such as `S` or `Z`.
    pub state: String,
    /// Resident memory in bytes (`VmRSS`).
    pub resident_bytes: u64,
    /// How many it has; those that are listed may be fewer.
    pub thread_count: u32,
    /// Threads that were examined; at most 200 for all processes together.
    pub threads: Vec<Thread>,
    /// Open file descriptors of the process.
    pub descriptors: Descriptors,
}

/// Thread of a process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Thread {
    /// On the host.
    pub tid: u32,
    /// Name of the thread (`comm` of proc(5)).
    pub name: String,
    /// proc(5)'s letter.
    pub state: String,
    /// The kernel's function that it sleeps in; empty where it runs or the kernel does not tell.
    pub wchan: String,
    /// By name where it is a usual one, else by number; empty where it is in none.
    pub syscall: String,
    /// Microseconds between the two samples in which the thread ran on a CPU.
    pub ran_microseconds: u64,
    /// Microseconds between the two samples in which the thread was ready, but had no CPU.
    pub waited_microseconds: u64,
    /// CPU time in user mode since the thread began, in milliseconds.
    pub user_milliseconds: u64,
    /// CPU time in kernel mode since the thread began, in milliseconds.
    pub system_milliseconds: u64,
    /// In the kernel, innermost first.
    pub stack: Vec<String>,
}

/// Open file descriptors of a process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Descriptors {
    /// Number of open descriptors.
    pub open: u64,
    /// `None`: unlimited, or not known.
    pub limit: Option<u64>,
    /// Number of descriptors of each kind, such as `socket`, `pipe` or `file`. On a process with
    /// many descriptors only a part is examined.
    pub kinds: Vec<Count>,
}

/// Number of things of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Count {
    /// Name of the kind, such as `tcp CLOSE_WAIT` for sockets or `pipe` for descriptors.
    pub what: String,
    /// Number of things of that kind.
    pub count: u64,
}

/// Listening TCP socket.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listener {
    /// Local address and port.
    pub address: String,
    /// Connections that wait to be accepted.
    pub waiting: u32,
    /// What `listen` was called with, within the kernel's bound; `None`: not known.
    pub backlog: Option<u32>,
}

/// Memory use of a container's cgroup and of its processes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// Of all processes that were seen.
    pub resident_bytes: u64,
    /// Memory charged to the cgroup, page cache included, in bytes; `None` if it could not be read.
    pub usage_bytes: Option<u64>,
    /// Page cache that the kernel would give back first.
    pub inactive_file_bytes: Option<u64>,
    /// `None`: without a limit, or not known.
    pub limit_bytes: Option<u64>,
    /// How often an allocation met the limit.
    pub failures: Option<u64>,
    /// Number of processes that the OOM killer has killed in the cgroup (`oom_kill`); `None` if it
    /// could not be read.
    pub oom_kills: Option<u64>,
}

/// Throttling of a container by its CPU limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cpu {
    /// Periods in which the CPU limit has throttled the cgroup so far (`nr_throttled`); `None` if
    /// unknown.
    pub throttled_periods: Option<u64>,
    /// Periods between the two samples in which the CPU limit throttled the cgroup; 0 if unknown.
    pub throttled_in_sample: u64,
}

/// Pressure stall information: the share of the last ten seconds in percent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pressure {
    /// `memory`, `cpu` or `io`.
    pub of: String,
    /// Else of the cgroup.
    pub host: bool,
    /// Percent of the time in which at least one task stalled (`some avg10`).
    pub some: f64,
    /// Percent of the time in which all tasks that were not idle stalled (`full avg10`).
    pub full: f64,
}

impl From<&ProbeStatus> for ProbeWord {
    fn from(status: &ProbeStatus) -> Self {
        let last = status.last.as_ref();
        Self {
            kind: status.kind.lower().into(),
            outcome: last.map_or("", |last| word(&last.outcome)).into(),
            output: last.map_or("", |last| last.outcome.output()).into(),
            latency_milliseconds: last
                .and_then(|last| u64::try_from(last.latency.as_millis()).ok())
                .unwrap_or_default(),
            successes: status.successes,
            failures: status.failures,
            errors: status.errors,
        }
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Success(_) => "success",
        Outcome::Warning(_) => "warning",
        Outcome::Failure(_) | Outcome::Exited(..) => "failure",
        Outcome::Error(_) => "error",
    }
}
