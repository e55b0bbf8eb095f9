//! Replaces a pod that cannot be changed into the wanted one: the old pod is stopped as usual, and
//! the new one starts when nothing is left of it.
//!
//! The new pod's records are written before the old pod is asked to stop. If the daemon dies in
//! between, the next one finds the old pod alone or both pods, and continues from there. Both pods
//! have the same name, so the new one's attempts are numbered above the old one's.

use std::sync::Arc;
use std::time::Duration;

use super::actor::Desired;
use super::clock::now;
use super::creation::PreparedPod;
use super::pulls::keyrings;
use super::{Applied, Entry, PodView, Supervisor, SupervisorError, located, lock, timed_out};
use crate::domain::Incarnation;
use crate::domain::container::{Event, Memory, Wanted};
use crate::domain::exit::Caller;
use crate::domain::image::{PullPolicy, VolumeSeen};
use crate::domain::notice::Notice;
use crate::domain::spec::{PodSpec, SpecError, SpecErrors, Validated, VolumeSource};
use crate::runtime::{Found, RuntimeError, StartRequest};

/// The number of attempts reserved for restarts of the old pod while the new one is recorded.
const GAP: u32 = 10;
/// The time beyond its grace period that the old pod may take before the caller gets a timeout.
const MARGIN: Duration = Duration::from_secs(15);
/// The pause before the deletion of a record is retried.
const RETRY: Duration = Duration::from_secs(1);

/// The pod that replaces another one.
pub(super) struct Successor {
    prepared: PreparedPod,
    creations: Vec<StartRequest>,
    /// The old pod was deleted meanwhile, which deletes this one too.
    abandoned: bool,
}

impl Successor {
    pub(super) fn spec(&self) -> Arc<PodSpec> {
        self.prepared.spec.clone()
    }
}

impl Supervisor {
    /// Works as [`Self::apply`], but replaces the pod if a field differs that no live pod can
    /// change. Returns when the new pod exists, or with a timeout, after which the replacement
    /// continues.
    pub async fn apply_or_replace(
        &self,
        spec: Validated<PodSpec>,
        by: Option<Caller>,
    ) -> Result<(PodView, Applied), SupervisorError> {
        let fields = match self.apply(spec.clone(), Wanted::Running).await {
            Err(SupervisorError::Differs { fields, .. }) => fields,
            other => return other,
        };
        self.fetch(&spec).await?;
        let (name, uid) = (spec.name.clone(), spec.uid.clone());
        // A separate task completes the replacement even if the caller goes away.
        let (supervisor, spec, why) = (self.clone(), Arc::new(spec.into_inner()), fields.clone());
        let replacing = async move { supervisor.replace(spec, &why, by).await };
        let bound = self.actors.spawn(replacing).await.map_err(|error| {
            SupervisorError::Runtime(RuntimeError::Internal(error.to_string()))
        })??;
        let mut changes = self.changes();
        // An error means that both pods were deleted.
        let is_over = || self.get(&name).map_or(true, |view| view.spec.uid == uid);
        let replaced = changes.wait_for(|_| is_over());
        match tokio::time::timeout(bound, replaced).await {
            Ok(_) => Ok((self.get(&name)?, Applied::Replaced(fields))),
            Err(_) => Err(timed_out(&name, "replacement", bound)),
        }
    }

    /// Pulls the new pod's images first, so that no pod is stopped for one that cannot start.
    async fn fetch(&self, spec: &PodSpec) -> Result<(), SupervisorError> {
        for (index, container) in spec.all().enumerate() {
            let missing = match self.runtime.check(container).await {
                Ok(_) => continue,
                Err(RuntimeError::NoImage(missing)) => missing,
                Err(error) => return Err(located(spec, index, error)),
            };
            let refused =
                |reason| located(spec, index, RuntimeError::Invalid { field: "image", reason });
            if container.pull_policy == Some(PullPolicy::Never) {
                return Err(refused(missing));
            }
            let pull = self.pulls.join(&container.image(), keyrings(spec));
            pull.map_err(refused)?.ended().await.map_err(|(_, reason)| refused(reason))?;
        }
        self.fetch_volumes(spec).await
    }

    async fn fetch_volumes(&self, spec: &PodSpec) -> Result<(), SupervisorError> {
        for (index, volume) in spec.volumes.iter().enumerate() {
            let VolumeSource::Image(image) = &volume.source else { continue };
            let name = &image.reference;
            let seen = self.runtime.look_at_volume(&spec.uid, &volume.name, name).await?;
            if seen != VolumeSeen::Missing {
                continue;
            }
            let field = format!("spec.volumes[{index}].image.reference");
            let refused = |reason| SpecErrors(vec![SpecError::new(field.clone(), reason)]);
            if image.pull_policy == Some(PullPolicy::Never) {
                return Err(refused(format!("image {name:?} is not here")).into());
            }
            let pull = self.pulls.join(name, keyrings(spec));
            pull.map_err(refused)?.ended().await.map_err(|(_, reason)| refused(reason))?;
        }
        Ok(())
    }

    /// Starts the replacement, and returns how long the old pod may take to stop.
    async fn replace(
        &self,
        spec: Arc<PodSpec>,
        fields: &[String],
        by: Option<Caller>,
    ) -> Result<Duration, SupervisorError> {
        let _turn = self.changing.lock().await;
        let name = spec.name.clone();
        let leaving = || SupervisorError::Leaving(name.clone());
        let old = self.get(&name)?;
        if old.status.deletion.is_some() {
            return Err(leaving());
        }
        // A pod that an operator stopped stays stopped.
        let wanted = self.with(&name, |handle| handle.desired.borrow().wanted)?;
        let newest = |view: &PodView| view.status.all().map(|c| c.attempt.0).max();
        let attempt = newest(&old).unwrap_or_default().saturating_add(GAP);
        let _ports = self.claim_ports(&spec)?;
        let (prepared, creations) = self.record(spec.clone(), wanted, Incarnation(attempt)).await?;
        let mut successor = Some(Box::new(Successor { prepared, creations, abandoned: false }));
        if let Some(Entry::Pod(handle)) = lock(&self.registry).get_mut(&name) {
            let view = handle.view.borrow().clone();
            let has_room = newest(&view).unwrap_or_default().saturating_add(2) < attempt;
            if view.spec.uid == old.spec.uid && view.status.deletion.is_none() && has_room {
                handle.successor = successor.take();
                handle.desired.send_replace(Desired { wanted: Wanted::Removed, grace: None, by });
            }
        }
        if let Some(successor) = successor {
            self.undo(successor.creations.into_iter().map(|creation| creation.id).collect()).await;
            return Err(leaving());
        }
        let message = format!("Pod replaced: {}", fields.join(", "));
        if let Some(first) = spec.containers.first() {
            self.events().record(
                &spec,
                &first.name,
                Notice::normal("Replaced", message),
                now().wall,
            );
        }
        Ok(old.spec.termination_grace.saturating_add(MARGIN))
    }

    /// Recovers the pod that an earlier daemon left, and its successor if there is one.
    pub(super) fn resume_with_successor(&self, mut attempts: Vec<Found>) {
        attempts.sort_by_key(|found| found.id.attempt);
        let Some(uid) = attempts.last().map(|newest| newest.pod.uid.clone()) else { return };
        let (own, others): (Vec<_>, Vec<_>) =
            attempts.into_iter().partition(|found| found.pod.uid == uid);
        let creations = own.iter().map(creation).collect();
        let (Some(prepared), old) = (self.revive(own), self.revive(others)) else { return };
        let Some(mut old) = old else {
            self.adopt(prepared);
            return;
        };
        let event = Event::Wanted { wanted: Wanted::Removed, grace: None };
        old.first.extend(old.pod.handle_all(&event, now()));
        old.wanted = Wanted::Removed;
        let abandoned = prepared.wanted == Wanted::Removed;
        let name = prepared.spec.name.clone();
        let successor = Successor { prepared, creations, abandoned };
        self.adopt_with(old, Some(Box::new(successor)));
        tracing::info!(pod = name, "its replacement goes on");
    }

    /// Starts the successor once nothing is left of the pod.
    pub(super) async fn succeed(&self, name: &str) {
        let successor = match lock(&self.registry).get_mut(name) {
            Some(Entry::Pod(handle)) => handle.successor.take(),
            _ => None,
        };
        match successor.map(|boxed| *boxed) {
            Some(Successor { prepared, abandoned: false, .. }) => {
                self.adopt(prepared);
                return;
            }
            Some(Successor { creations, .. }) => self.forget_all(&creations).await,
            None => {}
        }
        lock(&self.registry).remove(name);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Abandons the successor of a pod that is deleted.
    pub(super) fn abandon_successor(&self, name: &str) {
        let mut registry = lock(&self.registry);
        let Some(Entry::Pod(handle)) = registry.get_mut(name) else { return };
        let Some(successor) = &mut handle.successor else { return };
        successor.abandoned = true;
        let Some(creation) = successor.creations.first().cloned() else { return };
        let runtime = self.runtime.clone();
        // One record that says so is enough for the next daemon.
        self.actors.spawn(async move {
            let memory = Memory { wanted: Wanted::Removed, ..creation.memory };
            if let Err(error) = runtime.remember(&creation.id, &creation.pod, &memory).await {
                tracing::warn!(id = %creation.id, %error, "not written that it is deleted");
            }
        });
    }

    async fn forget_all(&self, creations: &[StartRequest]) {
        for creation in creations {
            while let Err(error) = self.runtime.forget(&creation.id).await {
                tracing::warn!(id = %creation.id, %error, "could not be cleared away yet");
                tokio::select! {
                    () = self.cancel.cancelled() => return,
                    () = tokio::time::sleep(RETRY) => {}
                }
            }
        }
    }
}

fn creation(found: &Found) -> StartRequest {
    StartRequest {
        id: found.id.clone(),
        pod: Arc::new(found.pod.clone()),
        index: found.pod.place_of(&found.id.container).unwrap_or_default(),
        memory: found.memory.clone(),
    }
}
