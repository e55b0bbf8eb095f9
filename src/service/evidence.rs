//! `GetEvidence`: the evidence of containers that probes have failed.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::error::{Error, Result};
use crate::domain::evidence::Evidence;
use crate::supervisor::Supervisor;
use crate::{pb, structs};

/// Calls that read evidence.
#[derive(Clone)]
pub struct EvidenceQueries {
    supervisor: Arc<Supervisor>,
}

impl EvidenceQueries {
    pub fn new(supervisor: Arc<Supervisor>) -> Self {
        Self { supervisor }
    }

    pub async fn get(&self, request: &pb::GetEvidenceRequest) -> Result<pb::GetEvidenceResponse> {
        let pod = self.supervisor.find(&request.namespace, &request.name)?;
        let stored = self.supervisor.evidence(&pod, &request.container).await?;
        let evidence = stored.into_iter().map(message).collect::<Result<_>>()?;
        Ok(pb::GetEvidenceResponse { evidence })
    }
}

fn message(evidence: Evidence) -> Result<pb::Evidence> {
    let json = serde_json::to_value(&evidence).map_err(Error::EvidenceFormat)?;
    let details = structs::from_json(json).map_err(Error::EvidenceObject)?;
    Ok(pb::Evidence {
        attempt: evidence.attempt.0,
        at: UNIX_EPOCH.checked_add(Duration::from_millis(evidence.at)).map(Into::into),
        cause: evidence.cause,
        reading: evidence.reading,
        details: Some(details),
    })
}
