//! Names of rotated files, such as `0.log.20261124-100000.7` for the seventh file of the attempt.
//! The time is for readers; the number gives the order, which does not depend on the clock.

use std::time::SystemTime;

use jiff::Timestamp;

use super::Limits;

/// Returns the name that the file `current` gets when it is rotated.
pub fn rotated(current: &str, at: SystemTime, sequence: u64) -> String {
    let at = Timestamp::try_from(at).unwrap_or_default().strftime("%Y%m%d-%H%M%S");
    format!("{current}.{at}.{sequence}")
}

/// Returns the number of a rotated file of `current`; `None` for any other name.
pub fn sequence(current: &str, name: &str) -> Option<u64> {
    let (time, sequence) = name.strip_prefix(current)?.strip_prefix('.')?.split_once('.')?;
    let is_time = time.len() == 15 && time.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    sequence.parse().ok().filter(|_| is_time)
}

/// Returns how many of the oldest rotated files have to be removed before one more is rotated.
pub fn surplus(rotated: usize, limits: Limits) -> usize {
    // One file is about to be rotated, and one is the next current file.
    let kept = usize::try_from(limits.files.saturating_sub(2)).unwrap_or(usize::MAX);
    rotated.saturating_sub(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_name_survives_a_round_trip() {
        let at = UNIX_EPOCH + Duration::from_secs(1_795_514_400);
        let name = rotated("0.log", at, 12);
        assert_eq!(name, "0.log.20261124-100000.12");
        assert_eq!(sequence("0.log", &name), Some(12));
        for other in ["0.log", "10.log.20261124-100000.1", "0.log.1", "0.log.gz", "0.log.x.1"] {
            assert_eq!(sequence("0.log", other), None, "{other}");
        }
    }

    #[test]
    fn there_are_never_more_files_than_the_limit() {
        let surplus = |rotated| surplus(rotated, Limits { size: 1, files: 3 });
        assert_eq!([0, 1, 2, 5].map(surplus), [0, 0, 1, 4]);
        assert_eq!(super::surplus(1, Limits { size: 1, files: 2 }), 1);
    }
}
