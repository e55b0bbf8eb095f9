//! Conversions between the API's messages and the domain, in both directions.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::error::field;
use super::{lifecycle, probes};
use crate::domain::exit::Terminated;
use crate::domain::image::PullPolicy;
use crate::domain::notice;
use crate::domain::pod_key::PodKey;
use crate::domain::probe::ProbeStatus;
use crate::domain::spec::{
    BackoffLimits, ContainerPort, ContainerSpec, EnvVar, MessagePolicy, PodSpec, RestartPolicy,
    Role, Source, SpecError, SpecErrors, TerminationMessage,
};
use crate::domain::status::{ContainerState, ContainerStatus, KillHeld, ShimMemory};
use crate::node::AttemptId;
use crate::pb;
use crate::supervisor::{PodView, Supervisor, SupervisorError, named};
use crate::{manifest, structs};

/// The pod of a container that is created without a pod: it has the container's name.
pub fn pod_of_one(request: pb::CreateContainerRequest, uid: String) -> Result<PodSpec, SpecError> {
    let source = source(request.source, request.rootfs)?;
    let restart_policy = policy(request.restart_policy)?;
    let rules = lifecycle::rules(request.restart_policy_rules)?;
    let grace = probes::duration("terminationGracePeriod", request.termination_grace_period)?;
    let message = message(
        request.termination_message_path,
        &request.termination_message_policy,
        matches!(source, Source::Image(_)),
    )?;
    let is_image = matches!(source, Source::Image(_));
    let pull_policy = pull_policy(&request.image_pull_policy, is_image)?;
    let container = ContainerSpec {
        name: request.name.clone(),
        source,
        pull_policy,
        command: request.command,
        args: request.args,
        env: request.env.into_iter().map(|e| EnvVar::new(e.name, e.value)).collect(),
        working_dir: Some(request.working_dir).filter(|dir| !dir.is_empty()),
        ports: request.ports.into_iter().enumerate().map(port).collect::<Result<_, _>>()?,
        probes: probes::probes(
            request.startup_probe,
            request.readiness_probe,
            request.liveness_probe,
        )?,
        lifecycle: lifecycle::lifecycle(request.lifecycle)?,
        // Rules go with a policy of the container's own.
        restart_policy: (!rules.is_empty()).then_some(restart_policy),
        restart_policy_rules: rules,
        termination_message: message,
        backoff: backoff(request.backoff)?,
        security: Default::default(),
        resources: Default::default(),
        devices: Default::default(),
        volume_mounts: vec![],
        log_limits: Default::default(),
    };
    refuse_process_of_a_bundle(&container)?;
    Ok(PodSpec {
        namespace: PodKey::named(&request.namespace, "").namespace().to_owned(),
        name: request.name,
        uid,
        labels: request.labels.into_iter().collect(),
        annotations: Default::default(),
        restart_policy,
        termination_grace: grace.unwrap_or(Duration::from_secs(30)),
        active_deadline: None,
        hostname: None,
        service_account: None,
        pull_secrets: vec![],
        init_containers: vec![],
        dependents: Default::default(),
        security: Default::default(),
        host_namespaces: Default::default(),
        network: Default::default(),
        share_process_namespace: false,
        naming: Default::default(),
        volumes: vec![],
        gates: Default::default(),
        origin: None,
        ids_of_default: false,
        submitted: None,
        stored: None,
        containers: vec![container],
    })
}

fn pull_policy(policy: &str, is_image: bool) -> Result<Option<PullPolicy>, SpecError> {
    const FIELD: &str = "imagePullPolicy";
    if policy.is_empty() {
        return Ok(None);
    }
    if !is_image {
        return Err(field(FIELD, "Forbidden: a bundle has no image"));
    }
    let found = PullPolicy::ALL.into_iter().find(|supported| supported.as_str() == policy);
    let supported = PullPolicy::ALL.map(PullPolicy::as_str);
    Ok(Some(found.ok_or_else(|| SpecError::unsupported(FIELD, policy, &supported))?))
}

fn message(path: String, policy: &str, is_image: bool) -> Result<TerminationMessage, SpecError> {
    let mut message = TerminationMessage::default();
    if !path.is_empty() {
        if !is_image {
            let why = "Forbidden: a bundle's mounts are the OCI spec's";
            return Err(field("terminationMessagePath", why));
        }
        message.path = path;
    }
    if !policy.is_empty() {
        message.policy = MessagePolicy::parse(policy).ok_or_else(|| {
            let supported = MessagePolicy::ALL.map(MessagePolicy::as_str);
            SpecError::unsupported("terminationMessagePolicy", policy, &supported)
        })?;
    }
    Ok(message)
}

fn source(
    source: Option<pb::create_container_request::Source>,
    rootfs: String,
) -> Result<Source, SpecError> {
    use pb::create_container_request::Source as Given;
    let oci_spec = match source {
        None => return Err(field("image", "Required value: image, ociSpec or ociSpecJson")),
        Some(Given::Image(_)) if !rootfs.is_empty() => {
            return Err(field("rootfs", "Forbidden: may not be set with an image"));
        }
        Some(Given::Image(image)) => return Ok(Source::Image(image)),
        Some(Given::OciSpec(object)) => structs::to_json(object).to_string(),
        Some(Given::OciSpecJson(text)) => text,
    };
    Ok(Source::Bundle { oci_spec, rootfs: PathBuf::from(rootfs) })
}

/// Refuses fields that a bundle's own OCI spec sets: they would be ignored.
fn refuse_process_of_a_bundle(container: &ContainerSpec) -> Result<(), SpecError> {
    if matches!(container.source, Source::Image(_)) {
        return Ok(());
    }
    let set = [
        ("command", !container.command.is_empty()),
        ("args", !container.args.is_empty()),
        ("env", !container.env.is_empty()),
        ("workingDir", container.working_dir.is_some()),
    ];
    match set.iter().find(|(_, is_set)| *is_set) {
        Some((name, _)) => Err(field(*name, "Forbidden: the OCI spec's process sets it")),
        None => Ok(()),
    }
}

fn port((index, port): (usize, pb::ContainerPort)) -> Result<ContainerPort, SpecError> {
    let number = |name: &str, value: u32| {
        let of_range = |_| SpecError::port_range(format!("ports[{index}].{name}"), value);
        u16::try_from(value).map_err(of_range)
    };
    if port.host_port == 0 && !port.host_ip.is_empty() {
        return Err(field(format!("ports[{index}].hostIp"), "Forbidden: there is no hostPort"));
    }
    let host_port = number("hostPort", port.host_port)?;
    Ok(ContainerPort {
        name: Some(port.name).filter(|name| !name.is_empty()),
        port: number("containerPort", port.container_port)?,
        protocol: if port.protocol.is_empty() { "TCP".into() } else { port.protocol },
        host_port: (host_port != 0).then_some(host_port),
        host_ip: Some(port.host_ip).filter(|ip| !ip.is_empty()),
    })
}

fn policy(policy: i32) -> Result<RestartPolicy, SpecError> {
    match pb::RestartPolicy::try_from(policy) {
        Ok(pb::RestartPolicy::Unspecified | pb::RestartPolicy::Always) => Ok(RestartPolicy::Always),
        Ok(pb::RestartPolicy::OnFailure) => Ok(RestartPolicy::OnFailure),
        Ok(pb::RestartPolicy::Never) => Ok(RestartPolicy::Never),
        Err(_) => Err(field("restartPolicy", format!("Unsupported value: {policy}"))),
    }
}

fn backoff(backoff: Option<pb::Backoff>) -> Result<BackoffLimits, SpecError> {
    let mut limits = BackoffLimits::default();
    let Some(backoff) = backoff else { return Ok(limits) };
    if let Some(base) = probes::duration("backoff.base", backoff.base)? {
        limits.base = base;
    }
    if let Some(cap) = probes::duration("backoff.cap", backoff.cap)? {
        limits.cap = cap;
    }
    if let Some(reset) = probes::duration("backoff.reset", backoff.reset)? {
        limits.reset = reset;
    }
    limits.max_restarts = backoff.max_restarts;
    Ok(limits)
}

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
    pb::Event {
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
