//! Times as the protocol has them.

use std::time::SystemTime;

use probelet_kube_wire::time::Timestamp;

pub use crate::kube_objects::micros;

pub fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::from_micros(i64::try_from(micros(time)).unwrap_or(i64::MAX))
}

/// Returns the time in whole seconds, as in `creationTimestamp`.
pub fn seconds(time: SystemTime) -> String {
    timestamp(time).to_seconds_text()
}
