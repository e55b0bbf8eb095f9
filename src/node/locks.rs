//! A lock for each attempt and for each pod, since a start whose caller stopped waiting may still use
//! the runtime.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

#[derive(Debug, Clone, Default)]
pub struct Locks(Arc<Mutex<HashMap<String, Arc<Turn<()>>>>>);

impl Locks {
    /// Waits for the lock of a pod. It protects what the pod's containers share on this host.
    pub async fn lock_pod(&self, uid: &str) -> OwnedMutexGuard<()> {
        // No attempt's id contains a slash.
        self.lock(&format!("pod/{uid}")).await
    }

    /// Waits for the lock of `key`, in the order of the calls.
    pub async fn lock(&self, key: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Locks without a holder or waiter are dropped.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(key.to_owned()).or_default())
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_key_waits_another_does_not() {
        let locks = Locks::default();
        let held = locks.lock("a").await;
        locks.lock("b").await;
        let limit = Duration::from_secs(1);
        assert!(tokio::time::timeout(limit, locks.lock("a")).await.is_err());
        drop(held);
        locks.lock("a").await;
        locks.lock("c").await;
        assert_eq!(locks.0.lock().unwrap().len(), 1, "unused turns are dropped");
    }
}
