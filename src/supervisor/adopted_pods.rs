//! The pods of adopted containers: those that are managed, and those that are only listed because
//! they cannot be managed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::SupervisorError;
use super::events::EventLog;
use super::evidence_store::EvidenceStore;
use super::live_changes::LiveChanges;
use super::pod_actors::PodActors;
use super::pod_views::PodViews;
use super::registry::Registry;
use super::unmanaged::UnmanagedContainers;
use crate::domain::adopt::Refusal;
use crate::domain::container::Memory;
use crate::domain::notice::Notice;
use crate::domain::pod::PodView;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::PodSpec;
use crate::node::{AttemptId, Found, Node};

pub struct AdoptedPods {
    runtime: Arc<dyn Node>,
    registry: Arc<Registry>,
    unmanaged: Arc<UnmanagedContainers>,
    views: Arc<PodViews>,
    actors: Arc<PodActors>,
    live_changes: Arc<LiveChanges>,
    evidence: Arc<EvidenceStore>,
    events: Arc<EventLog>,
}

impl AdoptedPods {
    pub fn new(
        (runtime, registry): (Arc<dyn Node>, Arc<Registry>),
        (unmanaged, views): (Arc<UnmanagedContainers>, Arc<PodViews>),
        actors: Arc<PodActors>,
        live_changes: Arc<LiveChanges>,
        evidence: Arc<EvidenceStore>,
        events: Arc<EventLog>,
    ) -> Self {
        Self { runtime, registry, unmanaged, views, actors, live_changes, evidence, events }
    }

    /// Returns the spec of a managed container.
    pub fn spec(&self, name: &PodKey) -> Option<Arc<PodSpec>> {
        self.registry.spec(name)
    }

    pub fn view(&self, name: &PodKey) -> Result<PodView, SupervisorError> {
        self.views.get(name)
    }

    /// Returns the names of adopted containers, managed or only listed.
    pub fn names(&self) -> BTreeSet<PodKey> {
        let mut names: BTreeSet<_> = self.registry.adopted_names().into_iter().collect();
        names.extend(self.unmanaged.views().keys().cloned());
        names
    }

    /// Lists a container that cannot be managed, with the reason, which is reported once.
    pub fn list_unmanaged(&self, spec: Arc<PodSpec>, refusal: &Refusal) {
        if let Some(notice) = self.unmanaged.add(spec.clone(), refusal) {
            self.events.log(&spec, notice);
            self.registry.changes().notify();
        }
    }

    /// Removes a container from the list of those that cannot be managed.
    pub fn unlist(&self, name: &PodKey) {
        if self.unmanaged.remove(name) {
            self.registry.changes().notify();
        }
    }

    /// Logs and records a notice about a container.
    pub fn log(&self, spec: &PodSpec, notice: Notice) {
        self.events.log(spec, notice);
    }

    /// Writes that the container is managed to its record.
    pub async fn record(
        &self,
        id: &AttemptId,
        spec: &PodSpec,
        memory: &Memory,
    ) -> Result<(), SupervisorError> {
        Ok(self.runtime.write_record(id, spec, memory).await?)
    }

    /// Starts to manage a container that is recorded.
    pub fn start(&self, found: Found) {
        self.actors.restore(vec![found]);
    }

    /// Changes how a container is managed.
    pub async fn change(&self, spec: PodSpec) -> Result<PodView, SupervisorError> {
        self.live_changes.change_adopted(spec).await
    }

    /// Stops managing a container and leaves it as it is. Returns its spec if it was managed.
    pub async fn stop(&self, name: &PodKey) -> Option<Arc<PodSpec>> {
        let spec = self.registry.take(name)?.end().await;
        self.registry.changes().notify();
        Some(spec)
    }

    /// Deletes the evidence of a container that is not managed any more.
    pub async fn delete_evidence(&self, spec: &PodSpec) {
        self.evidence.delete(spec).await;
    }
}
