//! `SetPodCondition`.

use std::sync::Arc;

use super::convert;
use super::error::Result;
use crate::domain::spec::{ConditionStatus, SetCondition, SpecError};
use crate::pb;
use crate::supervisor::{Supervisor, now};

/// Calls that set conditions of pods.
#[derive(Clone)]
pub struct Conditions {
    supervisor: Arc<Supervisor>,
}

impl Conditions {
    pub fn new(supervisor: Arc<Supervisor>) -> Self {
        Self { supervisor }
    }

    pub async fn set(
        &self,
        request: pb::SetPodConditionRequest,
    ) -> Result<pb::SetPodConditionResponse> {
        let pb::SetPodConditionRequest { namespace, name, r#type: kind, status, reason, message } =
            request;
        let pod = self.supervisor.find_recovered(&namespace, &name).await?;
        let status = ConditionStatus::ALL
            .into_iter()
            .find(|supported| supported.as_str() == status)
            .ok_or_else(|| {
                let supported = ConditionStatus::ALL.map(ConditionStatus::as_str);
                SpecError::unsupported("status", &status, &supported)
            })?;
        let set = SetCondition { status, reason, message, since: now().wall };
        let view = self.supervisor.live_changes().set_condition(&pod, &kind, set).await?;
        Ok(pb::SetPodConditionResponse { pod: Some(convert::pod(&self.supervisor, &view)) })
    }
}
