//! Leftovers of pods whose creation failed.

use std::sync::Arc;

use super::lock::Lock;
use super::registry::Registry;
use crate::domain::pod_key::PodKey;
use crate::node::{AttemptId, Node, NodeError};

/// Attempts whose creation failed and whose leftovers could not be deleted yet.
pub struct FailedCreations {
    runtime: Arc<dyn Node>,
    registry: Arc<Registry>,
    leftovers: Lock<Vec<AttemptId>>,
}

impl FailedCreations {
    pub fn new(runtime: Arc<dyn Node>, registry: Arc<Registry>) -> Self {
        Self { runtime, registry, leftovers: Lock::default() }
    }

    /// Deletes attempts. Those that cannot be deleted are retried within seconds.
    pub async fn delete(&self, ids: Vec<AttemptId>) {
        for id in ids {
            if let Err(error) = self.runtime.delete_attempt(&id).await {
                tracing::warn!(%id, %error, "a failed creation is not cleaned up yet");
                self.leftovers.lock().push(id);
            }
        }
    }

    /// Deletes the leftovers of the pod's failed creations, so that none becomes part of the next
    /// one.
    pub async fn delete_of(&self, pod: &PodKey) -> Result<(), NodeError> {
        for id in self.take(|id| id.pod == *pod) {
            if let Err(error) = self.runtime.delete_attempt(&id).await {
                self.leftovers.lock().push(id);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Deletes the leftovers of all pods that do not exist now.
    pub async fn retry(&self) {
        for id in self.take(|_| true) {
            // The name is reserved, so that no pod of that name is created meanwhile.
            match self.registry.reserve_if_free(&id.pod) {
                Some(_reservation) => self.delete(vec![id]).await,
                // A creation that runs now may need it deleted, or fail again.
                None => self.leftovers.lock().push(id),
            }
        }
    }

    fn take(&self, wanted: impl Fn(&AttemptId) -> bool) -> Vec<AttemptId> {
        let mut all = self.leftovers.lock();
        let (taken, left) = std::mem::take(&mut *all).into_iter().partition(wanted);
        *all = left;
        taken
    }
}
