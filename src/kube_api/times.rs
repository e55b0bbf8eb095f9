//! Times as the protocol has them.

use std::time::{SystemTime, UNIX_EPOCH};

use probelet_kube_wire::time::Timestamp;

/// Returns the microseconds since 1970; 0 for an earlier time.
pub fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

pub fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::from_micros(i64::try_from(micros(time)).unwrap_or(i64::MAX))
}

/// Returns the time in whole seconds, as in `creationTimestamp`.
pub fn seconds(time: SystemTime) -> String {
    timestamp(time).to_seconds_text()
}
