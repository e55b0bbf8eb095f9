//! `AdoptContainer` and `ReleaseContainer`.

use std::sync::Arc;

use super::container_answers::ContainerAnswers;
use super::error::{Result, field};
use super::findings::Findings;
use super::probes;
use crate::domain::adopt::{ContainerRef, Settings};
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{SpecError, SpecErrors};
use crate::supervisor::{Adopter, Supervisor};
use crate::{manifest, pb};

/// Calls that begin and end the management of a container that another client created.
#[derive(Clone)]
pub struct Adoption {
    adopter: Arc<Adopter>,
    answers: ContainerAnswers,
}

impl Adoption {
    pub fn new(supervisor: Arc<Supervisor>, adopter: Arc<Adopter>) -> Self {
        Self { adopter, answers: ContainerAnswers::new(supervisor) }
    }

    pub async fn adopt(&self, request: pb::AdoptContainerRequest) -> Result<pb::Container> {
        let (container, settings) = read(request)?;
        let view = self.adopter.adopt(&container, settings).await?;
        self.answers.first(&view)
    }

    pub async fn release(
        &self,
        request: &pb::ReleaseContainerRequest,
    ) -> Result<pb::ReleaseContainerResponse> {
        self.adopter.release(&PodKey::named("", &request.name)).await?;
        Ok(pb::ReleaseContainerResponse {})
    }
}

fn read(
    request: pb::AdoptContainerRequest,
) -> std::result::Result<(ContainerRef, Settings), SpecErrors> {
    let mut found = Findings::default();
    for (name, value) in [("namespace", &request.namespace), ("id", &request.id)] {
        if value.is_empty() {
            found.add(field(name, "Required value"));
        }
        if value.contains('/') {
            let why = format!("Invalid value: {value:?}: must not contain a slash");
            found.add(field(name, why));
        }
    }
    let mut settings = Settings {
        probes: probes::probes(
            (request.startup_probe, request.readiness_probe, request.liveness_probe),
            &mut found,
        ),
        ..Settings::default()
    };
    if !request.restart.is_empty() {
        match manifest::restart(&request.restart) {
            Some(read) => (settings.restart_policy, settings.max_restarts) = read,
            None => {
                let supported = ["always", "on-failure", "on-failure:N", "never"];
                found.add(SpecError::unsupported("restart", &request.restart, &supported));
            }
        }
    }
    let grace = request.termination_grace_period;
    let grace = found.value(probes::duration("terminationGracePeriod", grace));
    settings.grace = grace.unwrap_or(settings.grace);
    found.end((ContainerRef { namespace: request.namespace, id: request.id }, settings))
}
