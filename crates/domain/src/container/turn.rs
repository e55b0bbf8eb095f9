//! Time and actions of one event's handling.

use super::{Action, InstanceAction};
use crate::notice::Notice;
use crate::{Incarnation, Now};

/// Time at which an event is handled, and the actions that follow from it so far.
#[derive(Debug)]
pub struct Turn {
    pub now: Now,
    pub actions: Vec<Action>,
}

impl Turn {
    pub fn new(now: Now) -> Self {
        Self { now, actions: Vec::new() }
    }

    pub fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub fn instance(&mut self, incarnation: Incarnation, action: InstanceAction) {
        self.push(Action::Instance(incarnation, action));
    }

    pub fn note(&mut self, notice: Notice) {
        self.push(Action::Note(notice));
    }

    pub fn persist(&mut self) {
        self.push(Action::Persist);
    }
}

#[cfg(test)]
impl Turn {
    /// A turn at some time.
    #[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
    pub fn of_test() -> Self {
        let wall = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
        let booted_at = std::time::SystemTime::UNIX_EPOCH;
        Self::new(Now { mono: std::time::Instant::now(), wall, booted_at })
    }

    /// Lets time pass.
    pub fn pass(&mut self, seconds: u64) {
        let by = std::time::Duration::from_secs(seconds);
        self.now = Now { mono: self.now.mono + by, wall: self.now.wall + by, ..self.now };
    }

    /// The actions since the last call.
    pub fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }
}
