//! The only place where the clocks are read.

use std::time::SystemTime;

use crate::domain::Now;
use crate::process::own;

/// Reads all clocks once. Monotonic time is tokio's, so that tests can pause it.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> Now {
    let (mono, wall) = (tokio::time::Instant::now().into_std(), SystemTime::now());
    #[cfg(test)]
    if let Some(now) = simulated::now(mono) {
        return now;
    }
    let booted_at = wall.checked_sub(own::since_boot()).unwrap_or(SystemTime::UNIX_EPOCH);
    Now { mono, wall, booted_at }
}

/// A wall clock that follows tokio's paused clock.
#[cfg(test)]
pub mod simulated {
    use std::cell::Cell;
    use std::time::{Duration, Instant};

    use super::*;

    thread_local! {
        static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
    }

    /// Simulates the wall clock from now on, in this thread.
    pub(in crate::supervisor) fn set() {
        BEGAN.set(Some(tokio::time::Instant::now().into_std()));
    }

    pub(in crate::supervisor) fn now(mono: Instant) -> Option<Now> {
        let booted_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let wall = booted_at + mono.saturating_duration_since(BEGAN.get()?);
        Some(Now { mono, wall, booted_at })
    }
}
