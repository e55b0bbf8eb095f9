//! The details of evidence, as far as `describe pod --evidence` shows them. They are an object in the
//! API, and a field that is absent has its default.

use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Evidence {
    pub container: String,
    pub cause: String,
    pub reading: Vec<String>,
    pub probes: Vec<Probe>,
    pub captured: Captured,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    pub kind: String,
    pub outcome: String,
    pub output: String,
    pub latency_milliseconds: u64,
    pub successes: u64,
    pub failures: u64,
    pub errors: u64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Captured {
    pub took_milliseconds: u64,
    /// The time between the two samples of the threads.
    pub sample_milliseconds: u64,
    pub processes: Vec<Process>,
    pub listeners: Vec<Listener>,
    pub sockets: Vec<Count>,
    pub memory: Memory,
    pub cpu: Cpu,
    pub pressure: Vec<Pressure>,
    pub log: Vec<String>,
    pub command_output: Option<String>,
    /// Data that could not be read, with the reason.
    pub missing: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Process {
    pub pid: u32,
    pub name: String,
    pub state: String,
    pub resident_bytes: u64,
    pub thread_count: u32,
    pub threads: Vec<Thread>,
    pub descriptors: Descriptors,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Thread {
    pub tid: u32,
    pub name: String,
    pub state: String,
    pub wchan: String,
    pub syscall: String,
    pub ran_microseconds: u64,
    pub user_milliseconds: u64,
    pub system_milliseconds: u64,
    /// The kernel stack, innermost function first.
    pub stack: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Descriptors {
    pub open: u64,
    pub limit: Option<u64>,
    pub kinds: Vec<Count>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Count {
    pub what: String,
    pub count: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Listener {
    pub address: String,
    /// Connections that wait to be accepted.
    pub waiting: u32,
    pub backlog: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    pub resident_bytes: u64,
    pub usage_bytes: Option<u64>,
    pub limit_bytes: Option<u64>,
    pub failures: Option<u64>,
    pub oom_kills: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cpu {
    pub throttled_periods: Option<u64>,
}

/// The share of the last ten seconds in which tasks stalled, in percent.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Pressure {
    pub of: String,
    /// True for the host's pressure, false for the cgroup's.
    pub host: bool,
    pub some: f64,
    pub full: f64,
}
