//! Changes of the wall clock: by hand, or by NTP on a host that has booted without the time.
//!
//! Everything that elapses by itself (a back-off, a pause, a grace, a deadline, an age) is measured
//! by monotonic time and recorded by the wall clock, so the recorded times move with that clock.
//! Past times stay as they were published.

use std::time::{Duration, SystemTime};

use super::Memory;
use super::life::Life;
use super::phase::Phase;
use crate::Now;

/// Least difference that counts as a set clock. A smaller one is slewing, or an interrupted
/// reading.
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

    /// Returns the shift since the boot time was `known`, and replaces that by the one of `now`.
    fn since(known: &mut Option<SystemTime>, now: Now) -> Option<Self> {
        let before = *known.get_or_insert(now.booted_at);
        let shift = Self::between(before, now.booted_at)?;
        *known = Some(now.booted_at);
        Some(shift)
    }

    fn apply(self, time: &mut SystemTime) {
        let shifted = match self {
            Self::Forward(by) => time.checked_add(by),
            Self::Back(by) => time.checked_sub(by),
        };
        *time = shifted.unwrap_or(*time);
    }

    fn apply_all<'a>(self, times: impl IntoIterator<Item = Option<&'a mut SystemTime>>) {
        times.into_iter().flatten().for_each(|time| self.apply(time));
    }
}

impl Memory {
    /// Returns the memory without its boot time if it is of another boot of the host: whether the
    /// clock was set meanwhile cannot be known then, so its times are not moved.
    #[must_use]
    pub fn in_boot(mut self, current: Option<&str>) -> Self {
        let is_same = self.boot_id.as_deref().zip(current).is_some_and(|(own, now)| own == now);
        self.booted_at = self.booted_at.filter(|_| is_same);
        self
    }

    /// Moves the times of everything that elapses by itself if the wall clock was set.
    pub(super) fn follow_clock(&mut self, now: Now) {
        let Some(shift) = Shift::since(&mut self.booted_at, now) else { return };
        shift.apply_all([
            Some(&mut self.created_at),
            self.started_at.as_mut(),
            self.restart_at.as_mut(),
            self.paused_until.as_mut(),
            self.stopping.as_mut().map(|stopping| &mut stopping.kill_at),
        ]);
    }
}

/// Moves the times of everything that elapses by itself if the wall clock was set.
pub fn follow(life: &mut Life, now: Now) {
    let Life { course, phase, pause, .. } = life;
    let Some(shift) = Shift::since(&mut course.booted_at, now) else { return };
    let (of_instance, of_phase) = match phase {
        Phase::Waiting(wait) => (None, wait.restart_at.as_mut()),
        Phase::Running(instance) => (Some(&mut instance.started_at), None),
        Phase::Stopping(instance, stop) => {
            (Some(&mut instance.started_at), Some(&mut stop.record_mut().kill_at))
        }
        _ => (None, None),
    };
    shift.apply_all([
        Some(&mut course.created_at),
        course.started_at.as_mut(),
        pause.until_wall.as_mut(),
        of_instance,
        of_phase,
    ]);
}
