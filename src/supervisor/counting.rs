//! Updates of the host's counters by the actors.

use std::time::Instant;

use super::actor::Actor;
use crate::domain::container::{Action, Event, InstanceAction, InstanceEvent};
use crate::domain::{Incarnation, Now};

impl Actor {
    pub(super) fn count_launches(
        &self,
        actions: &[(usize, Action)],
        due: Option<Instant>,
        now: Now,
    ) {
        let late = due.map(|due| now.mono.saturating_duration_since(due)).unwrap_or_default();
        for (_, action) in actions {
            if let Action::Instance(_, InstanceAction::Probe(kind, _)) = action {
                self.counters.launched(*kind, late);
            }
        }
    }

    pub(super) fn count_end(&self, index: usize, attempt: Incarnation) {
        if let Some(machine) = self.pod.machine(index) {
            self.counters.ended(&self.spec.name, self.name(index), attempt, &machine.memory());
        }
    }

    /// Counts the brake's answer. A held kill counts once for each condemnation, however often it
    /// asks.
    pub(super) fn count_ruling(&mut self, index: usize, since: Instant, answer: &Event) {
        let Some(held) = self.containers.get_mut(index) else { return };
        if matches!(answer, Event::Instance(_, InstanceEvent::Granted)) {
            held.kill_held = None;
            self.counters.granted();
        } else if held.kill_held.replace(since) != Some(since) {
            self.counters.held();
        }
    }
}
