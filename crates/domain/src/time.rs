//! Times that are moved without a panic. `+` on a time panics where the result cannot be held, and
//! lengths come from users, manifests and old records, so the lint `arithmetic_side_effects`
//! refuses it in this crate.

use std::time::{Duration, Instant, SystemTime};

/// The longest length of time that the API, manifests, labels and flags take: 68 years.
pub const MAX_LENGTH: Duration = Duration::from_secs(i32::MAX as u64);

/// Longest wait. Longer lengths are refused at the input; one in a record that an older build wrote
/// is cut to this.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Addition of a length of time that does not panic.
pub trait Later: Sized {
    /// The time `by` after this one, 100 years at most.
    #[must_use]
    fn later(self, by: Duration) -> Self;
}

impl Later for Instant {
    fn later(self, by: Duration) -> Self {
        self.checked_add(by.min(LONGEST)).unwrap_or(self)
    }
}

impl Later for SystemTime {
    fn later(self, by: Duration) -> Self {
        self.checked_add(by.min(LONGEST)).unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
    fn no_length_is_too_long() {
        let (mono, wall) = (Instant::now(), SystemTime::now());
        for by in [Duration::ZERO, Duration::from_secs(1), LONGEST] {
            assert_eq!((mono.later(by), wall.later(by)), (mono + by, wall + by));
        }
        for by in [Duration::from_secs(i64::MAX as u64), Duration::MAX] {
            assert_eq!((mono.later(by), wall.later(by)), (mono + LONGEST, wall + LONGEST));
            assert!(mono.later(by).later(by) > mono.later(by));
        }
    }
}
