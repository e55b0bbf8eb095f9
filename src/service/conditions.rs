//! `SetPodCondition`.

use tonic::Status;

use super::error::{invalid, status_of};
use super::{Api, convert};
use crate::domain::spec::{ConditionStatus, SetCondition, SpecError};
use crate::pb;
use crate::supervisor::now;

pub(super) async fn set(
    api: &Api,
    request: pb::SetPodConditionRequest,
) -> Result<pb::SetPodConditionResponse, Status> {
    let pb::SetPodConditionRequest { name, r#type: kind, status, reason, message } = request;
    let status = ConditionStatus::ALL
        .into_iter()
        .find(|known| known.as_str() == status)
        .ok_or_else(|| {
            let supported = ConditionStatus::ALL.map(ConditionStatus::as_str);
            invalid(vec![SpecError::unsupported("status", &status, &supported)])
        })?;
    let set = SetCondition { status, reason, message, since: now().wall };
    let view = api.supervisor.set_condition(&name, &kind, set).await.map_err(status_of)?;
    Ok(pb::SetPodConditionResponse { pod: Some(convert::pod(&api.supervisor, &view)) })
}
