//! What is kept of a container's deaths by a probe.

use std::time::{Duration, UNIX_EPOCH};

use tonic::{Code, Response, Status};

use super::Api;
use super::error::{refuse, status_of};
use crate::domain::evidence::Evidence;
use crate::{pb, structs};

pub(super) async fn get(
    api: &Api,
    request: pb::GetEvidenceRequest,
) -> Result<Response<pb::GetEvidenceResponse>, Status> {
    let kept = api.supervisor.evidence(&request.name, &request.container).await;
    let evidence = kept.map_err(status_of)?.into_iter().map(evidence).collect::<Result<_, _>>()?;
    Ok(Response::new(pb::GetEvidenceResponse { evidence }))
}

fn evidence(kept: Evidence) -> Result<pb::Evidence, Status> {
    let broken = |error: String| refuse(Code::Internal, format!("evidence not readable: {error}"));
    let json = serde_json::to_value(&kept).map_err(|error| broken(error.to_string()))?;
    let details = structs::from_json(json).map_err(|error| broken(error.to_string()))?;
    Ok(pb::Evidence {
        attempt: kept.attempt.0,
        at: UNIX_EPOCH.checked_add(Duration::from_millis(kept.at)).map(Into::into),
        cause: kept.cause,
        reading: kept.reading,
        details: Some(details),
    })
}
