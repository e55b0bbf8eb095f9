//! The memory of a container's shim. It leaks a little with each exec, so a container with exec
//! probes is watched; a restart of the container brings a new shim.

use std::time::{Duration, Instant};

use super::state::State;
use super::{Action, Machine};
use crate::Now;
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

    pub(super) fn measure_shim(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.shim_deadline().is_some_and(|due| due <= now.mono)
            && let State::Running(running) = &mut self.state
        {
            running.shim.due = now.mono.later(EVERY);
            out.push(Action::MeasureShim(self.memory.attempt));
        }
    }

    pub(super) fn shim_measured(&mut self, bytes: u64, now: Now, out: &mut Vec<Action>) {
        let State::Running(running) = &mut self.state else { return };
        let shim = &mut running.shim;
        let first = shim.memory.map_or(bytes, |memory| memory.first);
        shim.memory = Some(ShimMemory { first, latest: bytes, at: now.wall });
        let growth = bytes.saturating_sub(first);
        if growth < shim.tell_at {
            return;
        }
        while shim.tell_at <= growth {
            shim.tell_at = shim.tell_at.saturating_mul(2);
        }
        let (grown, now) = (growth >> 20, bytes >> 20);
        let message = format!(
            "The shim has grown by {grown} MiB to {now} MiB since the container started; \
             exec probes make it grow, a restart of the container ends it"
        );
        out.push(Action::Note(Notice::warning("ShimMemory", message)));
    }
}
