//! Conversions between the API's messages and the domain, in both directions.

use std::time::SystemTime;

use super::error::field;
use crate::domain::exit::Terminated;
use crate::domain::notice;
use crate::domain::probe::ProbeStatus;
use crate::domain::spec::{ContainerSpec, Role, SpecError, SpecErrors};
use crate::domain::status::{ContainerState, ContainerStatus, KillHeld, ShimMemory};
use crate::node::AttemptId;
use crate::pb;
use crate::supervisor::{PodView, Supervisor, SupervisorError, named};
use crate::{manifest, structs};

pub fn pod(supervisor: &Supervisor, view: &PodView) -> pb::Pod {
    let containers = view.status.all();
    pb::Pod {
        namespace: view.spec.key().namespace().to_owned(),
        name: view.spec.name.clone(),
        uid: view.spec.uid.clone(),
        phase: view.status.phase.as_str().into(),
        ready: view.status.is_ready(),
        containers: containers.map(|status| container(supervisor, view, status)).collect(),
        object: structs::from_json(manifest::to_json(view)).ok(),
        removed: false,
        network: view.status.network.about.to_string(),
        ips: view.status.network.ips.to_vec(),
    }
}

/// True if the pod is in the namespace of a request; an empty one means all.
pub fn is_of_namespace(view: &PodView, namespace: &str) -> bool {
    namespace.is_empty() || view.spec.key().namespace() == namespace
}

/// The container that a request means.
pub fn status_of_container<'a>(
    view: &'a PodView,
    container: &str,
) -> Result<&'a ContainerStatus, SupervisorError> {
    let name = named(&view.spec, container)?;
    view.status.of(name).ok_or_else(|| SupervisorError::NoContainer {
        pod: view.spec.key(),
        container: container.to_owned(),
    })
}

pub fn container(
    supervisor: &Supervisor,
    view: &PodView,
    status: &ContainerStatus,
) -> pb::Container {
    let id = AttemptId::of(&view.spec, &status.name, status.instance);
    pb::Container {
        name: status.name.clone(),
        namespace: view.spec.key().namespace().to_owned(),
        pod: view.spec.name.clone(),
        attempt: status.attempt.0,
        image: status.image.clone(),
        image_id: status.image_id.clone(),
        container_id: status.container_id.clone(),
        pid: status.pid.unwrap_or_default(),
        started: status.started,
        ready: status.ready,
        restart_count: status.restart_count,
        state: Some(state(&status.state)),
        last_state: status.last_state.as_ref().map(terminated),
        probes: status.probes.iter().map(probe_status).collect(),
        log_path: supervisor.log_path(&id).display().to_string(),
        next_try: status.next_try.map(Into::into),
        probes_paused_until: status.paused_until.map(Into::into),
        shim_memory: status.shim.map(shim_memory),
        kill_held: status.kill_held.as_ref().map(kill_held),
        init_container: view.spec.role_of(&status.name) != Role::Regular,
        history: status.history.iter().map(end).collect(),
        warnings: view
            .spec
            .all()
            .find(|container| container.name == status.name)
            .and_then(ContainerSpec::warning)
            .into_iter()
            .collect(),
    }
}

fn kill_held(held: &KillHeld) -> pb::KillHeld {
    pb::KillHeld {
        probe: held.probe.lower().into(),
        since: Some(held.since.into()),
        reason: held.reason.clone(),
    }
}

fn shim_memory(shim: ShimMemory) -> pb::ShimMemory {
    pb::ShimMemory { first: shim.first, latest: shim.latest, at: Some(shim.at.into()) }
}

fn state(state: &ContainerState) -> pb::ContainerState {
    use pb::container_state::{Running, State, Waiting};
    let state = match state {
        ContainerState::Waiting { reason, message } => {
            State::Waiting(Waiting { reason: reason.to_string(), message: message.clone() })
        }
        ContainerState::Running { started_at } => {
            State::Running(Running { started_at: Some((*started_at).into()) })
        }
        ContainerState::Terminated(ended) => return terminated(ended),
    };
    pb::ContainerState { state: Some(state) }
}

fn terminated(ended: &Terminated) -> pb::ContainerState {
    let state = pb::container_state::State::Terminated(end(ended));
    pb::ContainerState { state: Some(state) }
}

fn end(ended: &Terminated) -> pb::container_state::Terminated {
    pb::container_state::Terminated {
        exit_code: ended.exit_code,
        signal: ended.signal.unwrap_or_default().into(),
        reason: ended.reason.clone(),
        cause: ended.why(),
        message: ended.message.clone(),
        started_at: ended.started_at.map(Into::into),
        finished_at: Some(ended.finished_at.into()),
        container_id: ended.container_id.clone(),
        attempt: ended.attempt.0,
        oom_kills: ended.oom_kills,
    }
}

fn probe_status(status: &ProbeStatus) -> pb::ProbeStatus {
    let last = status.last.as_ref();
    pb::ProbeStatus {
        kind: status.kind.lower().into(),
        last_outcome: last
            .map(|last| manifest::outcome(&last.outcome).to_owned())
            .unwrap_or_default(),
        last_output: last.map(|last| last.outcome.output().to_owned()).unwrap_or_default(),
        last_exit_code: last.and_then(|last| last.outcome.exit_code()),
        last_at: last.map(|last| last.at.into()),
        last_latency: last.and_then(|last| prost_types::Duration::try_from(last.latency).ok()),
        consecutive: status.consecutive,
        successes: status.successes,
        failures: status.failures,
        errors: status.errors,
        verdict: manifest::verdict(status.verdict).into(),
        since: status.since.map(Into::into),
    }
}

pub fn event(event: notice::Event) -> pb::Event {
    let timestamp = |time: SystemTime| Some(time.into());
    let object = event.object.clone();
    let (object_api_version, object_kind) =
        object.map(|object| (object.api_version, object.kind)).unwrap_or_default();
    pb::Event {
        object_api_version,
        object_kind,
        sequence: event.sequence,
        r#type: event.kind.as_str().into(),
        field_path: event.field_path(),
        reason: event.reason,
        message: event.message,
        namespace: event.namespace,
        pod: event.pod,
        pod_uid: event.pod_uid,
        count: event.count,
        first_timestamp: timestamp(event.first),
        last_timestamp: timestamp(event.last),
    }
}

/// Errors of a pod, by the fields of the requests of `Containers`.
pub fn of_the_request(errors: SpecErrors) -> SpecErrors {
    let rename = |error: SpecError| field(field_of_the_request(&error.field), error.reason);
    let mut renamed: Vec<_> = errors.0.into_iter().map(rename).collect();
    // The pod's and the container's name are one field of a request.
    renamed.dedup();
    SpecErrors(renamed)
}

/// Durations are messages in a request, so no field has a unit in its name.
fn field_of_the_request(field: &str) -> &str {
    let rest = field
        .strip_prefix("spec.containers[")
        .or_else(|| field.strip_prefix("spec.initContainers["));
    let name = match rest.and_then(|rest| rest.split_once("].")) {
        Some((_, name)) => name,
        None => {
            field.strip_prefix("metadata.").or_else(|| field.strip_prefix("spec.")).unwrap_or(field)
        }
    };
    name.strip_suffix("Seconds").unwrap_or(name)
}

pub fn error_of_the_request(error: SupervisorError) -> SupervisorError {
    match error {
        SupervisorError::Invalid(errors) => SupervisorError::Invalid(of_the_request(errors)),
        other => other,
    }
}
