//! Adoption by name.

use tonic::{Response, Status};

use super::error::{field, invalid, status_of};
use super::{Api, probes};
use crate::domain::adopt::{Care, ContainerRef};
use crate::domain::spec::SpecError;
use crate::supervisor::PodView;
use crate::{manifest, pb};

pub(super) async fn adopt(
    api: &Api,
    request: pb::AdoptContainerRequest,
) -> Result<PodView, Status> {
    let (place, care) = read(request).map_err(|error| invalid(vec![error]))?;
    api.adopter.adopt(&place, care).await.map_err(status_of)
}

pub(super) async fn release(
    api: &Api,
    request: pb::ReleaseContainerRequest,
) -> Result<Response<pb::ReleaseContainerResponse>, Status> {
    api.adopter.release(&request.name).await.map_err(status_of)?;
    Ok(Response::new(pb::ReleaseContainerResponse {}))
}

fn read(request: pb::AdoptContainerRequest) -> Result<(ContainerRef, Care), SpecError> {
    for (name, value) in [("namespace", &request.namespace), ("id", &request.id)] {
        if value.is_empty() {
            return Err(field(name, "Required value"));
        }
        if value.contains('/') {
            return Err(field(name, format!("Invalid value: {value:?}: must not contain a slash")));
        }
    }
    let mut care = Care {
        probes: probes::probes(
            request.startup_probe,
            request.readiness_probe,
            request.liveness_probe,
        )?,
        ..Care::default()
    };
    if !request.restart.is_empty() {
        let read = manifest::restart(&request.restart).ok_or_else(|| {
            let supported = ["always", "on-failure", "on-failure:N", "never"];
            SpecError::unsupported("restart", &request.restart, &supported)
        })?;
        (care.restart_policy, care.max_restarts) = read;
    }
    let grace = probes::duration("terminationGracePeriod", request.termination_grace_period)?;
    care.grace = grace.unwrap_or(care.grace);
    Ok((ContainerRef { namespace: request.namespace, id: request.id }, care))
}
