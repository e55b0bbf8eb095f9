//! The ceiling of versions. Versions are times, and a clock can be set back while no daemon runs. So
//! the folder has a number above all versions that were given, and the next daemon continues from it.
//! The number is ahead of the versions, so that it is seldom written.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The distance of a new ceiling from the newest version.
const AHEAD: Duration = Duration::from_secs(60);
/// The distance at which the ceiling is moved.
const NEAR: Duration = Duration::from_secs(30);

/// Returns the microseconds since 1970; 0 for an earlier time.
pub fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn micros_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Returns the first version of a daemon that starts now. `ceiling` is the stored one.
pub fn first(ceiling: Option<u64>, now: u64) -> u64 {
    now.max(ceiling.unwrap_or_default())
}

/// Returns the ceiling to store if the newest version, or the next one, is near `ceiling`.
pub fn moved(ceiling: u64, version: u64, now: u64) -> Option<u64> {
    let next = version.max(now);
    let is_near = next.saturating_add(micros_of(NEAR)) > ceiling;
    is_near.then(|| next.saturating_add(micros_of(AHEAD)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn versions_grow_over_a_clock_that_was_set_back() {
        assert_eq!(first(None, 7), 7);
        assert_eq!(first(Some(100), 7), 100);
        assert_eq!(first(Some(7), 100), 100);
    }

    #[test]
    fn the_ceiling_moves_before_it_is_reached() {
        let ceiling = 100 * SECOND;
        assert_eq!(moved(ceiling, 0, 69 * SECOND), None);
        assert_eq!(moved(ceiling, 0, 71 * SECOND), Some(131 * SECOND));
        // The clock stands still, and versions go on.
        assert_eq!(moved(ceiling, 80 * SECOND, 5), Some(140 * SECOND));
    }
}
