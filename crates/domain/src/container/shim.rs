//! The memory of a container's shim. It leaks a little with each exec, so a container with exec
//! probes is watched; a restart of the container brings a new shim.

use std::time::{Duration, Instant};

use super::definition::{Definition, Subject};
use super::{InstanceAction, Turn};
use crate::notice::Notice;
use crate::status::ShimMemory;
use crate::time::Later;

const EVERY: Duration = Duration::from_secs(60);
/// Growth in bytes at which the first event is published; each doubling of it brings another.
const GROWTH: u64 = 32 << 20;

/// Measurements of the shim of one instance.
#[derive(Debug)]
pub(super) struct ShimWatch {
    due: Instant,
    memory: Option<ShimMemory>,
    note_at: u64,
}

impl ShimWatch {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now, memory: None, note_at: GROWTH }
    }

    pub(super) fn memory(&self) -> Option<ShimMemory> {
        self.memory
    }

    /// When the next measurement is due; `None` without exec probes.
    pub(super) fn deadline(&self, definition: &Definition) -> Option<Instant> {
        definition.has_exec_probes().then_some(self.due)
    }

    pub(super) fn tick(&mut self, subject: Subject<'_>, turn: &mut Turn) {
        if self.deadline(subject.definition).is_some_and(|due| due <= turn.now.mono) {
            self.due = turn.now.mono.later(EVERY);
            turn.instance(subject.attempt, InstanceAction::MeasureShim);
        }
    }

    pub(super) fn measured(&mut self, bytes: u64, turn: &mut Turn) {
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
