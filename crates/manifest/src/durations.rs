//! Durations in Kubernetes' fields.

use std::time::Duration;

/// Whole seconds, rounded up: half a second must not be shown as 0.
pub fn seconds(value: Duration) -> i64 {
    let up = u64::from(value.subsec_nanos() > 0);
    i64::try_from(value.as_secs().saturating_add(up)).unwrap_or(i64::MAX)
}
