//! Evidence of a condemned container: what its processes are doing before the first signal, and the
//! reading of it. The adapter fills in a [`Captured`]; this module interprets it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Incarnation;
use super::pod_key::PodKey;
use super::probe::ProbeStatus;

mod fit;
mod reading;
#[cfg(test)]
mod tests;

pub use reading::reading;

/// Maximum time for which the stop of a condemned container waits for the capture of its processes.
pub const CAPTURE: Duration = Duration::from_millis(300);
/// The same time for a container with a capture command.
pub const CAPTURE_WITH_COMMAND: Duration = Duration::from_secs(5);
/// Number of a container's kills whose evidence is kept, the newest ones.
pub const KEPT: usize = 3;
/// Maximum size of one evidence as JSON, in bytes.
pub const MOST: usize = 256 << 10;

/// Evidence of one end, as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Evidence {
    /// Namespace of the pod, `probelet-adopted` for an adopted container; empty in the files of older
    /// builds.
    pub namespace: String,
    /// Name of the pod; `NAMESPACE/ID` for an adopted container.
    pub pod: String,
    /// UID of the pod, which tells it from an earlier pod of the same name.
    pub uid: String,
    /// Name of the container in the pod.
    pub container: String,
    /// Attempt that was condemned.
    pub attempt: Incarnation,
    /// Time at which the capture began, in milliseconds of Unix time. The probe may have failed
    /// earlier, if the brake held the kill.
    pub at: u64,
    /// Cause of the kill, as text.
    pub cause: String,
    /// Summary of the evidence, one sentence an entry.
    pub reading: Vec<String>,
    /// Status of each probe at the time of the capture.
    pub probes: Vec<ProbeRecord>,
    /// Raw data that `reading` is derived from.
    pub captured: Captured,
}

impl Evidence {
    /// Key of the pod.
    pub fn pod_key(&self) -> PodKey {
        PodKey::named(&self.namespace, &self.pod)
    }
}

/// Status of a probe at the time of the capture.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProbeRecord {
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

/// Captured data. A part that could not be read is empty, and `missing` has the reason.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Captured {
    /// Duration of the capture in milliseconds, without the capture command.
    pub took_milliseconds: u64,
    /// Time between the two samples of the threads, in milliseconds; 0 if none were taken. The
    /// first one is taken when a probe fails without reaching its threshold; without such a
    /// failure, 100 ms before the second one.
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
    /// Pressure of each resource: that of the cgroup if the cgroup reports it, else that of the
    /// host.
    pub pressure: Vec<Pressure>,
    /// True if the cgroup's freezer has stopped all its processes, or is about to.
    pub frozen: bool,
    /// Last lines of the log, at most 100 lines and 32 KiB.
    pub log: Vec<String>,
    /// Output of the user's capture command; `None` without a command, or if it did not end in
    /// time.
    pub command_output: Option<String>,
    /// Data that could not be read or was left out, with the reason.
    pub missing: Vec<String>,
}

/// Process of a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Process {
    /// Process id on the host.
    pub pid: u32,
    /// Name of the process (`Name` of `/proc/PID/status`).
    pub name: String,
    /// State letter of proc(5), such as `S` or `Z`.
    pub state: String,
    /// Resident memory in bytes (`VmRSS`).
    pub resident_bytes: u64,
    /// Number of threads of the process; fewer may be listed.
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
    /// Thread id on the host.
    pub tid: u32,
    /// Name of the thread (`comm` of proc(5)).
    pub name: String,
    /// State letter of proc(5).
    pub state: String,
    /// Kernel function that the thread sleeps in; empty if it runs or the kernel does not report
    /// it.
    pub wchan: String,
    /// System call that the thread is in: its name if it is a common one, else `system call
    /// NUMBER`; empty if the thread is in none or runs.
    pub syscall: String,
    /// Microseconds between the two samples in which the thread ran on a CPU.
    pub ran_microseconds: u64,
    /// Microseconds between the two samples in which the thread was ready, but had no CPU.
    pub waited_microseconds: u64,
    /// CPU time in user mode since the thread began, in milliseconds.
    pub user_milliseconds: u64,
    /// CPU time in kernel mode since the thread began, in milliseconds.
    pub system_milliseconds: u64,
    /// Kernel stack of the thread, innermost function first; at most 16 functions, empty if it
    /// cannot be read.
    pub stack: Vec<String>,
}

/// Open file descriptors of a process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Descriptors {
    /// Number of open descriptors.
    pub open: u64,
    /// Soft limit of open descriptors; `None` if it is unlimited or not known.
    pub limit: Option<u64>,
    /// Number of descriptors of each kind, such as `socket`, `pipe` or `file`. At most 2048
    /// descriptors of a process are examined.
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
    /// Backlog that `listen` was called with, within the kernel's bound; `None` if it is not known.
    pub backlog: Option<u32>,
}

/// Memory use of a container's cgroup and of its processes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// Resident memory of all captured processes, in bytes.
    pub resident_bytes: u64,
    /// Memory charged to the cgroup, page cache included, in bytes; `None` if it could not be read.
    pub usage_bytes: Option<u64>,
    /// Page cache that the kernel would reclaim first (`inactive_file`), in bytes; `None` if it
    /// could not be read.
    pub inactive_file_bytes: Option<u64>,
    /// Memory limit in bytes; `None` without a limit, or if it is not known.
    pub limit_bytes: Option<u64>,
    /// Number of times that the memory use met the limit (`memory.failcnt`, or `max` of
    /// `memory.events`); `None` if it could not be read.
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
    /// Resource: `memory`, `cpu` or `io`.
    pub of: String,
    /// True if the pressure is that of the host, false if it is that of the cgroup.
    pub host: bool,
    /// Percent of the time in which at least one task stalled (`some avg10`).
    pub some: f64,
    /// Percent of the time in which all tasks that were not idle stalled (`full avg10`).
    pub full: f64,
}

impl From<&ProbeStatus> for ProbeRecord {
    fn from(status: &ProbeStatus) -> Self {
        let last = status.last.as_ref();
        Self {
            kind: status.kind.lower().into(),
            outcome: last.map_or("", |last| last.outcome.as_str()).into(),
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
