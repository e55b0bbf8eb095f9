//! Kubernetes' type → [`PodSpec`]: defaults, enumerations and ranges that the domain cannot hold.

use std::time::Duration;

use k8s_openapi::api::core::v1 as k8s;

use super::objects::Objects;
use super::pull_secrets::pull_secrets;
use super::{
    annotations, downward, env, lifecycle, message, probes, resources, security, surroundings,
    volumes,
};
use probelet_domain::image::PullPolicy;
use probelet_domain::spec::{BackoffLimits, ContainerPort, ContainerSpec, Gates, PodSpec};
use probelet_domain::spec::{Probes, RestartPolicy, Source, SpecError};

const DEFAULT_GRACE: i64 = 30;
const MAX_DEADLINE: u32 = i32::MAX as u32;

pub(super) struct Converted {
    pub(super) spec: PodSpec,
    pub(super) errors: Vec<SpecError>,
    pub(super) warnings: Vec<String>,
}

/// Always gives a spec, with stand-ins where there are errors, so that it can be validated too.
pub(super) fn pod(pod: k8s::Pod, uid: String, objects: &Objects) -> Converted {
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    let mut spec = pod.spec.unwrap_or_default();
    downward::check_names(&spec, &mut errors);
    let host_namespaces = surroundings::host_namespaces(&spec);
    if host_namespaces.network {
        on_host(&mut spec);
    }
    let naming = surroundings::naming(&mut spec, &mut errors, &mut warnings);
    let at = "spec.securityContext";
    let security = security::pod(at, spec.security_context.take(), &mut errors, &mut warnings);
    let grace = spec.termination_grace_period_seconds.unwrap_or(DEFAULT_GRACE);
    if grace < 0 {
        warnings.push(format!("spec.terminationGracePeriodSeconds: {grace} counts as 1"));
    }
    let active_deadline = spec.active_deadline_seconds.and_then(|seconds| {
        let whole = u32::try_from(seconds).ok().filter(|s| (1..=MAX_DEADLINE).contains(s));
        if whole.is_none() {
            let why = "must be between 1 and 2147483647, inclusive";
            errors.push(SpecError::invalid("spec.activeDeadlineSeconds", seconds, why));
        }
        whole.map(|seconds| Duration::from_secs(seconds.into()))
    });
    let namespace = filled(pod.metadata.namespace).unwrap_or_else(|| "default".into());
    let objects = (objects, namespace.as_str());
    let volumes = volumes::volumes(spec.volumes.take(), objects, &mut errors);
    let mut containers = |field: &str, containers: Vec<k8s::Container>| -> Vec<ContainerSpec> {
        let containers = containers.into_iter().enumerate().map(|(index, container)| {
            let at = format!("spec.{field}[{index}]");
            convert_container(&at, container, objects, &mut errors, &mut warnings)
        });
        containers.collect()
    };
    let init_containers = containers("initContainers", spec.init_containers.unwrap_or_default());
    let main_containers = containers("containers", spec.containers);
    let pull_secrets = pull_secrets(spec.image_pull_secrets, objects, &mut errors);
    let mut converted = PodSpec {
        init_containers,
        containers: main_containers,
        dependents: Default::default(),
        namespace: namespace.clone(),
        name: pod.metadata.name.unwrap_or_default(),
        uid,
        labels: pod.metadata.labels.unwrap_or_default(),
        annotations: pod.metadata.annotations.unwrap_or_default(),
        restart_policy: restart_policy("spec.restartPolicy", spec.restart_policy, &mut errors)
            .unwrap_or_default(),
        termination_grace: Duration::from_secs(u64::try_from(grace).unwrap_or(1)),
        active_deadline,
        hostname: filled(spec.hostname),
        service_account: filled(spec.service_account_name).or(filled(spec.service_account)),
        security,
        host_namespaces,
        network: Default::default(),
        share_process_namespace: spec.share_process_namespace == Some(true),
        naming,
        pull_secrets,
        volumes,
        gates: Gates { types: gate_types(spec.readiness_gates), ..Gates::default() },
        origin: None,
    };
    annotations::apply(&mut converted, &mut errors, &mut warnings);
    Converted { spec: converted, errors, warnings }
}

fn gate_types(gates: Option<Vec<k8s::PodReadinessGate>>) -> Vec<String> {
    gates.into_iter().flatten().map(|gate| gate.condition_type).collect()
}

/// Kubernetes' default: in the host's network a container's ports are the host's.
fn on_host(spec: &mut k8s::PodSpec) {
    let containers = spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten());
    for port in containers.flat_map(|container| container.ports.iter_mut().flatten()) {
        if port.container_port != 0 && port.host_port.unwrap_or_default() == 0 {
            port.host_port = Some(port.container_port);
        }
    }
}

/// Kubernetes treats an empty string as a field that is not there.
pub(super) fn filled(text: Option<String>) -> Option<String> {
    text.filter(|t| !t.is_empty())
}

fn convert_container(
    at: &str,
    container: k8s::Container,
    objects: (&Objects, &str),
    errors: &mut Vec<SpecError>,
    warnings: &mut Vec<String>,
) -> ContainerSpec {
    let image = container.image.unwrap_or_default();
    let policy_at = format!("{at}.imagePullPolicy");
    let pull_policy = pull_policy(&policy_at, container.image_pull_policy.as_deref(), errors);
    let (restart, rules) = (format!("{at}.restartPolicy"), format!("{at}.restartPolicyRules"));
    let mut probe = |name: &str, probe: Option<k8s::Probe>| {
        probe.map(|p| probes::probe(&format!("{at}.{name}Probe"), p, errors))
    };
    let probes = Probes {
        startup: probe("startup", container.startup_probe),
        readiness: probe("readiness", container.readiness_probe),
        liveness: probe("liveness", container.liveness_probe),
    };
    let (path, policy) = (container.termination_message_path, container.termination_message_policy);
    let message = message::message(at, path, policy, errors);
    let env = env::variables(at, (container.env_from, container.env), objects, errors);
    let security_at = format!("{at}.securityContext");
    ContainerSpec {
        name: container.name,
        source: Source::Image(image),
        pull_policy,
        command: container.command.unwrap_or_default(),
        args: container.args.unwrap_or_default(),
        env,
        working_dir: filled(container.working_dir),
        ports: ports(at, container.ports.unwrap_or_default(), errors, warnings),
        probes,
        lifecycle: lifecycle::lifecycle(&format!("{at}.lifecycle"), container.lifecycle, errors),
        restart_policy: restart_policy(&restart, container.restart_policy, errors),
        restart_policy_rules: lifecycle::rules(&rules, container.restart_policy_rules, errors),
        termination_message: message,
        backoff: BackoffLimits::default(),
        security: security::container(&security_at, container.security_context, errors),
        resources: resources::resources(at, container.resources, errors, warnings),
        devices: Vec::new(),
        volume_mounts: volumes::mounts(at, container.volume_mounts, errors),
        log_limits: Default::default(),
    }
}

pub(super) fn pull_policy(
    field: &str,
    policy: Option<&str>,
    errors: &mut Vec<SpecError>,
) -> Option<PullPolicy> {
    let policy = policy.filter(|policy| !policy.is_empty())?;
    let known = PullPolicy::ALL.into_iter().find(|known| known.as_str() == policy);
    if known.is_none() {
        let supported = PullPolicy::ALL.map(PullPolicy::as_str);
        errors.push(SpecError::unsupported(field, policy, &supported));
    }
    known
}

fn restart_policy(
    field: &str,
    policy: Option<String>,
    errors: &mut Vec<SpecError>,
) -> Option<RestartPolicy> {
    match policy?.as_str() {
        "" => None,
        "Always" => Some(RestartPolicy::Always),
        "OnFailure" => Some(RestartPolicy::OnFailure),
        "Never" => Some(RestartPolicy::Never),
        other => {
            let supported = ["Always", "OnFailure", "Never"];
            errors.push(SpecError::unsupported(field, other, &supported));
            None
        }
    }
}

fn ports(
    at: &str,
    ports: Vec<k8s::ContainerPort>,
    errors: &mut Vec<SpecError>,
    warnings: &mut Vec<String>,
) -> Vec<ContainerPort> {
    let convert = |(index, port): (usize, k8s::ContainerPort)| {
        let at = format!("{at}.ports[{index}]");
        // As in Kubernetes 0 is none.
        let host_port = port.host_port.filter(|number| *number != 0);
        let host_ip = filled(port.host_ip);
        if host_ip.is_some() && host_port.is_none() {
            warnings.push(format!("{at}.hostIP: ignored: there is no hostPort"));
        }
        ContainerPort {
            name: filled(port.name),
            port: port_number(&format!("{at}.containerPort"), port.container_port, errors),
            protocol: filled(port.protocol).unwrap_or_else(|| "TCP".into()),
            host_ip: host_ip.filter(|_| host_port.is_some()),
            host_port: host_port
                .map(|number| port_number(&format!("{at}.hostPort"), number, errors)),
        }
    };
    ports.into_iter().enumerate().map(convert).collect()
}

/// What the domain's type cannot hold is refused here; 0 is left to its own validation.
pub(super) fn port_number(field: &str, number: i32, errors: &mut Vec<SpecError>) -> u16 {
    u16::try_from(number).unwrap_or_else(|_| {
        errors.push(SpecError::port_range(field, number));
        1
    })
}
