//! Memory of a container's shim. The shim leaks a little with each exec, so it is measured for a
//! container with exec probes. A restart of the container starts a new shim.

use std::time::{Duration, Instant};

use super::definition::{Definition, Subject};
use super::{InstanceAction, Turn};
use crate::notice::Notice;
use crate::status::ShimMemory;
use crate::time::Later;

/// Interval between two measurements.
const EVERY: Duration = Duration::from_secs(60);
/// Growth in bytes at which the first event is published; each doubling of it brings another.
const GROWTH: u64 = 32 << 20;

/// Measurements of the shim of one instance.
#[derive(Debug)]
pub struct ShimWatch {
    due: Instant,
    memory: Option<ShimMemory>,
    note_at: u64,
}

impl ShimWatch {
    pub fn new(now: Instant) -> Self {
        Self { due: now, memory: None, note_at: GROWTH }
    }

    pub fn memory(&self) -> Option<ShimMemory> {
        self.memory
    }

    /// Time of the next measurement; `None` without exec probes.
    pub fn deadline(&self, definition: &Definition) -> Option<Instant> {
        definition.has_exec_probes().then_some(self.due)
    }

    pub fn tick(&mut self, subject: Subject<'_>, turn: &mut Turn) {
        if self.deadline(subject.definition).is_some_and(|due| due <= turn.now.mono) {
            self.due = turn.now.mono.later(EVERY);
            turn.instance(subject.attempt, InstanceAction::MeasureShim);
        }
    }

    pub fn measured(&mut self, bytes: u64, turn: &mut Turn) {
        let first = self.memory.map_or(bytes, |memory| memory.first);
        self.memory = Some(ShimMemory { first, latest: bytes, at: turn.now.wall });
        let growth = bytes.saturating_sub(first);
        if growth < self.note_at {
            return;
        }
        while self.note_at <= growth {
            self.note_at = self.note_at.saturating_mul(2);
        }
        let (grown, size) = (growth >> 20, bytes >> 20);
        let message = format!(
            "The shim has grown by {grown} MiB to {size} MiB since the container started; \
             exec probes make it grow, a restart of the container ends it"
        );
        turn.note(Notice::warning("ShimMemory", message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Incarnation;
    use crate::container::Action;
    use crate::spec::{Exec, Handler, ProbeSpec};

    #[test]
    fn the_shim_is_measured_once_a_minute_with_exec_probes() {
        let mut turn = Turn::of_test();
        let mut watch = ShimWatch::new(turn.now.mono);
        let without = Definition::of_test(|_| {});
        watch.tick(without.subject(Incarnation(0)), &mut turn);
        assert_eq!((turn.take(), watch.deadline(&without)), (vec![], None));
        let definition = Definition::of_test(|pod| {
            let exec = ProbeSpec::new(Handler::Exec(Exec { command: vec![] }));
            pod.containers[0].probes.readiness = Some(exec);
        });
        for _ in 0..2 {
            watch.tick(definition.subject(Incarnation(4)), &mut turn);
        }
        let measure = Action::Instance(Incarnation(4), InstanceAction::MeasureShim);
        assert_eq!(turn.take(), [measure]);
        assert_eq!(watch.deadline(&definition), Some(turn.now.mono.later(EVERY)));
    }

    #[test]
    fn growth_is_published_at_each_doubling() {
        let mut turn = Turn::of_test();
        let mut watch = ShimWatch::new(turn.now.mono);
        let sizes = [10, 41, 42, 73, 74, 80, 300];
        let published = sizes.map(|megabytes| {
            watch.measured(megabytes << 20, &mut turn);
            turn.take().len()
        });
        assert_eq!(published, [0, 0, 1, 0, 1, 0, 1]);
    }
}
