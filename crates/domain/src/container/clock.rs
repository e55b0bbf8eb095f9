//! A wall clock that is set: by hand, or by NTP on a host that has booted without the time.
//!
//! What goes on by itself (a back-off, a pause, a grace, a deadline, an age) goes by monotonic
//! time and is remembered by the wall clock; so its times move with that clock. What is past keeps
//! the time by which it was told.

use std::time::{Duration, SystemTime};

use super::state::State;
use super::{Machine, Memory};
use crate::Now;

/// Less is slewing, or a reading that was interrupted.
const SET: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
enum Shift {
    Forward(Duration),
    Back(Duration),
}

impl Shift {
    fn between(old: SystemTime, new: SystemTime) -> Option<Self> {
        let (by, shift) = match new.duration_since(old) {
            Ok(by) => (by, Self::Forward(by)),
            Err(error) => (error.duration(), Self::Back(error.duration())),
        };
        (by >= SET).then_some(shift)
    }

    fn apply(self, time: &mut SystemTime) {
        let shifted = match self {
            Self::Forward(by) => time.checked_add(by),
            Self::Back(by) => time.checked_sub(by),
        };
        *time = shifted.unwrap_or(*time);
    }
}

impl Memory {
    /// As it is read in this boot of the host: from another one only the wall clock has come over,
    /// and whether that was set meanwhile nobody can tell.
    #[must_use]
    pub fn in_boot(mut self, current: Option<&str>) -> Self {
        let is_same = self.boot_id.as_deref().zip(current).is_some_and(|(own, now)| own == now);
        self.booted_at = self.booted_at.filter(|_| is_same);
        self
    }

    fn follow(&mut self, now: Now) -> Option<Shift> {
        let before = *self.booted_at.get_or_insert(now.booted_at);
        let shift = Shift::between(before, now.booted_at)?;
        self.booted_at = Some(now.booted_at);
        shift.apply(&mut self.created_at);
        let stopping = self.stopping.as_mut().map(|stopping| &mut stopping.kill_at);
        let others =
            [self.started_at.as_mut(), self.restart_at.as_mut(), self.paused_until.as_mut()];
        others.into_iter().chain([stopping]).flatten().for_each(|time| shift.apply(time));
        Some(shift)
    }
}

impl Machine {
    pub(super) fn follow_clock(&mut self, now: Now) {
        let Some(shift) = self.memory.follow(now) else { return };
        if let State::Running(running) | State::Stopping { running, .. } = &mut self.state {
            shift.apply(&mut running.started_at);
        }
    }
}
