//! Counters of what the actors have observed and decided, for monitoring.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::lock::Lock;
use crate::domain::container::{Action, InstanceAction, Memory};
use crate::domain::notice::Notice;
use crate::domain::pod_key::PodKey;
use crate::domain::probe::Outcome;
use crate::domain::spec::ProbeKind;
use crate::domain::{Incarnation, Now};

/// Counts since the daemon's start. The counts of a container are dropped with its pod.
#[derive(Debug, Default)]
pub struct Counters(Lock<Counts>);

#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// The counts of each container, by pod and container.
    pub containers: BTreeMap<PodKey, BTreeMap<String, ContainerCounts>>,
    pub durations: BTreeMap<ProbeKind, DurationHistogram>,
    /// The delay between each probe's scheduled time and its launch.
    pub lateness: BTreeMap<ProbeKind, DurationHistogram>,
    pub kills_granted: u64,
    /// The number of condemned containers that were held, each counted once.
    pub kills_held: u64,
    /// The number of events by type and reason.
    pub events: BTreeMap<(&'static str, &'static str), u64>,
}

#[derive(Debug, Clone, Default)]
pub struct ContainerCounts {
    /// The number of probe attempts by probe and outcome.
    pub probes: BTreeMap<(ProbeKind, &'static str), u64>,
    /// The number of terminations by cause.
    pub ends: BTreeMap<&'static str, u64>,
}

/// The upper bounds of the buckets in seconds; one more bucket counts larger values.
pub const BOUNDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

#[derive(Debug, Clone, Default)]
pub struct DurationHistogram {
    pub buckets: [u64; BOUNDS.len() + 1],
    pub sum: Duration,
}

impl DurationHistogram {
    fn add(&mut self, length: Duration) {
        let seconds = length.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            *bucket += 1;
        }
        self.sum = self.sum.saturating_add(length);
    }
}

impl Counters {
    /// Returns a copy, so that no actor waits for a reader.
    pub fn counts(&self) -> Counts {
        self.0.lock().clone()
    }

    pub fn probed(
        &self,
        (pod, container): (&PodKey, &str),
        kind: ProbeKind,
        outcome: &Outcome,
        latency: Duration,
    ) {
        let mut counts = self.0.lock();
        counts.durations.entry(kind).or_default().add(latency);
        let counts = counts.of(pod, container);
        *counts.probes.entry((kind, outcome.as_str())).or_default() += 1;
    }

    /// Counts the probes that a timer launches, with their delay after the time for which it was
    /// set.
    pub fn launched(&self, actions: &[(usize, Action)], due: Option<Instant>, now: Now) {
        let late = due.map(|due| now.mono.saturating_duration_since(due)).unwrap_or_default();
        for (_, action) in actions {
            if let Action::Instance(_, InstanceAction::Probe(kind, _)) = action {
                self.0.lock().lateness.entry(*kind).or_default().add(late);
            }
        }
    }

    /// Counts the end of an attempt by its cause, if the memory has it.
    pub fn ended(&self, pod: &PodKey, container: &str, attempt: Incarnation, memory: &Memory) {
        let mut ends = memory.ended.iter().chain(&memory.last_state);
        if let Some(end) = ends.find(|end| end.attempt == attempt) {
            let label = end.cause.label();
            *self.0.lock().of(pod, container).ends.entry(label).or_default() += 1;
        }
    }

    pub fn kill_granted(&self) {
        self.0.lock().kills_granted += 1;
    }

    pub fn kill_held(&self) {
        self.0.lock().kills_held += 1;
    }

    pub fn event(&self, notice: &Notice) {
        *self.0.lock().events.entry((notice.kind.as_str(), notice.reason)).or_default() += 1;
    }

    pub fn forget(&self, pod: &PodKey) {
        self.0.lock().containers.remove(pod);
    }
}

impl Counts {
    fn of(&mut self, pod: &PodKey, container: &str) -> &mut ContainerCounts {
        self.containers.entry(pod.to_owned()).or_default().entry(container.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_in_one_bucket() {
        let mut histogram = DurationHistogram::default();
        for millis in [0, 1, 2, 60_000] {
            histogram.add(Duration::from_millis(millis));
        }
        assert_eq!(histogram.buckets, [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(histogram.sum, Duration::from_millis(60_003));
    }

    #[test]
    fn the_counts_of_a_pod_are_deleted_with_it() {
        let counters = Counters::default();
        let success = Outcome::Success(String::new());
        counters.probed(
            (&PodKey::in_default("web"), "app"),
            ProbeKind::Liveness,
            &success,
            Duration::ZERO,
        );
        counters.probed(
            (&PodKey::in_default("web"), "app"),
            ProbeKind::Liveness,
            &success,
            Duration::ZERO,
        );
        let probes = &counters.counts().containers[&PodKey::in_default("web")]["app"].probes;
        assert_eq!(probes[&(ProbeKind::Liveness, "success")], 2);
        counters.forget(&PodKey::in_default("web"));
        assert!(counters.counts().containers.is_empty());
    }
}
