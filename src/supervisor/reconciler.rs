//! Reconciles the pods with the runtime, beside the actors: checks whether the runtime answers,
//! lists its records and tasks after each return and at an interval, and sends the result to each
//! pod.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::actor_request::{Observations, Request};
use super::background::Background;
use super::clock::now;
use super::error::SupervisorError;
use super::failed_creations::FailedCreations;
use super::lock::Lock;
use super::pod_actors::PodActors;
use super::registry::{Entry, Registry};
use super::runtime_link::RuntimeLink;
use crate::domain::container::Observation;
use crate::domain::link::Change;
use crate::domain::pod_key::PodKey;
use crate::domain::time::Later;
use crate::node::{Flaw, Node};

/// The interval of reconciliation, which lists the namespace's records and tasks: two calls that
/// take containerd a few milliseconds.
const INTERVAL: Duration = Duration::from_secs(60);
/// The pause after a reconciliation that failed, or that left a pod's tasks unclear, and between two
/// cleanups of failed creations.
const RETRY: Duration = Duration::from_secs(5);

pub struct Reconciler {
    runtime: Arc<dyn Node>,
    registry: Arc<Registry>,
    actors: Arc<PodActors>,
    failed_creations: Arc<FailedCreations>,
    link: Arc<RuntimeLink>,
    background: Background,
    /// Pods that the last reconciliation found in the runtime and that the registry does not have.
    unregistered: Lock<Vec<PodKey>>,
}

impl Reconciler {
    pub fn new(
        runtime: Arc<dyn Node>,
        registry: Arc<Registry>,
        actors: Arc<PodActors>,
        failed_creations: Arc<FailedCreations>,
        link: Arc<RuntimeLink>,
        background: Background,
    ) -> Self {
        let unregistered = Lock::default();
        Self { runtime, registry, actors, failed_creations, link, background, unregistered }
    }

    /// Reconciles until the supervisor is stopped.
    pub async fn run(&self) {
        let mut due = now().mono.later(self.interval());
        let mut cleanup_due = now().mono;
        loop {
            tokio::select! {
                () = self.background.cancelled() => return,
                () = tokio::time::sleep(self.link.pause()) => {}
            }
            let answer = self.runtime.ping().await;
            let change = self.link.answered(answer.as_ref().err());
            self.link.log();
            let here = now().mono;
            if matches!(change, Some(Change::Back(_))) {
                self.send_runtime_back();
                (due, cleanup_due) = (here, here);
            }
            if answer.is_ok() && cleanup_due <= here {
                self.failed_creations.retry().await;
                cleanup_due = here.later(RETRY);
            }
            if answer.is_ok() && due <= here {
                let reconciled = self.reconcile().await;
                due = here.later(self.interval());
                if let Err(error) = reconciled {
                    tracing::warn!(%error, "the pods were not reconciled with containerd");
                    due = here.later(RETRY);
                }
            }
        }
    }

    /// Returns the pause before the next reconciliation.
    fn interval(&self) -> Duration {
        let mut is_unclear = false;
        self.registry.for_each(|_, entry| {
            is_unclear |=
                matches!(entry, Entry::Unsupervised(_, _, Flaw::Unclear) | Entry::Recovering(_));
        });
        if is_unclear { RETRY } else { INTERVAL }
    }

    fn send_runtime_back(&self) {
        self.registry.for_each(|_, entry| {
            // A full queue does no harm, because the actor retries by itself.
            if let Entry::Pod(handle) = entry {
                handle.offer(Request::RuntimeBack);
            }
        });
    }

    /// Lists the runtime's records and tasks, compares them with the registry, and acts on
    /// differences.
    async fn reconcile(&self) -> Result<(), SupervisorError> {
        let at = now().mono;
        let mut pods: BTreeMap<PodKey, Observations> = BTreeMap::new();
        for (id, task) in self.runtime.task_states().await? {
            let containers = pods.entry(id.pod).or_default();
            let empty = || Observation { at, attempts: BTreeMap::new() };
            containers.entry(id.container).or_insert_with(empty).attempts.insert(id.attempt, task);
        }
        let mut has_unrecovered = false;
        self.registry.for_each(|name, entry| {
            // The owner keeps an adopted container's record, and the `Adopter` observes it.
            if name.is_adopted() {
                return;
            }
            // The runtime names a pod by its labels.
            let is_as_in_default = entry.pod().is_some_and(|handle| handle.spec().ids_of_default);
            let labelled = is_as_in_default.then(|| PodKey::in_default(name.name()));
            let observations = pods.remove(labelled.as_ref().unwrap_or(name)).unwrap_or_default();
            match entry {
                // If the queue is full, the next reconciliation is soon enough.
                Entry::Pod(handle) => {
                    handle.offer(Request::Observed(at, Arc::new(observations)));
                }
                Entry::Unsupervised(..) | Entry::Recovering(_) => has_unrecovered = true,
                Entry::Reserved => {}
            }
        });
        has_unrecovered |= self.are_unregistered(pods.into_keys().collect());
        if has_unrecovered {
            // These pods could not be recovered before, or another client restored their records.
            self.actors.recover().await?;
        }
        Ok(())
    }

    /// True if a pod that is not in the registry was seen by the previous reconciliation too. A pod
    /// that is being removed is seen only once.
    fn are_unregistered(&self, seen: Vec<PodKey>) -> bool {
        let mut unregistered = self.unregistered.lock();
        let before = std::mem::replace(&mut *unregistered, seen);
        unregistered.iter().any(|name| before.contains(name))
    }
}
