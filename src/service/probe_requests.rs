//! `UpdateProbes`, `RunProbe`, `PauseProbes` and `ResumeProbes`.

use std::sync::Arc;
use std::time::Duration;

use super::convert;
use super::error::{Error, Result, field};
use super::findings::Findings;
use super::probes::{self, duration};
use super::timeouts::MARGIN;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{ContainerSpec, PodSpec, ProbeKind, Probes, SpecError, SpecErrors};
use crate::domain::status::ContainerStatus;
use crate::manifest;
use crate::pb;
use crate::supervisor::{PodView, Supervisor, SupervisorError, named};

/// The order of kubectl's `describe`: the first kind that a container has is run by default.
const KINDS: [ProbeKind; 3] = [ProbeKind::Liveness, ProbeKind::Readiness, ProbeKind::Startup];

/// Calls about the probes of a running container.
#[derive(Clone)]
pub struct ProbeRequests {
    supervisor: Arc<Supervisor>,
}

impl ProbeRequests {
    pub fn new(supervisor: Arc<Supervisor>) -> Self {
        Self { supervisor }
    }

    /// Replaces the probes.
    pub async fn update(&self, request: pb::UpdateProbesRequest) -> Result<pb::Container> {
        let pb::UpdateProbesRequest { namespace, name, container, .. } = request;
        let pod = self.supervisor.find_recovered(&namespace, &name).await?;
        let view = self.supervisor.get(&pod)?;
        let container = target(&view, &container)?.name.clone();
        let (startup, readiness) = (request.startup_probe, request.readiness_probe);
        let mut found = Findings::default();
        let probes = probes::probes((startup, readiness, request.liveness_probe), &mut found);
        if let Err(errors) = check(&view.spec, &container, &probes) {
            found.follow(errors);
        }
        let probes = found.end(probes)?;
        let updated = self.supervisor.live_changes().update_probes(&pod, &container, probes).await;
        self.answer(&updated.map_err(convert::error_of_the_request)?, &container)
    }

    /// Runs a probe once, without an effect on the container.
    pub async fn run(&self, request: pb::RunProbeRequest) -> Result<pb::RunProbeResponse> {
        let pod = self.supervisor.find_recovered(&request.namespace, &request.name).await?;
        let view = self.supervisor.get(&pod)?;
        let container = target(&view, &request.container)?;
        let kind = kind(&request.kind, &container.probes)?.ok_or_else(|| Error::NoProbe {
            container: container.name.clone(),
            pod: pod.clone(),
        })?;
        let attempt = self.supervisor.requests().run_probe(&pod, &container.name, kind).await?;
        Ok(pb::RunProbeResponse {
            kind: kind.lower().into(),
            outcome: manifest::outcome(&attempt.outcome).into(),
            output: attempt.outcome.output().into(),
            exit_code: attempt.outcome.exit_code(),
            latency: prost_types::Duration::try_from(attempt.latency).ok(),
        })
    }

    pub async fn pause(&self, request: pb::PauseProbesRequest) -> Result<pb::Container> {
        let pb::PauseProbesRequest { namespace, name, container, length } = request;
        let pod = self.supervisor.find_recovered(&namespace, &name).await?;
        let length = pause_length(length)?;
        let before = self.supervisor.get(&pod)?;
        all_or_one(&before, &container)?;
        let earlier = |status: &ContainerStatus| {
            before.status.of(&status.name).and_then(|before| before.paused_until)
        };
        self.supervisor.requests().pause_probes(&pod, &container, length)?;
        // A pause replaces an earlier one, so only another end shows that it has begun.
        let paused = |status: &ContainerStatus| {
            status.paused_until.is_some() && status.paused_until != earlier(status)
        };
        self.answer_when(&pod, &container, "pause of probes", paused).await
    }

    pub async fn resume(&self, request: pb::ResumeProbesRequest) -> Result<pb::Container> {
        let pb::ResumeProbesRequest { namespace, name, container } = request;
        let pod = self.supervisor.find_recovered(&namespace, &name).await?;
        let view = self.supervisor.get(&pod)?;
        all_or_one(&view, &container)?;
        self.supervisor.requests().resume_probes(&pod, &container)?;
        let resumed = |status: &ContainerStatus| status.paused_until.is_none();
        self.answer_when(&pod, &container, "end of a pause of probes", resumed).await
    }

    /// Answers when each container of the request meets the condition.
    async fn answer_when(
        &self,
        pod: &PodKey,
        container: &str,
        condition: &'static str,
        is_met: impl Fn(&ContainerStatus) -> bool + Send,
    ) -> Result<pb::Container> {
        let named = |status: &ContainerStatus| container.is_empty() || status.name == container;
        let all = |view: &PodView| view.status.all().filter(|status| named(status)).all(&is_met);
        let view = self.supervisor.wait(pod, condition, MARGIN, all).await?;
        self.answer(&view, container)
    }

    /// The container, or the first regular one if the request means all.
    fn answer(&self, view: &PodView, container: &str) -> Result<pb::Container> {
        let first = view.status.containers.first().filter(|_| container.is_empty());
        let status = first.or_else(|| view.status.of(container));
        let status = status.ok_or_else(|| no_container(view, container))?;
        Ok(convert::container(&self.supervisor, view, status))
    }
}

/// Checks the whole pod with these probes; the errors name the fields of the request.
fn check(spec: &PodSpec, container: &str, probes: &Probes) -> std::result::Result<(), SpecErrors> {
    let mut changed = spec.clone();
    let index = changed.place_of(container);
    if let Some(changed) = index.and_then(|index| changed.at_mut(index)) {
        changed.probes = probes.clone();
    }
    changed.validate().map(|_| ()).map_err(convert::of_the_request)
}

/// The kind by its name; without a name the first one that the container has.
fn kind(name: &str, probes: &Probes) -> std::result::Result<Option<ProbeKind>, SpecError> {
    if name.is_empty() {
        return Ok(KINDS.into_iter().find(|kind| probes.get(*kind).is_some()));
    }
    let named = KINDS.into_iter().find(|kind| kind.lower() == name);
    named
        .map(Some)
        .ok_or_else(|| SpecError::unsupported("kind", name, &KINDS.map(ProbeKind::lower)))
}

fn pause_length(length: Option<prost_types::Duration>) -> std::result::Result<Duration, SpecError> {
    match duration("length", length)? {
        None => Err(SpecError::required("length", "")),
        Some(Duration::ZERO) => Err(field("length", "Invalid value: must be greater than 0")),
        Some(length) => Ok(length),
    }
}

/// The container of this name; an empty name means the only one.
fn target<'a>(view: &'a PodView, container: &str) -> Result<&'a ContainerSpec> {
    let name = named(&view.spec, container)?;
    let spec = view.spec.all().find(|c| c.name == name);
    Ok(spec.ok_or_else(|| no_container(view, container))?)
}

/// Checks that the container exists; an empty name means all of them.
fn all_or_one(view: &PodView, container: &str) -> Result<()> {
    if container.is_empty() { Ok(()) } else { target(view, container).map(drop) }
}

fn no_container(view: &PodView, container: &str) -> SupervisorError {
    let (pod, container) = (view.spec.key(), container.to_owned());
    SupervisorError::NoContainer { pod, container }
}

#[cfg(test)]
mod tests;
