//! Pause of a container's probes. A caller requests its length, and it ends by itself.

use std::time::{Duration, Instant, SystemTime};

use super::{Memory, Turn};
use crate::Now;
use crate::notice::Notice;
use crate::text::go_duration;
use crate::time::Later;

/// Current pause of the probes, if there is one.
#[derive(Debug, Default)]
pub struct ProbePause {
    until: Option<Instant>,
    /// End of the pause by the wall clock, for the record.
    pub until_wall: Option<SystemTime>,
    length: Option<Duration>,
}

impl ProbePause {
    /// Resumes the pause of a record. After a restart of the host only the wall clock shows how
    /// much of it is left. That clock may have been set, so the rest is at most the whole length.
    pub fn of(memory: &Memory, now: Now) -> Self {
        let left = |until: SystemTime| until.duration_since(now.wall).unwrap_or_default();
        let most = memory.paused_for.unwrap_or(Duration::MAX);
        Self {
            until: memory.paused_until.map(|until| now.mono.later(left(until).min(most))),
            until_wall: memory.paused_until,
            length: memory.paused_for,
        }
    }

    pub fn is_on(&self) -> bool {
        self.until.is_some()
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.until
    }

    pub fn length(&self) -> Option<Duration> {
        self.length
    }

    pub fn begin(&mut self, length: Duration, turn: &mut Turn) {
        *self = Self {
            until: Some(turn.now.mono.later(length)),
            until_wall: Some(turn.now.wall.later(length)),
            length: Some(length),
        };
        let message = format!("Probes paused for {}", go_duration(length));
        turn.note(Notice::normal("ProbesPaused", message));
        turn.persist();
    }

    /// Ends the pause, and returns whether there was one.
    pub fn end(&mut self, turn: &mut Turn) -> bool {
        let was_on = std::mem::take(self).until.is_some();
        if was_on {
            turn.note(Notice::normal("ProbesResumed", "Probes resumed"));
            turn.persist();
        }
        was_on
    }

    /// Ends the pause if its time is over, and returns whether it was.
    pub fn tick(&mut self, turn: &mut Turn) -> bool {
        self.until.is_some_and(|until| until <= turn.now.mono) && self.end(turn)
    }
}
