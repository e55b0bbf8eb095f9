//! The requests of each user that are being answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use probelet_kube_wire::status::Status;

/// Requests of one user that are answered at once. The bodies of watches, logs and streams are no part
/// of it: they have slots of their own.
const REQUESTS: usize = 32;
/// Seconds after which a refused client tries again.
const RETRY: u32 = 1;

/// Counts requests by the names of their users. Clones share the counts.
#[derive(Clone, Default)]
pub struct Callers(Arc<Mutex<BTreeMap<String, usize>>>);

/// A request that is being answered, until it is dropped.
pub struct InProgress {
    callers: Callers,
    user: String,
}

impl Callers {
    /// Counts a request of this user; 429 if too many are being answered.
    pub fn begin(&self, user: &str) -> Result<InProgress, Status> {
        let mut counts = self.counts();
        let count = counts.entry(user.to_owned()).or_default();
        if *count >= REQUESTS {
            let why = format!("user {user:?} has {REQUESTS} requests in progress");
            return Err(Status::too_many_requests(why, RETRY));
        }
        *count = count.saturating_add(1);
        Ok(InProgress { callers: self.clone(), user: user.to_owned() })
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let mut counts = self.callers.counts();
        if let Some(count) = counts.get_mut(&self.user) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_number_of_requests_and_others_have_theirs() {
        let callers = Callers::default();
        let mut ann: Vec<_> = (0..REQUESTS).map(|_| callers.begin("ann").unwrap()).collect();
        let refused = callers.begin("ann").err().unwrap();
        assert_eq!((refused.code(), refused.retry_after_seconds()), (429, Some(1)));
        let bob = callers.begin("bob").unwrap();
        ann.pop();
        ann.push(callers.begin("ann").unwrap());
        drop((ann, bob));
        assert!(callers.counts().is_empty());
    }
}
