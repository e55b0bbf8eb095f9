//! The creation of a pod: its check, its records, and its first start.

use std::sync::Arc;

use super::clock::now;
use super::error::{SupervisorError, located};
use super::failed_creations::FailedCreations;
use super::manifest_status::ManifestDirStatus;
use super::pod_actors::PodActors;
use super::port_claims::{PortClaim, PortClaims};
use super::prepared_pod::PreparedPod;
use super::registry::Registry;
use crate::domain::Incarnation;
use crate::domain::container::{ImageFacts, Machine, Memory, Wanted};
use crate::domain::pod::PodView;
use crate::domain::spec::{PodSpec, SpecErrors};
use crate::node::{AttemptId, Node, NodeError, StartRequest};

pub struct Creation {
    runtime: Arc<dyn Node>,
    registry: Arc<Registry>,
    manifests: Arc<ManifestDirStatus>,
    ports: PortClaims,
    failed: Arc<FailedCreations>,
    actors: Arc<PodActors>,
}

impl Creation {
    pub fn new(
        runtime: Arc<dyn Node>,
        registry: Arc<Registry>,
        manifests: Arc<ManifestDirStatus>,
        ports: PortClaims,
        failed: Arc<FailedCreations>,
        actors: Arc<PodActors>,
    ) -> Self {
        Self { runtime, registry, manifests, ports, failed, actors }
    }

    /// Checks that every container could be created here and that its host ports are free. Changes
    /// nothing.
    pub async fn check(&self, spec: &PodSpec) -> Result<Vec<ImageFacts>, SupervisorError> {
        if spec.origin.is_none() {
            self.manifests.check_not_defined_by_file(&spec.key())?;
        }
        if let Some(other) = self.registry.with_same_ids(&spec.key()) {
            return Err(SupervisorError::AlreadyExists(other));
        }
        self.ports.check(spec)?;
        let mut images = Vec::new();
        for (index, container) in spec.all().enumerate() {
            match self.runtime.check(container).await {
                Ok(image) => images.push(image),
                // The start pulls the image.
                Err(error) if error.no_image().is_some() => images.push(ImageFacts::default()),
                Err(error) => return Err(located(spec, index, error)),
            }
        }
        Ok(images)
    }

    /// Claims the pod's host ports if they are free.
    pub fn claim_ports(&self, spec: &Arc<PodSpec>) -> Result<PortClaim, SpecErrors> {
        self.ports.claim(spec)
    }

    /// Creates and starts a pod whose name is reserved. After an error nothing is left of it.
    pub async fn create(
        &self,
        spec: Arc<PodSpec>,
        wanted: Wanted,
    ) -> Result<PodView, SupervisorError> {
        let _ports = self.claim_ports(&spec)?;
        let (prepared, _) = self.record(spec, wanted, Incarnation::default()).await?;
        Ok(self.actors.start(prepared))
    }

    /// Checks and records every container before anything runs. Attempts count from `attempt`.
    pub async fn record(
        &self,
        spec: Arc<PodSpec>,
        wanted: Wanted,
        attempt: Incarnation,
    ) -> Result<(PreparedPod, Vec<StartRequest>), SupervisorError> {
        self.failed.delete_of(&spec.key()).await?;
        let images = self.check(&spec).await?;
        let now = now();
        let mut records: Vec<StartRequest> = Vec::new();
        let mut machines = Vec::new();
        for (index, (container, image)) in spec.all().zip(images).enumerate() {
            let machine = Machine::new(spec.clone(), container.clone(), image, now);
            let machine = machine.counting_from(attempt);
            let id = AttemptId::of(&spec, &container.name, attempt);
            let memory = Memory { wanted, ..machine.memory() };
            let record = StartRequest { id, pod: spec.clone(), index, memory };
            let created = self.runtime.create(&record).await;
            // A record that already has that name belongs to another client, so it is not cleaned
            // up.
            if !created.as_ref().is_err_and(NodeError::already_exists) {
                records.push(record);
            }
            if let Err(error) = created {
                self.undo(records.into_iter().map(|record| record.id).collect()).await;
                return Err(located(&spec, index, error));
            }
            machines.push(machine);
        }
        Ok((PreparedPod::created(spec, machines, wanted, attempt, now), records))
    }

    /// Deletes the records of a pod that is not created.
    pub async fn undo(&self, attempts: Vec<AttemptId>) {
        self.failed.delete(attempts).await;
    }
}
