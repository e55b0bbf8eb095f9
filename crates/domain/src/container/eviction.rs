//! Limits of what volumes on a disk hold: looked at now and then, while a container runs that may
//! fill them. A pod that is over one is evicted, as by the kubelet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::state::{Running, State};
use super::{InstanceAction, Machine, Turn, Wanted};
use crate::Now;
use crate::quantity;
use crate::time::Later;

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(10);
/// A look that takes long keeps a disk busy: so many times that long is waited after it.
const REST: u32 = 9;
/// The kubelet's for who takes what is not his.
pub(super) const EVICTION_GRACE: Duration = Duration::from_secs(1);

/// What the volumes hold that the container may fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measuring {
    /// None has a limit.
    Never,
    Due(Instant),
    Since(Instant),
}

impl Machine {
    pub(super) fn volumes_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Running(Running { measuring: Measuring::Due(at), .. }) => Some(*at),
            _ => None,
        }
    }

    /// For one that begins to run.
    pub(super) fn first_measurement(&self, now: Now) -> Measuring {
        let mounts = &self.spec.volume_mounts;
        let fills = |volume: &str| mounts.iter().any(|mount| mount.name == volume);
        match self.pod.volume_limits().any(|(volume, _)| fills(volume)) {
            true => Measuring::Due(now.mono.later(EVERY)),
            false => Measuring::Never,
        }
    }

    pub(super) fn measure_volumes(&mut self, turn: &mut Turn) {
        if self.volumes_deadline().is_some_and(|due| due <= turn.now.mono)
            && let State::Running(running) = &mut self.state
        {
            running.measuring = Measuring::Since(turn.now.mono);
            turn.instance(self.memory.attempt, InstanceAction::MeasureVolumes);
        }
    }

    pub(super) fn volumes_measured(&mut self, used: &BTreeMap<String, u64>, turn: &mut Turn) {
        if let State::Running(Running { measuring, .. }) = &mut self.state
            && let Measuring::Since(start) = *measuring
        {
            let took = turn.now.mono.saturating_duration_since(start);
            *measuring = Measuring::Due(turn.now.mono.later(EVERY.max(took.saturating_mul(REST))));
        }
        let mut limits = self.pod.volume_limits();
        let over = limits.find(|(volume, limit)| used.get(*volume) > Some(limit));
        let message = over.map(|(volume, limit)| {
            let limit = quantity::show_whole(limit);
            format!("Usage of EmptyDir volume {volume:?} exceeds the limit {limit:?}.")
        });
        drop(limits);
        if let Some(message) = message {
            self.evicted(message, turn);
        }
    }

    pub(super) fn evicted(&mut self, message: String, turn: &mut Turn) {
        let is_over = matches!(self.state, State::Created | State::Terminated);
        if is_over || self.memory.expired || self.memory.wanted != Wanted::Running {
            return;
        }
        self.memory.evicted = Some(message);
        self.end_for_good(turn);
    }
}
