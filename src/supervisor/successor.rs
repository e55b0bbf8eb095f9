//! The pod that replaces another one of the same name.

use std::sync::Arc;

use super::prepared_pod::PreparedPod;
use crate::domain::spec::PodSpec;
use crate::node::{AttemptId, StartRequest};

/// A recorded pod that starts once nothing is left of the pod that it replaces.
pub struct Successor {
    prepared: PreparedPod,
    records: Vec<StartRequest>,
    /// The old pod was deleted meanwhile, which deletes this one too.
    abandoned: bool,
}

impl Successor {
    /// A successor with the requests by which its containers were recorded.
    pub fn new(prepared: PreparedPod, records: Vec<StartRequest>, abandoned: bool) -> Self {
        Self { prepared, records, abandoned }
    }

    pub fn spec(&self) -> &Arc<PodSpec> {
        &self.prepared.spec
    }

    /// Marks it as deleted. Returns the record to which that has to be written: one is
    /// enough for the next daemon.
    pub fn abandon(&mut self) -> Option<StartRequest> {
        self.abandoned = true;
        self.records.first().cloned()
    }

    /// Returns the attempts that were recorded.
    pub fn into_attempts(self) -> Vec<AttemptId> {
        self.records.into_iter().map(|record| record.id).collect()
    }

    /// Returns the pod.
    ///
    /// # Errors
    ///
    /// Returns the recorded attempts if the successor was deleted.
    pub fn into_pod(self) -> Result<PreparedPod, Vec<AttemptId>> {
        if self.abandoned { Err(self.into_attempts()) } else { Ok(self.prepared) }
    }
}
