//! Sequence number of an event. It is larger than every number that was published before, even by a
//! daemon that died before it recorded the number. So it is the wall-clock time.

use std::time::{SystemTime, UNIX_EPOCH};

/// Upper bound of the events that a daemon publishes between two writes of a record.
const UNKEPT: u64 = 1_000_000;

/// Returns the number after `newest`: the Unix time in microseconds if that is larger, else `newest
/// + 1`.
pub fn next(newest: u64, wall: SystemTime) -> u64 {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = u64::try_from(since.as_micros()).unwrap_or_default();
    time.max(newest.saturating_add(1))
}

/// Returns the number to continue from if `newest` is the largest one that a record has. The daemon
/// that wrote the record may have published later events, and if the clock was set back since, the
/// time alone would repeat their numbers.
pub fn floor(newest: u64) -> u64 {
    newest.saturating_add(UNKEPT)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_number_is_the_time_in_microseconds() {
        let wall = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        assert_eq!(next(0, wall), 1_800_000_000_000_000);
        assert_eq!(next(7, wall + Duration::from_micros(3)), 1_800_000_000_000_003);
    }

    #[test]
    fn numbers_grow_while_the_clock_does_not() {
        let wall = UNIX_EPOCH + Duration::from_secs(10);
        let first = next(0, wall);
        assert_eq!(next(first, wall), first + 1);
        assert_eq!(next(first, UNIX_EPOCH), first + 1);
        assert_eq!(next(first, UNIX_EPOCH - Duration::from_secs(9)), first + 1);
    }

    #[test]
    fn numbers_that_no_record_has_are_not_repeated_after_the_clock_was_set_back() {
        let recorded = next(0, UNIX_EPOCH + Duration::from_secs(10));
        let published = (0..1000).fold(recorded, |newest, _| next(newest, UNIX_EPOCH));
        assert!(next(floor(recorded), UNIX_EPOCH) > published);
    }
}
