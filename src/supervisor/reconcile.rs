//! Beside the actors: asks whether the runtime answers, looks at what it holds after each return
//! and now and then, and hands every pod what was found of it.

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

/// A look lists the namespace's records and tasks: two calls, some milliseconds of containerd's.
const LOOK: Duration = Duration::from_secs(60);
/// How soon one that failed is tried again, or one after which a pod's tasks are not clear.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Where creations failed whose remains could not be cleared yet.
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
    /// Whether the runtime answers, since when, and how often it did not.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    /// Goes on until the supervisor is stopped.
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

    /// One answer of the runtime, or none.
    pub(super) fn heard(&self, error: Option<&RuntimeError>) -> Option<Change> {
        let answer = match error {
            Some(error @ (RuntimeError::Unavailable(_) | RuntimeError::Timeout { .. })) => {
                Err(error.to_string())
            }
            // Any word of its own is one.
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

    /// Of a daemon that has recovered: one that starts says itself what it waits for.
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
            // A full queue is no loss: what waits is tried again by itself.
            if let Entry::Pod(handle) = entry {
                let _ = handle.requests.try_send(Request::RuntimeBack);
            }
        }
    }

    /// List, compare, act.
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
                // Its owner keeps an adopted container's record; `Adopter` looks at it.
                if ContainerRef::of_pod(name).is_some() {
                    continue;
                }
                if let Entry::Pod(handle) = entry {
                    let looks = Arc::new(pods.remove(name).unwrap_or_default());
                    // The next look comes soon enough where its queue is full.
                    let _ = handle.requests.try_send(Request::Found(at, looks));
                } else {
                    unknown |= !matches!(entry, Entry::Reserved);
                    pods.remove(name);
                }
            }
        }
        unknown |= self.are_strangers(pods.into_keys().collect());
        if unknown {
            // Pods that could not be taken up before, or that somebody brought back.
            self.recover().await?;
        }
        Ok(())
    }

    /// Whether there is a pod that the look before saw too: one that is being removed is not.
    fn are_strangers(&self, seen: Vec<String>) -> bool {
        let mut known = self.foreign_containers.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *known, seen);
        known.iter().any(|name| before.contains(name))
    }

    async fn pay_debts(&self) {
        for id in self.pending_writes.take(|_| true) {
            // The name is held, so that nobody makes it meanwhile.
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

    /// Nothing of an earlier, failed creation may become part of the next one.
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

/// What one look found of a pod's containers.
pub(super) type Looks = BTreeMap<String, Observation>;

/// A container of which nothing was found.
pub(super) fn nothing(at: std::time::Instant) -> Observation {
    Observation { at, attempts: BTreeMap::<_, SeenTask>::new() }
}
