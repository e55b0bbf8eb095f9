//! Counters of failed calls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use probelet_runtime::{CallError, FailedCalls};

/// The counters of one connection. Both keys are constants of this code, so they are bounded.
#[derive(Debug, Clone, Default)]
pub struct Failures(Arc<Mutex<FailedCalls>>);

impl Failures {
    pub fn count(&self, call: &'static str, error: &CallError) {
        let kind = match error {
            CallError::Unavailable(_) => "unavailable",
            CallError::Timeout { .. } => "timeout",
            CallError::Failed(_) | CallError::Refused(_) => "error",
            // These are answers, not failures.
            CallError::NotFound(_)
            | CallError::AlreadyExists(_)
            | CallError::NoImage(_)
            | CallError::BadImage(_) => return,
        };
        let mut counters = self.counters();
        let counter = counters.entry((call, kind)).or_default();
        *counter = counter.saturating_add(1);
    }

    pub fn get(&self) -> FailedCalls {
        self.counters().clone()
    }

    fn counters(&self) -> MutexGuard<'_, FailedCalls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
