//! containerd's trouble, counted: calls that failed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::runtime::RuntimeError;

/// By call and kind of failure.
pub type FailedCalls = BTreeMap<(&'static str, &'static str), u64>;

/// One for the process, as its clients have no state of their own to count in. Both keys are
/// words of this code, so it cannot grow.
static FAILED: Mutex<FailedCalls> = Mutex::new(FailedCalls::new());

pub(super) fn count(call: &'static str, error: &RuntimeError) {
    let kind = match error {
        RuntimeError::Unavailable(_) => "unavailable",
        RuntimeError::Timeout { .. } => "timeout",
        RuntimeError::Internal(_) | RuntimeError::Refused { .. } => "error",
        // Answers, not trouble.
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

/// Since the daemon's start.
pub fn failed_calls() -> FailedCalls {
    FAILED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
