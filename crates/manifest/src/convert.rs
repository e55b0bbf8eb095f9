//! Kubernetes' Pod → [`PodSpec`]: defaults, names of enumerations, and ranges of numbers.

use std::time::Duration;

use k8s_openapi::api::core::v1 as k8s;

use crate::objects::Objects;
use crate::optional_fields::filled;
use crate::pull_secrets::pull_secrets;
use crate::{annotations, container, downward, restart_policy, security, surroundings, volumes};
use probelet_domain::spec::{
    ContainerSpec, Gates, PodSpec, ReferenceUser, SpecError, Volume, metadata_rules,
};

/// Seconds, as in Kubernetes.
const DEFAULT_GRACE: i64 = 30;
/// Seconds.
const MAX_DEADLINE: u32 = i32::MAX as u32;

/// The spec of a pod, and the errors and warnings of the conversion.
pub struct Converted {
    pub(crate) spec: PodSpec,
    pub(crate) errors: Vec<SpecError>,
    pub(crate) warnings: Vec<String>,
}

/// Converts a pod. The result has a spec also if there are errors, with another value for each field
/// that has one, so that the rest of the spec can be validated.
pub fn pod(pod: k8s::Pod, uid: String, objects: &Objects) -> Converted {
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    let mut spec = pod.spec.unwrap_or_default();
    downward::check_names(&spec, &mut errors);
    let host_namespaces = surroundings::host_namespaces(&spec);
    if host_namespaces.network {
        on_host(&mut spec);
    }
    let naming = surroundings::naming(&mut spec, &mut errors, &mut warnings);
    let at = "spec.securityContext";
    let security = security::read_pod(at, spec.security_context.take(), &mut errors, &mut warnings);
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
    let volumes = volumes::read(spec.volumes.take(), objects, &mut errors);
    let mut containers = |field: &str, containers: Vec<k8s::Container>| -> Vec<ContainerSpec> {
        let containers = containers.into_iter().enumerate().map(|(index, container)| {
            let at = format!("spec.{field}[{index}]");
            container::read(&at, container, objects, &mut errors, &mut warnings)
        });
        containers.collect()
    };
    let init_containers = containers("initContainers", spec.init_containers.unwrap_or_default());
    let main_containers = containers("containers", spec.containers);
    let pull_secrets = pull_secrets(spec.image_pull_secrets, objects, &mut errors);
    let user = |at: &str| reference_user(at, &init_containers, &main_containers, &volumes);
    let stored = objects.0.references(user);
    let mut converted = PodSpec {
        init_containers,
        containers: main_containers,
        dependents: Default::default(),
        namespace: namespace.clone(),
        name: pod.metadata.name.unwrap_or_default(),
        uid,
        labels: pod.metadata.labels.unwrap_or_default(),
        annotations: pod.metadata.annotations.unwrap_or_default(),
        restart_policy: restart_policy::read(
            "spec.restartPolicy",
            spec.restart_policy,
            &mut errors,
        )
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
        ids_of_default: false,
        submitted: None,
        stored,
    };
    errors.extend(metadata_rules(&converted.labels, &converted.annotations));
    annotations::apply(&mut converted, &mut errors, &mut warnings);
    Converted { spec: converted, errors, warnings }
}

/// The part of a pod that has the field `at`.
fn reference_user(
    at: &str,
    init: &[ContainerSpec],
    main: &[ContainerSpec],
    volumes: &[Volume],
) -> Option<ReferenceUser> {
    let index = |list: &str| -> Option<usize> {
        let (index, _) =
            at.strip_prefix("spec.")?.strip_prefix(list)?.strip_prefix('[')?.split_once(']')?;
        index.parse().ok()
    };
    let container = |list: &str, containers: &[ContainerSpec]| {
        let container = containers.get(index(list)?)?;
        Some(ReferenceUser::Container(container.name.clone()))
    };
    let volume = || Some(ReferenceUser::Volume(volumes.get(index("volumes")?)?.name.clone()));
    container("initContainers", init).or_else(|| container("containers", main)).or_else(volume)
}

fn gate_types(gates: Option<Vec<k8s::PodReadinessGate>>) -> Vec<String> {
    gates.into_iter().flatten().map(|gate| gate.condition_type).collect()
}

/// Kubernetes' default: with `hostNetwork`, each port of a container is a port of the host.
fn on_host(spec: &mut k8s::PodSpec) {
    let containers = spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten());
    for port in containers.flat_map(|container| container.ports.iter_mut().flatten()) {
        if port.container_port != 0 && port.host_port.unwrap_or_default() == 0 {
            port.host_port = Some(port.container_port);
        }
    }
}
