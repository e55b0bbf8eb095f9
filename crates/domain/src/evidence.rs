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
    pub pod: String,
    pub uid: String,
    pub container: String,
    pub attempt: Incarnation,
    /// When the container was condemned, in milliseconds of Unix time.
    pub at: u64,
    pub cause: String,
    /// What the rest comes to, a sentence each.
    pub reading: Vec<String>,
    pub probes: Vec<ProbeWord>,
    pub captured: Captured,
}

/// A probe's last word before the end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProbeWord {
    pub kind: String,
    pub outcome: String,
    pub output: String,
    pub latency_milliseconds: u64,
    pub successes: u64,
    pub failures: u64,
    pub errors: u64,
}

/// What was seen. A part that could not be read is empty, and `missing` says why.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Captured {
    /// How long it took, and how far apart the two looks at the threads were.
    pub took_milliseconds: u64,
    pub sample_milliseconds: u64,
    pub processes: Vec<Process>,
    pub listeners: Vec<Listener>,
    /// Sockets of the network namespace by protocol and state.
    pub sockets: Vec<Count>,
    pub memory: Memory,
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

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Process {
    /// On the host.
    pub pid: u32,
    pub name: String,
    pub state: String,
    pub resident_bytes: u64,
    /// How many it has; those that are listed may be fewer.
    pub thread_count: u32,
    pub threads: Vec<Thread>,
    pub descriptors: Descriptors,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Thread {
    /// On the host.
    pub tid: u32,
    pub name: String,
    /// proc(5)'s letter.
    pub state: String,
    /// The kernel's function that it sleeps in; empty where it runs or the kernel does not tell.
    pub wchan: String,
    /// By name where it is a usual one, else by number; empty where it is in none.
    pub syscall: String,
    /// Between the two looks: on a CPU, and ready but without one.
    pub ran_microseconds: u64,
    pub waited_microseconds: u64,
    /// Since it began.
    pub user_milliseconds: u64,
    pub system_milliseconds: u64,
    /// In the kernel, innermost first.
    pub stack: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Descriptors {
    pub open: u64,
    /// `None`: unlimited, or not known.
    pub limit: Option<u64>,
    pub kinds: Vec<Count>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Count {
    pub what: String,
    pub count: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listener {
    pub address: String,
    /// Connections that wait to be accepted.
    pub waiting: u32,
    /// What `listen` was called with, within the kernel's bound; `None`: not known.
    pub backlog: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// Of all processes that were seen.
    pub resident_bytes: u64,
    pub usage_bytes: Option<u64>,
    /// Page cache that the kernel would give back first.
    pub inactive_file_bytes: Option<u64>,
    /// `None`: without a limit, or not known.
    pub limit_bytes: Option<u64>,
    /// How often an allocation met the limit.
    pub failures: Option<u64>,
    pub oom_kills: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cpu {
    /// Periods of the CPU limit in which the cgroup was held back: in all, and between the looks.
    pub throttled_periods: Option<u64>,
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
    /// In which some, or all, tasks stood still for it.
    pub some: f64,
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
