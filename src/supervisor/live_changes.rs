//! Changes to the spec of a live pod, without a restart.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use super::actor_request::Request;
use super::error::SupervisorError;
use super::manifest_status::ManifestDirStatus;
use super::pod_views::PodViews;
use super::registry::Registry;
use crate::domain::pod::PodView;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{Change, PodSpec, Probes, SetCondition, Validated};
use crate::manifest::followed;

/// The deadline for an actor to publish a change. It awaits nothing, so this is generous.
const PUBLISHED: Duration = Duration::from_secs(10);

pub struct LiveChanges {
    registry: Arc<Registry>,
    views: Arc<PodViews>,
    manifests: Arc<ManifestDirStatus>,
    /// Serializes changes of live specs: each change builds on the one before.
    changing: Mutex<()>,
}

impl LiveChanges {
    pub fn new(
        registry: Arc<Registry>,
        views: Arc<PodViews>,
        manifests: Arc<ManifestDirStatus>,
    ) -> Self {
        Self { registry, views, manifests, changing: Mutex::default() }
    }

    /// Keeps specs from being changed until the guard is dropped.
    pub async fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Gives a live pod another spec if a live pod can change all fields that differ. Returns
    /// whether any differs.
    pub async fn configure(
        &self,
        spec: Validated<PodSpec>,
    ) -> Result<(PodView, bool), SupervisorError> {
        let _changing = self.lock().await;
        // The pod is read under the lock, because another change may have been in progress.
        let view = self.views.get(&spec.key())?;
        self.change(view, spec).await
    }

    /// Gives a live pod the spec of a changed object of the Kubernetes API, if the pod's spec is still
    /// `before`. Another image restarts the container, as in Kubernetes; other fields that need a new
    /// instance are an error.
    pub async fn submit(
        &self,
        before: &Arc<PodSpec>,
        spec: Validated<PodSpec>,
    ) -> Result<PodView, SupervisorError> {
        let _changing = self.lock().await;
        let name = spec.key();
        self.manifests.check_not_defined_by_file(&name)?;
        let view = self.views.get(&name)?;
        if !Arc::ptr_eq(&view.spec, before) {
            return Err(SupervisorError::Changed(name));
        }
        let spec = spec.into_inner().in_place_of(before);
        match before.change_to(&spec) {
            Change::None => Ok(view),
            Change::Fixed(fields) if !fields.iter().all(|field| field.ends_with("].image")) => {
                Err(SupervisorError::Differs { pod: name, fields })
            }
            Change::Live | Change::Fixed(_) => self.publish(spec).await,
        }
    }

    /// Replaces the container's probes with exactly these.
    pub async fn update_probes(
        &self,
        name: &PodKey,
        container: &str,
        probes: Probes,
    ) -> Result<PodView, SupervisorError> {
        let _changing = self.lock().await;
        self.manifests.check_not_defined_by_file(name)?;
        let index = self.registry.with(name, |handle| handle.index(name, container))??;
        let view = self.views.get(name)?;
        let mut spec = PodSpec::clone(&view.spec);
        if let Some(container) = spec.at_mut(index) {
            container.probes = probes;
        }
        spec.submitted = None;
        self.change(view, spec.validate()?).await.map(|(view, _)| view)
    }

    /// Sets a condition of the pod that probelet does not decide, such as a readiness gate.
    pub async fn set_condition(
        &self,
        name: &PodKey,
        kind: &str,
        set: SetCondition,
    ) -> Result<PodView, SupervisorError> {
        let _changing = self.lock().await;
        let view = self.views.get(name)?;
        let spec = view.spec.with_condition(kind, set)?;
        if spec == *view.spec { Ok(view) } else { self.publish(spec).await }
    }

    /// Removes a condition that a caller has set.
    pub async fn remove_condition(
        &self,
        name: &PodKey,
        kind: &str,
    ) -> Result<PodView, SupervisorError> {
        let _changing = self.lock().await;
        let view = self.views.get(name)?;
        let spec = view.spec.without_condition(kind);
        if spec == *view.spec { Ok(view) } else { self.publish(spec).await }
    }

    /// Changes how an adopted container is managed, while the container itself stays the same.
    pub async fn change_adopted(&self, spec: PodSpec) -> Result<PodView, SupervisorError> {
        let _changing = self.lock().await;
        let live = self.views.get(&spec.key())?;
        self.publish(spec.in_place_of(&live.spec)).await
    }

    async fn change(
        &self,
        view: PodView,
        spec: Validated<PodSpec>,
    ) -> Result<(PodView, bool), SupervisorError> {
        let spec = spec.into_inner().in_place_of(&view.spec);
        let spec = followed(&view.spec, spec);
        match view.spec.change_to(&spec) {
            Change::None => Ok((view, false)),
            Change::Fixed(fields) => Err(SupervisorError::Differs { pod: spec.key(), fields }),
            Change::Live => Ok((self.publish(spec).await?, true)),
        }
    }

    /// Sends a live pod its changed spec, and waits until its view has it.
    async fn publish(&self, spec: PodSpec) -> Result<PodView, SupervisorError> {
        let (name, spec) = (spec.key(), Arc::new(spec));
        let request = Request::ChangeSpec(spec.clone());
        self.registry.with(&name, |handle| handle.send(&name, request))??;
        let has_spec = |view: &PodView| Arc::ptr_eq(&view.spec, &spec);
        self.registry.wait(&name, "change", PUBLISHED, has_spec).await
    }
}
