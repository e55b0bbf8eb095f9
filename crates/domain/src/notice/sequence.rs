//! An event's number: larger than each that was ever told, also by a daemon that died before a
//! record had kept it. So it is the time.

use std::time::{SystemTime, UNIX_EPOCH};

/// More than any daemon tells between two of a record's writings.
const UNKEPT: u64 = 1_000_000;

/// The number after `newest`: the time in microseconds where that is larger.
pub fn next(newest: u64, wall: SystemTime) -> u64 {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = u64::try_from(since.as_micros()).unwrap_or_default();
    time.max(newest.saturating_add(1))
}

/// What to count on from after `newest`, the largest that a record kept: its daemon may have told
/// more, and the clock does not stand for those if it was set back.
pub fn floor(newest: u64) -> u64 {
    newest.saturating_add(UNKEPT)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_is_the_time() {
        let wall = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        assert_eq!(next(0, wall), 1_800_000_000_000_000);
        assert_eq!(next(7, wall + Duration::from_micros(3)), 1_800_000_000_000_003);
    }

    #[test]
    fn it_grows_where_the_clock_does_not() {
        let wall = UNIX_EPOCH + Duration::from_secs(10);
        let first = next(0, wall);
        assert_eq!(next(first, wall), first + 1);
        assert_eq!(next(first, UNIX_EPOCH), first + 1);
        assert_eq!(next(first, UNIX_EPOCH - Duration::from_secs(9)), first + 1);
    }

    #[test]
    fn what_no_record_kept_is_not_told_again_by_a_clock_that_was_set_back() {
        let kept = next(0, UNIX_EPOCH + Duration::from_secs(10));
        let told = (0..1000).fold(kept, |newest, _| next(newest, UNIX_EPOCH));
        assert!(next(floor(kept), UNIX_EPOCH) > told);
    }
}
