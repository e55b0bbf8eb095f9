//! A lock that stays usable after a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex whose poisoning is ignored. Each holder leaves the value complete between any two calls
/// that may panic, so the value is sound after a panic too.
#[derive(Debug, Default)]
pub struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
