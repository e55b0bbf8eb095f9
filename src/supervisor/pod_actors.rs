//! Keeps one actor running for each pod: starts it, recovers what an earlier daemon or a panicked
//! actor left, and lets the successor of a replaced pod follow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tracing::Instrument;

use super::actor::{Actor, ActorResources};
use super::background::Background;
use super::clock::now;
use super::error::SupervisorError;
use super::panics::{self, Panics};
use super::pod_handle::PodHandle;
use super::prepared_pod::PreparedPod;
use super::recorded_view;
use super::recovery::{PodLeftovers, TaskQueries};
use super::registry::Registry;
use super::repair::{self, Sorted};
use super::runtime_link::RuntimeLink;
use super::successor::Successor;
use crate::domain::container::{Memory, Wanted};
use crate::domain::link::retry_after;
use crate::domain::notice::Notice;
use crate::domain::pod::PodView;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::PodSpec;
use crate::node::{AttemptId, Flaw, Found, FoundTask, NodeError, StartRequest, Unsound};

/// The number of pods whose tasks are queried concurrently. Shims that hang must not hold up the
/// other pods, and each answer that is awaited costs only a little memory.
const AT_ONCE: usize = 256;
/// The pause before the deletion of a record is retried.
const RETRY: Duration = Duration::from_secs(1);

pub struct PodActors {
    resources: ActorResources,
    registry: Arc<Registry>,
    link: Arc<RuntimeLink>,
    queries: TaskQueries,
    panics: Panics,
    background: Background,
    /// Held by the one recovery that is in progress.
    recovering: Arc<Mutex<()>>,
}

/// Pods that are listed as their records describe them, and not recovered yet. No other recovery
/// begins while they exist.
pub struct RecordedPods {
    actors: Arc<PodActors>,
    pods: BTreeMap<PodKey, PodLeftovers>,
    _recovering: OwnedMutexGuard<()>,
}

impl RecordedPods {
    /// Recovers each pod as soon as the runtime has reported its tasks; returns how many.
    ///
    /// # Errors
    ///
    /// Fails if the runtime does not answer any more. Pods that are not recovered stay listed, for
    /// the next recovery.
    pub async fn recover(self) -> Result<usize, SupervisorError> {
        let Self { actors, pods, _recovering } = self;
        let pods = stream::iter(pods).map(|(name, leftovers)| actors.recover_pod(name, leftovers));
        let count = pods.buffer_unordered(AT_ONCE).try_fold(0, async |all, one| Ok(all + one));
        let count = count.await;
        actors.link.answered(count.as_ref().err());
        Ok(count?)
    }
}

impl PodActors {
    pub fn new(
        resources: ActorResources,
        registry: Arc<Registry>,
        link: Arc<RuntimeLink>,
        background: Background,
    ) -> Self {
        let queries = TaskQueries::new(resources.runtime.clone());
        let (panics, recovering) = (Panics::default(), Arc::default());
        Self { resources, registry, link, queries, panics, background, recovering }
    }

    /// True if each pod has its actor.
    pub fn all_run(&self) -> bool {
        self.panics.all_have_actors()
    }

    /// Adds the pod to the registry and starts its actor.
    pub fn start(self: &Arc<Self>, prepared: PreparedPod) -> PodView {
        self.start_with(prepared, None)
    }

    fn start_with(
        self: &Arc<Self>,
        mut prepared: PreparedPod,
        successor: Option<Successor>,
    ) -> PodView {
        let (spec, resources) = (prepared.spec.clone(), &self.resources);
        prepared.pod.set_network(resources.runtime.network(&spec));
        let (status, manifest_error) = (prepared.pod.status().clone(), None);
        let view = PodView { generation: 1, spec: spec.clone(), status, manifest_error };
        let cancel = self.background.child_token();
        let (handle, channels) = PodHandle::new(view.clone(), prepared.wanted, successor, cancel);
        let (actor, first) = Actor::new(prepared, resources, channels);
        let name = spec.key();
        self.registry.insert(&name, handle);
        self.panics.actor_started(&name);
        self.registry.changes().notify();
        let actors = self.clone();
        let span = tracing::info_span!("pod", namespace = spec.namespace, pod = spec.name);
        let run = async move {
            match panics::catch(actor.run(first)).await {
                Ok(true) => actors.on_gone(&name).await,
                Ok(false) => {}
                Err(why) => actors.on_panic(&name, &why).await,
            }
        };
        self.background.spawn(run.instrument(span));
        view
    }

    /// Starts the successor once nothing is left of the pod.
    async fn on_gone(self: &Arc<Self>, name: &PodKey) {
        self.resources.counters.forget(name);
        self.panics.forget(name);
        match self.registry.take_successor(name).map(Successor::into_pod) {
            Some(Ok(prepared)) => {
                self.start(prepared);
                return;
            }
            Some(Err(attempts)) => self.delete_records(&attempts).await,
            None => {}
        }
        self.registry.remove(name);
    }

    async fn delete_records(&self, attempts: &[AttemptId]) {
        for id in attempts {
            while let Err(error) = self.resources.runtime.delete_attempt(id).await {
                tracing::warn!(%id, %error, "the record of an abandoned successor is not deleted yet");
                tokio::select! {
                    () = self.background.cancelled() => return,
                    () = tokio::time::sleep(RETRY) => {}
                }
            }
        }
    }

    /// Abandons the successor of a pod that is deleted.
    pub fn abandon_successor(&self, name: &PodKey) {
        let record = self.registry.with_mut(name, PodHandle::abandon_successor).flatten();
        let Some(StartRequest { id, pod, memory, .. }) = record else { return };
        let runtime = self.resources.runtime.clone();
        self.background.spawn(async move {
            let memory = Memory { wanted: Wanted::Removed, ..memory };
            if let Err(error) = runtime.write_record(&id, &pod, &memory).await {
                tracing::warn!(%id, %error, "the deletion of a successor is not recorded");
            }
        });
    }

    /// Reports the panic and recovers the pod, after a longer delay each time it panics again.
    async fn on_panic(self: &Arc<Self>, name: &PodKey, why: &str) {
        let Ok(view) = self.registry.with(name, PodHandle::view) else { return };
        let mut times = self.panics.add(name);
        tracing::error!(pod = %name, why, times, "the pod's actor panicked");
        let reason = format!(
            "{}: {why}; its containers continue to run, and the pod is recovered",
            panics::REASON
        );
        let message = format!("Internal error, recovered from the records: {why}");
        self.resources.events.log(&view.spec, Notice::warning(panics::REASON, message));
        let view = Box::new(panics::unsupervised(view, &reason));
        self.registry.add_unsupervised(view, reason, Flaw::Unclear);
        self.registry.changes().notify();
        // The adopter recovers adopted containers itself, each time it lists them.
        while !name.is_adopted() && self.registry.is_unsupervised(name) {
            tokio::select! {
                () = self.background.cancelled() => return,
                () = tokio::time::sleep(retry_after(times)) => {}
            }
            if let Err(error) = self.recover().await {
                tracing::warn!(pod = %name, %error, "the pod is not recovered yet");
            }
            times = times.saturating_add(1);
        }
    }

    /// Recovers every pod that the runtime has records of; returns how many.
    pub async fn recover(self: &Arc<Self>) -> Result<usize, SupervisorError> {
        self.list_recorded().await?.recover().await
    }

    /// Lists every pod that the runtime has records of and that has no actor, as the records
    /// describe it.
    pub async fn list_recorded(self: &Arc<Self>) -> Result<RecordedPods, SupervisorError> {
        let recovering = self.recovering.clone().lock_owned().await;
        let survey = self.resources.runtime.survey().await;
        self.link.answered(survey.as_ref().err());
        let mut pods = PodLeftovers::by_pod(survey?);
        pods.retain(|name, _| !self.registry.is_taken(name));
        // All events are restored before the first actor records a new one, whose number follows
        // theirs.
        pods.values_mut().for_each(|leftovers| leftovers.restore_events(&self.resources.events));
        let (boot_id, now) = (self.resources.boot_id.as_deref(), now());
        let network = |spec: &PodSpec| self.resources.runtime.network(spec);
        let view = |leftovers| recorded_view::of(leftovers, boot_id, network, now);
        let views = pods.iter().filter_map(|(name, its)| Some((name.clone(), view(its)?)));
        self.registry.list_recovering(views.collect());
        Ok(RecordedPods { actors: self.clone(), pods, _recovering: recovering })
    }

    /// Queries the pod's tasks and starts its actor; returns the number of pods recovered.
    async fn recover_pod(
        self: &Arc<Self>,
        name: PodKey,
        leftovers: PodLeftovers,
    ) -> Result<usize, NodeError> {
        let (found, flawed) = self.queries.query(leftovers).await?;
        if self.registry.is_taken(&name) {
            return Ok(0);
        }
        match repair::sort(found, flawed, now().wall) {
            Sorted::Recoverable(attempts) => Ok(usize::from(self.try_restore(attempts))),
            Sorted::Unsupervised(view, reason, flaw) => {
                self.registry.add_unsupervised(view, reason, flaw);
                Ok(0)
            }
        }
    }

    /// Restores a pod. If its record causes a panic, the pod is left alone and the other pods are
    /// still recovered.
    fn try_restore(self: &Arc<Self>, attempts: Vec<Found>) -> bool {
        let newest = attempts.last().map(|found| (found.id.clone(), found.pod.uid.clone()));
        let restored = panics::catch_call(|| self.restore(attempts));
        let (Err(panic), Some((id, pod_uid))) = (&restored, newest) else {
            return restored.is_ok();
        };
        let reason = format!("internal error: {panic}");
        let (image, flaw, task) = (String::new(), Flaw::Unclear, FoundTask::None);
        let unsound = Unsound { id, pod_uid, image, flaw, reason, task };
        if let Sorted::Unsupervised(view, reason, flaw) =
            repair::sort(Vec::new(), vec![unsound], now().wall)
        {
            self.registry.add_unsupervised(view, reason, flaw);
        }
        false
    }

    /// Starts the actor of a pod that an earlier daemon left, with its successor if there is one.
    pub fn restore(self: &Arc<Self>, mut attempts: Vec<Found>) {
        attempts.sort_by_key(|found| found.id.attempt);
        let Some(uid) = attempts.last().map(|newest| newest.pod.uid.clone()) else { return };
        let (newest, old): (Vec<_>, Vec<_>) =
            attempts.into_iter().partition(|found| found.pod.uid == uid);
        let records = newest.iter().map(start_request).collect();
        let (boot_id, counters) = (self.resources.boot_id.as_deref(), &self.resources.counters);
        let prepare = |attempts| PreparedPod::restored(attempts, boot_id, counters, now());
        let (Some(prepared), old) = (prepare(newest), prepare(old)) else { return };
        let Some(mut old) = old else {
            self.start(prepared);
            return;
        };
        old.remove(now());
        let abandoned = prepared.wanted == Wanted::Removed;
        let name = prepared.spec.key();
        self.start_with(old, Some(Successor::new(prepared, records, abandoned)));
        tracing::info!(pod = %name, "the replacement of the pod continues");
    }
}

fn start_request(found: &Found) -> StartRequest {
    StartRequest {
        id: found.id.clone(),
        pod: Arc::new(found.pod.clone()),
        index: found.pod.place_of(&found.id.container).unwrap_or_default(),
        memory: found.memory.clone(),
    }
}
