//! What is asked of the probes of a container that lives: others in their place, one attempt now,
//! none for a while.

use std::time::Duration;

use tonic::{Response, Status};

use super::error::{field, invalid, status_of};
use super::probes::{self, duration};
use super::{Api, MARGIN, convert};
use crate::domain::spec::{ContainerSpec, PodSpec, ProbeKind, Probes, SpecError};
use crate::domain::status::ContainerStatus;
use crate::manifest;
use crate::pb;
use crate::supervisor::{PodView, SupervisorError, named};

/// By kubectl's order in `describe`, which is also that of how much they matter.
const KINDS: [ProbeKind; 3] = [ProbeKind::Liveness, ProbeKind::Readiness, ProbeKind::Startup];

pub(super) async fn update(
    api: &Api,
    request: pb::UpdateProbesRequest,
) -> Result<Response<pb::Container>, Status> {
    let pb::UpdateProbesRequest { name, container, .. } = request;
    let view = api.supervisor.get(&name).map_err(status_of)?;
    let container = target(&view, &container)?.name.clone();
    let (startup, readiness) = (request.startup_probe, request.readiness_probe);
    let probes = probes::probes(startup, readiness, request.liveness_probe);
    let probes = probes.map_err(|e| invalid(vec![e]))?;
    check(&view.spec, &container, &probes).map_err(invalid)?;
    let updated = api.supervisor.update_probes(&name, &container, probes).await;
    let view = updated.map_err(|e| status_of(convert::error_of_the_request(e)))?;
    answer(api, &view, &container)
}

/// The rules of a whole pod, by the fields of the request.
fn check(spec: &PodSpec, container: &str, probes: &Probes) -> Result<(), Vec<SpecError>> {
    let mut changed = spec.clone();
    let place = changed.place_of(container);
    if let Some(changed) = place.and_then(|place| changed.at_mut(place)) {
        changed.probes = probes.clone();
    }
    changed.validate().map(|_| ()).map_err(|errors| convert::of_the_request(errors.0))
}

pub(super) async fn run(
    api: &Api,
    request: pb::RunProbeRequest,
) -> Result<Response<pb::RunProbeResponse>, Status> {
    let view = api.supervisor.get(&request.name).map_err(status_of)?;
    let container = target(&view, &request.container)?;
    let kind = kind(&request.kind, &container.probes).map_err(|e| invalid(vec![e]))?;
    let kind = kind.ok_or_else(|| {
        let (container, pod) = (&container.name, &request.name);
        Status::failed_precondition(format!("container {container:?} in pod {pod:?} has no probe"))
    })?;
    let attempt = api.supervisor.run_probe(&request.name, &container.name, kind).await;
    let attempt = attempt.map_err(status_of)?;
    Ok(Response::new(pb::RunProbeResponse {
        kind: kind.lower().into(),
        outcome: manifest::outcome(&attempt.outcome).into(),
        output: attempt.outcome.output().into(),
        exit_code: attempt.outcome.exit_code(),
        latency: prost_types::Duration::try_from(attempt.latency).ok(),
    }))
}

/// The kind by its name; without one the first that is there, if any.
fn kind(name: &str, probes: &Probes) -> Result<Option<ProbeKind>, SpecError> {
    if name.is_empty() {
        return Ok(KINDS.into_iter().find(|kind| probes.get(*kind).is_some()));
    }
    let named = KINDS.into_iter().find(|kind| kind.lower() == name);
    named
        .map(Some)
        .ok_or_else(|| SpecError::unsupported("kind", name, &KINDS.map(ProbeKind::lower)))
}

pub(super) async fn pause(
    api: &Api,
    request: pb::PauseProbesRequest,
) -> Result<Response<pb::Container>, Status> {
    let pb::PauseProbesRequest { name, container, length } = request;
    let length = pause_length(length).map_err(|e| invalid(vec![e]))?;
    let before = api.supervisor.get(&name).map_err(status_of)?;
    all_or_one(&before, &container)?;
    let earlier = |status: &ContainerStatus| {
        before.status.of(&status.name).and_then(|before| before.paused_until)
    };
    api.supervisor.pause(&name, &container, length).map_err(status_of)?;
    // A pause that was there already is replaced, so a new end is what tells that it was heard.
    let paused = |status: &ContainerStatus| {
        status.paused_until.is_some() && status.paused_until != earlier(status)
    };
    shown(api, &name, &container, "pause of probes", paused).await
}

fn pause_length(length: Option<prost_types::Duration>) -> Result<Duration, SpecError> {
    match duration("length", length)? {
        None => Err(SpecError::required("length", "")),
        Some(Duration::ZERO) => Err(field("length", "Invalid value: must be greater than 0")),
        Some(length) => Ok(length),
    }
}

pub(super) async fn resume(
    api: &Api,
    request: pb::ResumeProbesRequest,
) -> Result<Response<pb::Container>, Status> {
    let pb::ResumeProbesRequest { name, container } = request;
    let view = api.supervisor.get(&name).map_err(status_of)?;
    all_or_one(&view, &container)?;
    api.supervisor.resume_probes(&name, &container).map_err(status_of)?;
    let resumed = |status: &ContainerStatus| status.paused_until.is_none();
    shown(api, &name, &container, "end of a pause of probes", resumed).await
}

/// Waits until each container that was meant shows it.
async fn shown(
    api: &Api,
    name: &str,
    container: &str,
    condition: &'static str,
    reached: impl Fn(&ContainerStatus) -> bool + Send,
) -> Result<Response<pb::Container>, Status> {
    let meant = |status: &ContainerStatus| container.is_empty() || status.name == container;
    let all = |view: &PodView| view.status.all().filter(|status| meant(status)).all(&reached);
    let view = api.supervisor.wait(name, condition, MARGIN, all).await.map_err(status_of)?;
    answer(api, &view, container)
}

/// An empty name means the only one.
fn target<'a>(view: &'a PodView, container: &str) -> Result<&'a ContainerSpec, Status> {
    let name = named(&view.spec, container).map_err(status_of)?;
    view.spec.all().find(|c| c.name == name).ok_or_else(|| no_container(view, container))
}

/// An empty name means all of them.
fn all_or_one(view: &PodView, container: &str) -> Result<(), Status> {
    if container.is_empty() { Ok(()) } else { target(view, container).map(drop) }
}

/// Of all of them the first regular one.
fn answer(api: &Api, view: &PodView, container: &str) -> Result<Response<pb::Container>, Status> {
    let first = view.status.containers.first().filter(|_| container.is_empty());
    let status = first.or_else(|| view.status.of(container));
    let status = status.ok_or_else(|| no_container(view, container))?;
    Ok(Response::new(convert::container(&api.supervisor, view, status)))
}

fn no_container(view: &PodView, container: &str) -> Status {
    let (pod, container) = (view.spec.name.clone(), container.to_owned());
    status_of(SupervisorError::NoContainer { pod, container })
}

#[cfg(test)]
mod tests;
