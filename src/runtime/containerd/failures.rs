//! Counters of failed containerd calls.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::runtime::RuntimeError;

/// Failed calls by name and kind of failure.
pub type FailedCalls = BTreeMap<(&'static str, &'static str), u64>;

/// The counters of the process: clients have no state to count in. Both keys are constants of this
/// code, so the map cannot grow without bound.
static FAILED: Mutex<FailedCalls> = Mutex::new(FailedCalls::new());

pub(super) fn count(call: &'static str, error: &RuntimeError) {
    let kind = match error {
        RuntimeError::Unavailable(_) => "unavailable",
        RuntimeError::Timeout { .. } => "timeout",
        RuntimeError::Internal(_) | RuntimeError::Refused { .. } => "error",
        // These are answers, not failures.
        RuntimeError::NotFound(_)
        | RuntimeError::AlreadyExists(_)
        | RuntimeError::NoImage(_)
        | RuntimeError::InUse(_)
        | RuntimeError::Network(_)
        | RuntimeError::Invalid { .. }
        | RuntimeError::StartFailed(_)
        | RuntimeError::Config(_) => return,
    };
    *FAILED.lock().unwrap_or_else(PoisonError::into_inner).entry((call, kind)).or_default() += 1;
}

/// Returns the calls that have failed since the daemon's start.
pub fn failed_calls() -> FailedCalls {
    FAILED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
