//! Replaces a pod that cannot be changed into the wanted one: the old pod is stopped as usual, and
//! the new one starts when nothing is left of it.
//!
//! The new pod's records are written before the old pod is asked to stop. If the daemon dies in
//! between, the next one finds the old pod alone or both pods, and continues from there. Both pods
//! have the same name, so the new one's attempts are numbered above the old one's.

use std::sync::Arc;
use std::time::Duration;

use super::clock::now;
use super::creation::Creation;
use super::error::{SupervisorError, located};
use super::events::EventLog;
use super::live_changes::LiveChanges;
use super::local_images::{local_image, local_volume};
use super::pod_handle::PodHandle;
use super::pod_views::PodViews;
use super::pulls::{Pulls, keyrings};
use super::registry::Registry;
use super::successor::Successor;
use crate::domain::Incarnation;
use crate::domain::exit::Caller;
use crate::domain::image::{PullPolicy, VolumeSeen};
use crate::domain::notice::Notice;
use crate::domain::pod::PodView;
use crate::domain::spec::{PodSpec, SpecError, SpecErrors, VolumeSource};
use crate::node::{CallError, Node, NodeError};

/// The number of attempts reserved for restarts of the old pod while the new one is recorded.
const GAP: u32 = 10;
/// The time beyond its grace period that the old pod may take before the caller gets a timeout.
const MARGIN: Duration = Duration::from_secs(15);

pub struct Replacement {
    runtime: Arc<dyn Node>,
    pulls: Arc<Pulls>,
    registry: Arc<Registry>,
    views: Arc<PodViews>,
    creation: Arc<Creation>,
    live_changes: Arc<LiveChanges>,
    events: Arc<EventLog>,
}

impl Replacement {
    pub fn new(
        (runtime, pulls): (Arc<dyn Node>, Arc<Pulls>),
        registry: Arc<Registry>,
        views: Arc<PodViews>,
        creation: Arc<Creation>,
        live_changes: Arc<LiveChanges>,
        events: Arc<EventLog>,
    ) -> Self {
        Self { runtime, pulls, registry, views, creation, live_changes, events }
    }

    /// Pulls the new pod's images first, so that no pod is stopped for one that cannot start.
    pub async fn fetch_images(&self, spec: &PodSpec) -> Result<(), SupervisorError> {
        for (index, container) in spec.all().enumerate() {
            let missing = match local_image(&*self.runtime, container).await {
                Ok(_) => continue,
                Err(NodeError::Call(CallError::NoImage(missing))) => missing,
                Err(error) => return Err(located(spec, index, error)),
            };
            let refused =
                |reason| located(spec, index, NodeError::Invalid { field: "image".into(), reason });
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
            let seen = local_volume(&*self.runtime, &spec.uid, &volume.name, name).await?;
            if seen != VolumeSeen::Missing {
                continue;
            }
            let field = format!("spec.volumes[{index}].image.reference");
            let refused = |reason| SpecErrors(vec![SpecError::new(field.clone(), reason)]);
            if image.pull_policy == Some(PullPolicy::Never) {
                return Err(refused(format!("image {name:?} is not present")).into());
            }
            let pull = self.pulls.join(name, keyrings(spec));
            pull.map_err(refused)?.ended().await.map_err(|(_, reason)| refused(reason))?;
        }
        Ok(())
    }

    /// Starts the replacement, and returns how long the old pod may take to stop.
    pub async fn begin(
        &self,
        spec: Arc<PodSpec>,
        fields: &[String],
        by: Option<Caller>,
    ) -> Result<Duration, SupervisorError> {
        let _changing = self.live_changes.lock().await;
        let name = spec.key();
        let leaving = || SupervisorError::BeingDeleted(name.clone());
        let old = self.views.get(&name)?;
        if old.status.deletion.is_some() {
            return Err(leaving());
        }
        let finalizers = old.spec.finalizers().to_vec();
        if !finalizers.is_empty() {
            return Err(SupervisorError::HasFinalizers { pod: name, finalizers });
        }
        // A pod that an operator stopped stays stopped.
        let wanted = self.registry.with(&name, PodHandle::wanted)?;
        let attempt = newest_attempt(&old).saturating_add(GAP);
        let _ports = self.creation.claim_ports(&spec)?;
        let (prepared, records) =
            self.creation.record(spec.clone(), wanted, Incarnation(attempt)).await?;
        let mut successor = Some(Successor::new(prepared, records, false));
        self.registry.with_mut(&name, |handle| {
            let view = handle.view();
            let has_room = newest_attempt(&view).saturating_add(2) < attempt;
            let is_same = view.spec.uid == old.spec.uid && view.status.deletion.is_none();
            if let Some(successor) = successor.take_if(|_| is_same && has_room) {
                handle.replace(successor, by);
            }
        });
        if let Some(successor) = successor {
            self.creation.undo(successor.into_attempts()).await;
            return Err(leaving());
        }
        let message = format!("Pod replaced: {}", fields.join(", "));
        let container = spec.containers.first().map_or("", |container| &container.name);
        self.events.record(&spec, container, Notice::normal("Replaced", message), now().wall);
        Ok(old.spec.termination_grace.saturating_add(MARGIN))
    }
}

fn newest_attempt(view: &PodView) -> u32 {
    view.status.all().map(|container| container.attempt.0).max().unwrap_or_default()
}
