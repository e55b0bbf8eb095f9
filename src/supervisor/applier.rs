//! Applies a pod: creates it, changes it, or replaces it.

use std::sync::Arc;

use super::background::Background;
use super::creation::Creation;
use super::error::{SupervisorError, timed_out};
use super::live_changes::LiveChanges;
use super::manifest_status::ManifestDirStatus;
use super::pod_views::PodViews;
use super::registry::{Registry, Reservation};
use super::replacement::Replacement;
use crate::domain::container::Wanted;
use crate::domain::exit::Caller;
use crate::domain::pod::PodView;
use crate::domain::spec::{PodSpec, Validated};
use crate::node::{CallError, NodeError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    Created,
    /// The live pod was changed.
    Configured,
    Unchanged,
    /// Another pod replaces the old one, because these fields differ.
    Replaced(Vec<String>),
}

pub struct Applier {
    registry: Arc<Registry>,
    views: Arc<PodViews>,
    manifests: Arc<ManifestDirStatus>,
    creation: Arc<Creation>,
    live_changes: Arc<LiveChanges>,
    replacement: Arc<Replacement>,
    background: Background,
}

impl Applier {
    pub fn new(
        (registry, views): (Arc<Registry>, Arc<PodViews>),
        manifests: Arc<ManifestDirStatus>,
        creation: Arc<Creation>,
        live_changes: Arc<LiveChanges>,
        replacement: Arc<Replacement>,
        background: Background,
    ) -> Self {
        Self { registry, views, manifests, creation, live_changes, replacement, background }
    }

    /// Creates the pod, finds an equal one, or changes a live one if a live pod can change all
    /// fields that differ. After an error nothing is left of a new pod, and an old pod is as it
    /// was.
    pub async fn apply(
        &self,
        spec: Validated<PodSpec>,
        wanted: Wanted,
    ) -> Result<(PodView, Applied), SupervisorError> {
        if spec.origin.is_none() {
            self.manifests.check_not_defined_by_file(&spec.key())?;
        }
        self.registry.recovered(&spec.key()).await?;
        let Some(reservation) = self.registry.reserve(&spec.key())? else {
            let (view, changed) = self.live_changes.configure(spec).await?;
            return Ok((view, if changed { Applied::Configured } else { Applied::Unchanged }));
        };
        let view = self.create(Arc::new(spec.into_inner()), wanted, reservation).await?;
        Ok((view, Applied::Created))
    }

    /// Creates and starts a pod of a new name.
    pub async fn create_new(&self, spec: Validated<PodSpec>) -> Result<PodView, SupervisorError> {
        let name = spec.key();
        self.manifests.check_not_defined_by_file(&name)?;
        self.registry.recovered(&name).await?;
        let reservation = self.registry.reserve(&name)?;
        let reservation = reservation.ok_or(SupervisorError::AlreadyExists(name))?;
        self.create(Arc::new(spec.into_inner()), Wanted::Running, reservation).await
    }

    async fn create(
        &self,
        spec: Arc<PodSpec>,
        wanted: Wanted,
        reservation: Reservation,
    ) -> Result<PodView, SupervisorError> {
        let (creation, background) = (self.creation.clone(), self.background.clone());
        let creating = async move {
            let stopped = || NodeError::Call(CallError::Unavailable("the daemon stops".into()));
            let view = tokio::select! {
                view = creation.create(spec, wanted) => view?,
                // The next daemon recovers what has been recorded by then.
                () = background.cancelled() => return Err(stopped().into()),
            };
            reservation.keep();
            Ok(view)
        };
        // A separate task completes the creation even if the caller goes away.
        let created = self.background.spawn(creating).await;
        created.map_err(|error| NodeError::Internal(error.to_string()))?
    }

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
        self.replacement.fetch_images(&spec).await?;
        let (name, uid) = (spec.key(), spec.uid.clone());
        // A separate task completes the replacement even if the caller goes away.
        let (replacement, why) = (self.replacement.clone(), fields.clone());
        let spec = Arc::new(spec.into_inner());
        let replacing = async move { replacement.begin(spec, &why, by).await };
        let bound = self.background.spawn(replacing).await;
        let bound = bound.map_err(|error| NodeError::Internal(error.to_string()))??;
        let mut changes = self.registry.changes().subscribe();
        // An error means that both pods were deleted.
        let is_over = || self.views.get(&name).map_or(true, |view| view.spec.uid == uid);
        let replaced = changes.wait_for(|_| is_over());
        match tokio::time::timeout(bound, replaced).await {
            Ok(_) => Ok((self.views.get(&name)?, Applied::Replaced(fields))),
            Err(_) => Err(timed_out(&name, "replacement", bound)),
        }
    }
}
