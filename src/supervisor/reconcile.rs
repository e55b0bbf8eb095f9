//! Reconciles the pods with the runtime, beside the actors: checks whether the runtime answers,
//! lists its records and tasks after each return and at an interval, and sends the result to each
//! pod.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::actor::Request;
use super::clock::now;
use super::{Entry, Supervisor, SupervisorError, lock};
use crate::domain::adopt::ContainerRef;
use crate::domain::container::{Observation, SeenTask};
use crate::domain::link::{Change, Link};
use crate::domain::time::Later;
use crate::runtime::{AttemptId, Flaw, RuntimeError};

/// The interval of reconciliation, which lists the namespace's records and tasks: two calls that
/// take containerd a few milliseconds.
const LOOK: Duration = Duration::from_secs(60);
/// The pause after a reconciliation that failed, or that left a pod's tasks unclear.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Attempts whose creation failed and whose leftovers could not be deleted yet.
#[derive(Debug, Default)]
pub(super) struct PendingWrites(Mutex<Vec<AttemptId>>);

impl PendingWrites {
    pub(super) fn add(&self, id: AttemptId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    fn take(&self, wanted: impl Fn(&AttemptId) -> bool) -> Vec<AttemptId> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (taken, left) = std::mem::take(&mut *all).into_iter().partition(wanted);
        *all = left;
        taken
    }
}

impl Supervisor {
    /// Returns whether the runtime answers, since when, and how often it did not.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    /// Reconciles until the supervisor is stopped.
    pub async fn tend(&self) {
        let mut due = now().mono.later(self.until_look());
        loop {
            let pause = self.link.borrow().pause();
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let answer = self.runtime.ping().await;
            let change = self.heard(answer.as_ref().err());
            self.log(change.as_ref());
            let here = now().mono;
            if matches!(change, Some(Change::Back(_))) {
                self.tell_back();
                due = here;
            }
            if answer.is_ok() && due <= here {
                let compared = self.reconcile().await;
                due = here.later(self.until_look());
                if let Err(error) = compared {
                    tracing::warn!(%error, "what containerd holds could not be compared");
                    due = here.later(LOOK_AGAIN);
                }
            }
        }
    }

    fn until_look(&self) -> Duration {
        let registry = lock(&self.registry);
        let mut entries = registry.values();
        let unclear = |entry: &Entry| matches!(entry, Entry::LeftAlone(_, _, Flaw::Unclear));
        if entries.any(unclear) { LOOK_AGAIN } else { LOOK }
    }

    /// Updates the link from one answer of the runtime, or from the lack of one.
    pub(super) fn heard(&self, error: Option<&RuntimeError>) -> Option<Change> {
        let answer = match error {
            Some(error @ (RuntimeError::Unavailable(_) | RuntimeError::Timeout { .. })) => {
                Err(error.to_string())
            }
            // Any other error is an answer of the runtime.
            _ => Ok(()),
        };
        let mut change = None;
        self.link.send_if_modified(|link| {
            let failed = answer.is_err();
            change = link.heard(answer, now());
            failed || change.is_some()
        });
        change
    }

    /// Logs a change of the link after recovery. A daemon that starts logs itself what it waits
    /// for.
    fn log(&self, change: Option<&Change>) {
        match change {
            Some(Change::Lost) => {
                let error = &self.link.borrow().error;
                tracing::warn!(error, "containerd is lost; what runs goes on");
            }
            Some(Change::Back(away)) => {
                tracing::info!(seconds = away.as_secs(), "containerd is back")
            }
            None => {}
        }
    }

    fn tell_back(&self) {
        for entry in lock(&self.registry).values() {
            // A full queue does no harm, because the actor retries by itself.
            if let Entry::Pod(handle) = entry {
                let _ = handle.requests.try_send(Request::RuntimeBack);
            }
        }
    }

    /// Lists the runtime's records and tasks, compares them with the registry, and acts on
    /// differences.
    pub(super) async fn reconcile(&self) -> Result<(), SupervisorError> {
        self.pay_debts().await;
        let at = now().mono;
        let mut pods: BTreeMap<String, BTreeMap<String, Observation>> = BTreeMap::new();
        for (id, task) in self.runtime.look().await? {
            let containers = pods.entry(id.pod).or_default();
            let empty = || Observation { at, attempts: BTreeMap::new() };
            containers.entry(id.container).or_insert_with(empty).attempts.insert(id.attempt, task);
        }
        let mut unknown = false;
        {
            let registry = lock(&self.registry);
            for (name, entry) in registry.iter() {
                // The owner keeps an adopted container's record, and the `Adopter` observes it.
                if ContainerRef::of_pod(name).is_some() {
                    continue;
                }
                if let Entry::Pod(handle) = entry {
                    let looks = Arc::new(pods.remove(name).unwrap_or_default());
                    // If the queue is full, the next reconciliation is soon enough.
                    let _ = handle.requests.try_send(Request::Found(at, looks));
                } else {
                    unknown |= !matches!(entry, Entry::Reserved);
                    pods.remove(name);
                }
            }
        }
        unknown |= self.are_strangers(pods.into_keys().collect());
        if unknown {
            // These pods could not be recovered before, or another client restored their records.
            self.recover().await?;
        }
        Ok(())
    }

    /// True if a pod that is not in the registry was seen by the previous reconciliation too. A pod
    /// that is being removed is seen only once.
    fn are_strangers(&self, seen: Vec<String>) -> bool {
        let mut known = self.foreign_containers.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *known, seen);
        known.iter().any(|name| before.contains(name))
    }

    async fn pay_debts(&self) {
        for id in self.pending_writes.take(|_| true) {
            // The name is reserved, so that no pod of that name is created meanwhile.
            let free = {
                let mut registry = lock(&self.registry);
                let free = !registry.contains_key(&id.pod);
                if free {
                    registry.insert(id.pod.clone(), Entry::Reserved);
                }
                free
            };
            if free {
                self.undo(vec![id.clone()]).await;
                lock(&self.registry).remove(&id.pod);
            }
        }
    }

    /// Deletes the leftovers of failed creations of the pod, so that none becomes part of the next
    /// one.
    pub(super) async fn pay_debts_of(&self, pod: &str) -> Result<(), RuntimeError> {
        for id in self.pending_writes.take(|id| id.pod == pod) {
            if let Err(error) = self.runtime.forget(&id).await {
                self.pending_writes.add(id);
                return Err(error);
            }
        }
        Ok(())
    }

    pub(super) async fn undo(&self, ids: Vec<AttemptId>) {
        for id in ids {
            if let Err(error) = self.runtime.forget(&id).await {
                tracing::warn!(%id, %error, "left behind by a failed creation for now");
                self.pending_writes.add(id);
            }
        }
    }
}

/// The observations of a pod's containers, by container.
pub(super) type Looks = BTreeMap<String, Observation>;

/// The observation of a container of which nothing was found.
pub(super) fn nothing(at: std::time::Instant) -> Observation {
    Observation { at, attempts: BTreeMap::<_, SeenTask>::new() }
}
