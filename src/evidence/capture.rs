//! One capture: what the end of the processes destroys comes first, in the order of its worth; the
//! rest is read beside the stop.

use std::io;
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use super::cgroup::{self, Cgroup};
use super::collector::EvidenceSource;
use super::release::Release;
use super::sample::Sample;
use super::text::Budget;
use super::{descriptors, log, network, pressure, threads};
use crate::domain::evidence::Captured;
use crate::process::Process;

/// The time between the two samples if no failure of a probe has led to an earlier one.
const SAMPLE: Duration = Duration::from_millis(100);
/// The same after the evidence signal, so that the process can write into its log.
const SAMPLE_AFTER_SIGNAL: Duration = Duration::from_millis(180);
/// The time after which threads and descriptors are no longer read.
const BUDGET: Duration = Duration::from_millis(240);

/// The CPU times of a container's threads, for a later capture.
pub fn sample(process: &Process) -> io::Result<Sample> {
    let cgroup = Cgroup::of(process.pid())?;
    let mut missing = Vec::new();
    let pids = threads::chosen(process.pid(), &cgroup.members().unwrap_or_default(), &mut missing);
    let sample = Sample::take(&pids, missing.is_empty(), &cgroup);
    process.stat()?;
    Ok(sample)
}

/// Captures the container of `process`. An error if the process has ended first.
pub fn capture(
    evidence_source: &EvidenceSource,
    process: &Process,
    release: Release,
) -> io::Result<Captured> {
    let start = Instant::now();
    let mut seen = Captured::default();
    let mut parts = Parts { process, release, missing: Vec::new() };
    let cgroup = parts.read("cgroup", |_, missing| {
        Cgroup::of(process.pid()).unwrap_or_else(|error| {
            missing.push(format!("cgroup: {error}"));
            Cgroup::default()
        })
    })?;
    (seen.frozen, seen.memory) = parts.read("memory", |_, missing| {
        let memory = cgroup.memory().unwrap_or_else(|| {
            missing.push("memory: the container has no cgroup with memory accounting".to_owned());
            Default::default()
        });
        (cgroup.is_frozen(), memory)
    })?;
    let budget = Budget::new(BUDGET.saturating_add(wait(evidence_source)));
    let (processes, sample, cpu) = parts.read("processes", |release, missing| {
        let members = cgroup.members().unwrap_or_else(|| {
            missing.push("other processes: init is in no cgroup below the root".to_owned());
            Vec::new()
        });
        let cut = missing.len();
        let pids = threads::chosen(process.pid(), &members, missing);
        let take = || Sample::take(&pids, missing.len() == cut, &cgroup);
        let before = evidence_source.sample.clone().unwrap_or_else(&take);
        thread::sleep(wait(evidence_source));
        let after = take();
        let cpu = cgroup::cpu(before.throttled, after.throttled);
        let ran = |tid| after.ran(tid, &before);
        (threads::processes(&pids, ran, budget, release, missing), after.since(&before), cpu)
    })?;
    (seen.processes, seen.sample_milliseconds, seen.cpu) = (processes, millis(sample), cpu);
    seen.memory.resident_bytes = seen.processes.iter().map(|process| process.resident_bytes).sum();
    (seen.sockets, seen.listeners) =
        parts.read("sockets", |_, missing| network::sockets(process, missing))?;
    for seen in &mut seen.processes {
        let pid = seen.pid;
        seen.descriptors =
            parts.read("descriptors", |_, missing| descriptors::of(pid, budget, missing))?;
    }
    let Parts { mut release, missing, .. } = parts;
    release.now();
    seen.missing = missing;
    seen.pressure = pressure::of(&cgroup, &mut seen.missing);
    seen.log = log::tail(&evidence_source.log).unwrap_or_else(|error| {
        seen.missing.push(format!("log: {error}"));
        Vec::new()
    });
    seen.took_milliseconds = millis(start.elapsed());
    Ok(seen)
}

/// The time that the capture waits for what the processes do meanwhile.
fn wait(evidence_source: &EvidenceSource) -> Duration {
    match (evidence_source.signaled, &evidence_source.sample) {
        (true, _) => SAMPLE_AFTER_SIGNAL,
        (false, Some(_)) => Duration::ZERO,
        (false, None) => SAMPLE,
    }
}

/// Reads the parts one after the other, and keeps only what is of the container: once init has
/// ended, its pid may be another process.
struct Parts<'a> {
    process: &'a Process,
    release: Release,
    missing: Vec<String>,
}

impl Parts<'_> {
    /// One part; empty if the process ended after the stop went on.
    fn read<T: Default>(
        &mut self,
        part: &str,
        read: impl FnOnce(&mut Release, &mut Vec<String>) -> T,
    ) -> io::Result<T> {
        let value = read(&mut self.release, &mut self.missing);
        let stat = self.process.stat();
        self.release.check();
        match stat {
            Ok(_) => Ok(value),
            Err(error) if !self.release.is_over() => Err(error),
            Err(_) => {
                self.missing.push(format!("{part}: the process ended first"));
                Ok(T::default())
            }
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
