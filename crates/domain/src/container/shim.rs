//! The memory of a container's shim. It leaks a little with each exec, so a container with exec
//! probes is watched; a restart of the container brings a new shim.

use std::time::{Duration, Instant};

use super::state::State;
use super::{InstanceAction, Machine, Turn};
use crate::notice::Notice;
use crate::spec::{Handler, ProbeKind};
use crate::status::ShimMemory;
use crate::time::Later;

const EVERY: Duration = Duration::from_secs(60);
/// Told at this growth, and again at each doubling of it.
const GROWTH: u64 = 32 << 20;

#[derive(Debug)]
pub(super) struct Shim {
    due: Instant,
    pub(super) memory: Option<ShimMemory>,
    tell_at: u64,
}

impl Shim {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now, memory: None, tell_at: GROWTH }
    }
}

impl Machine {
    pub(super) fn shim_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Running(running) if self.has_exec_probes() => Some(running.shim.due),
            _ => None,
        }
    }

    fn has_exec_probes(&self) -> bool {
        let mut probes = ProbeKind::ALL.into_iter().filter_map(|kind| self.spec.probes.get(kind));
        probes.any(|probe| matches!(probe.handler, Handler::Exec(_)))
    }

    pub(super) fn measure_shim(&mut self, turn: &mut Turn) {
        if self.shim_deadline().is_some_and(|due| due <= turn.now.mono)
            && let State::Running(running) = &mut self.state
        {
            running.shim.due = turn.now.mono.later(EVERY);
            turn.instance(self.memory.attempt, InstanceAction::MeasureShim);
        }
    }

    pub(super) fn shim_measured(&mut self, bytes: u64, turn: &mut Turn) {
        let State::Running(running) = &mut self.state else { return };
        let shim = &mut running.shim;
        let first = shim.memory.map_or(bytes, |memory| memory.first);
        shim.memory = Some(ShimMemory { first, latest: bytes, at: turn.now.wall });
        let growth = bytes.saturating_sub(first);
        if growth < shim.tell_at {
            return;
        }
        while shim.tell_at <= growth {
            shim.tell_at = shim.tell_at.saturating_mul(2);
        }
        let (grown, size) = (growth >> 20, bytes >> 20);
        let message = format!(
            "The shim has grown by {grown} MiB to {size} MiB since the container started; \
             exec probes make it grow, a restart of the container ends it"
        );
        turn.note(Notice::warning("ShimMemory", message));
    }
}
