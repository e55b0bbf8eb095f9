//! Limits of what volumes on a disk hold: looked at now and then, while a container runs that may
//! fill them. A pod that is over one is evicted, as by the kubelet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::state::State;
use super::{Action, Machine, Wanted};
use crate::domain::Now;
use crate::domain::notice::Notice;
use crate::domain::quantity;

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(10);
/// The kubelet's for who takes what is not his.
pub(super) const EVICTION_GRACE: Duration = Duration::from_secs(1);

impl Machine {
    pub(super) fn volumes_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Running(running) => running.measure_volumes_at,
            _ => None,
        }
    }

    /// For one that begins to run.
    pub(super) fn first_measurement(&self, now: Now) -> Option<Instant> {
        let mounts = &self.spec.volume_mounts;
        let fills = |volume: &str| mounts.iter().any(|mount| mount.name == volume);
        self.pod.volume_limits().any(|(volume, _)| fills(volume)).then(|| now.mono + EVERY)
    }

    pub(super) fn measure_volumes(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.volumes_deadline().is_some_and(|due| due <= now.mono)
            && let State::Running(running) = &mut self.state
        {
            running.measure_volumes_at = None;
            out.push(Action::MeasureVolumes(self.memory.attempt));
        }
    }

    pub(super) fn volumes_measured(
        &mut self,
        used: &BTreeMap<String, u64>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        if let State::Running(running) = &mut self.state {
            running.measure_volumes_at = Some(now.mono + EVERY);
        }
        let mut limits = self.pod.volume_limits();
        let over = limits.find(|(volume, limit)| used.get(*volume) > Some(limit));
        let message = over.map(|(volume, limit)| {
            let limit = quantity::show_whole(limit);
            format!("Usage of EmptyDir volume {volume:?} exceeds the limit {limit:?}.")
        });
        drop(limits);
        if let Some(message) = message {
            self.evicted(message, now, out);
        }
    }

    pub(super) fn evicted(&mut self, message: String, now: Now, out: &mut Vec<Action>) {
        let is_over = matches!(self.state, State::Created | State::Terminated);
        if is_over || self.memory.expired || self.memory.wanted != Wanted::Running {
            return;
        }
        out.push(Action::Note(Notice::warning("Evicted", &*message)));
        self.memory.evicted = Some(message);
        self.end_for_good(now, out);
    }
}
