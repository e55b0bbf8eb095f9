//! The stored evidence about containers that probes have killed.

use std::sync::Arc;

use super::error::SupervisorError;
use super::pod_handle::index_in;
use super::registry::Registry;
use crate::domain::Incarnation;
use crate::domain::evidence::Evidence;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::PodSpec;
use crate::evidence::EvidenceCollector;
use crate::node::{AttemptId, Node};

pub struct EvidenceStore {
    runtime: Arc<dyn Node>,
    evidence_collector: Arc<dyn EvidenceCollector>,
    registry: Arc<Registry>,
}

impl EvidenceStore {
    pub fn new(
        runtime: Arc<dyn Node>,
        evidence_collector: Arc<dyn EvidenceCollector>,
        registry: Arc<Registry>,
    ) -> Self {
        Self { runtime, evidence_collector, registry }
    }

    /// Deletes the evidence of an adopted container, which is left as if it had never been probed.
    pub async fn delete(&self, spec: &PodSpec) {
        let Some(container) = spec.containers.first() else { return };
        let id = AttemptId::of(spec, &container.name, Incarnation::default());
        if let Some(folder) = self.runtime.log_path(&id).parent() {
            self.evidence_collector.delete_all(folder).await;
        }
    }

    /// Returns the evidence of a container's last kills by a probe, newest first. An empty name
    /// means the first container.
    pub async fn list(
        &self,
        name: &PodKey,
        container: &str,
    ) -> Result<Vec<Evidence>, SupervisorError> {
        let spec = self.registry.listed_spec(name)?;
        let index = index_in(&spec, name, container)?;
        let container = spec.at(index).map(|c| c.name.clone());
        // The spec has the full name: a request may give only the ID of an adopted container.
        let id = AttemptId::of(&spec, container.unwrap_or_default(), Incarnation::default());
        match self.runtime.log_path(&id).parent() {
            Some(folder) => Ok(self.evidence_collector.stored(folder, &spec.uid).await),
            None => Ok(Vec::new()),
        }
    }
}
