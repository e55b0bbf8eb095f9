//! A pause of a container's probes: asked for with an end, and over by itself.

use std::time::Duration;

use super::{Machine, Turn};
use crate::Now;
use crate::notice::Notice;
use crate::probe::Tracker;
use crate::text::go_duration;
use crate::time::Later;

impl Machine {
    pub(super) fn pause(&mut self, length: Duration, turn: &mut Turn) {
        self.paused = Some(turn.now.mono.later(length));
        self.memory.paused_until = Some(turn.now.wall.later(length));
        self.memory.paused_for = Some(length);
        // Neither what is under way nor what was counted may act when the pause is over.
        self.each_tracker(Tracker::drop_evidence);
        self.pardon();
        let message = format!("Probes paused for {}", go_duration(length));
        turn.note(Notice::normal("ProbesPaused", message));
        turn.persist();
    }

    pub(super) fn resume_probes(&mut self, turn: &mut Turn) {
        if self.paused.take().is_none() {
            return;
        }
        (self.memory.paused_until, self.memory.paused_for) = (None, None);
        self.each_tracker(|tracker| tracker.not_before(turn.now.mono));
        turn.note(Notice::normal("ProbesResumed", "Probes resumed"));
        turn.persist();
    }

    pub(super) fn end_pause(&mut self, turn: &mut Turn) {
        if self.paused.is_some_and(|until| until <= turn.now.mono) {
            self.resume_probes(turn);
        }
    }

    /// After a restart of the host only the wall clock knows how long is left: it may be wrong,
    /// but no pause is longer than it was asked for.
    pub(super) fn pause_again(&mut self, now: Now) {
        let left =
            |until: std::time::SystemTime| until.duration_since(now.wall).unwrap_or_default();
        let most = self.memory.paused_for.unwrap_or(Duration::MAX);
        self.paused = self.memory.paused_until.map(|until| now.mono.later(left(until).min(most)));
    }
}
