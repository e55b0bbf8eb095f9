//! What is → a Kubernetes `v1.Pod`, as `get pod -o json` prints it.

use std::time::SystemTime;

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::Value;

use super::annotations::{self, CONFIG_FILE, CONFIG_SOURCE, MANIFEST_ERROR, ServerMade};
use super::spec_out::{list, pod_spec, seconds, some};
use super::{defaults, probes_out, resources};
use probelet_domain::exit::Terminated;
use probelet_domain::pod::PodView;
use probelet_domain::spec::{PodSpec, RecursiveReadOnly, Resources, VolumeMount};
use probelet_domain::status::{Condition, ContainerState, ContainerStatus, Phase, PodStatus};
use probelet_domain::user::User;

/// The pod as Kubernetes would show it.
pub fn to_v1_pod(view: &PodView) -> k8s::Pod {
    k8s::Pod {
        metadata: metadata(view),
        spec: Some(k8s::PodSpec {
            node_name: some(&view.status.network.node_name),
            ..defaults::fill(&view.spec, pod_spec(&view.spec))
        }),
        status: Some(pod_status(&view.spec, &view.status)),
    }
}

/// [`to_v1_pod`] as JSON, with `apiVersion` and `kind`.
pub fn to_json(view: &PodView) -> Value {
    // Writing this type cannot fail but for a clock beyond the year 9999, which `time` cuts off.
    serde_json::to_value(to_v1_pod(view)).unwrap_or_default()
}

fn metadata(view: &PodView) -> ObjectMeta {
    let (spec, status) = (&view.spec, &view.status);
    let mut annotations = annotations::export(spec);
    annotations.extend(defaults::annotations(spec));
    for container in status.all() {
        let cause = newest_ending(container).map(Terminated::why);
        let shown = [
            (ServerMade::LastCause, cause),
            (ServerMade::Probes, probes_out::probes(&container.probes)),
            (ServerMade::ProbesPausedUntil, container.paused_until.and_then(probes_out::rfc3339)),
            (ServerMade::KillHeld, container.kill_held.as_ref().map(|held| held.reason.clone())),
        ];
        let said = shown.into_iter().filter_map(|(what, text)| Some((what, text?)));
        annotations.extend(said.map(|(what, text)| (what.key(&container.name), text)));
    }
    if let Some(origin) = &spec.origin {
        annotations.insert(CONFIG_SOURCE.to_owned(), "file".to_owned());
        annotations.insert(CONFIG_FILE.to_owned(), origin.file.clone());
    }
    annotations.extend(view.manifest_error.iter().map(|e| (MANIFEST_ERROR.to_owned(), e.clone())));
    ObjectMeta {
        name: Some(spec.name.clone()),
        namespace: Some(spec.namespace.clone()),
        uid: some(&spec.uid),
        labels: (!spec.labels.is_empty()).then(|| spec.labels.clone()),
        annotations: (!annotations.is_empty()).then_some(annotations),
        creation_timestamp: time(status.created_at),
        // As in Kubernetes: when the grace will be over, not when deletion was asked for.
        deletion_timestamp: status
            .deletion
            .and_then(|(asked, grace)| time(asked.checked_add(grace).unwrap_or(asked))),
        deletion_grace_period_seconds: status.deletion.map(|(_, grace)| seconds(grace)),
        ..ObjectMeta::default()
    }
}

fn newest_ending(container: &ContainerStatus) -> Option<&Terminated> {
    match &container.state {
        ContainerState::Terminated(now) => Some(now),
        _ => container.last_state.as_ref(),
    }
}

fn pod_status(spec: &PodSpec, status: &PodStatus) -> k8s::PodStatus {
    let expired = status.expired.as_ref().filter(|_| status.phase == Phase::Failed);
    let of = |status: &ContainerStatus| {
        let container = spec.all().find(|container| container.name == status.name);
        k8s::ContainerStatus {
            volume_mounts: container.and_then(|own| list(&own.volume_mounts, mount_status)),
            ..container_status(status, container.map(|own| &own.resources))
        }
    };
    k8s::PodStatus {
        phase: Some(status.phase.as_str().to_owned()),
        reason: expired.map(|expired| expired.reason().to_owned()),
        message: expired.map(|expired| expired.message().to_owned()),
        conditions: Some(conditions(spec, status)),
        host_ip: status.network.host_ips.first().cloned(),
        host_ips: list(&status.network.host_ips, |ip| k8s::HostIP { ip: ip.clone() }),
        pod_ip: status.network.ips.first().cloned(),
        pod_ips: list(&status.network.ips, |ip| k8s::PodIP { ip: ip.clone() }),
        qos_class: Some(spec.qos_class().as_str().to_owned()),
        start_time: time(status.created_at),
        init_container_statuses: list(&status.init_containers, of),
        container_statuses: Some(status.containers.iter().map(of).collect()),
        ..k8s::PodStatus::default()
    }
}

/// Those that callers have set come first, as the kubelet keeps them.
fn conditions(spec: &PodSpec, status: &PodStatus) -> Vec<k8s::PodCondition> {
    let set = spec.gates.conditions.iter().map(|(kind, set)| k8s::PodCondition {
        type_: kind.clone(),
        status: set.status.as_str().to_owned(),
        reason: some(&set.reason),
        message: some(&set.message),
        last_transition_time: time(set.since),
        ..k8s::PodCondition::default()
    });
    set.chain(status.conditions.iter().map(condition)).collect()
}

fn condition(condition: &Condition) -> k8s::PodCondition {
    k8s::PodCondition {
        type_: condition.kind.to_owned(),
        status: if condition.is_true { "True" } else { "False" }.to_owned(),
        reason: some(condition.reason),
        message: some(&condition.message),
        last_transition_time: time(condition.since),
        ..k8s::PodCondition::default()
    }
}

fn container_status(
    status: &ContainerStatus,
    resources: Option<&Resources>,
) -> k8s::ContainerStatus {
    // Of an instance, so not before there is one.
    let resources = resources.filter(|_| !status.container_id.is_empty());
    let resources = resources.map(|own| resources::out(own).unwrap_or_default());
    k8s::ContainerStatus {
        name: status.name.clone(),
        ready: status.ready,
        started: Some(status.started),
        restart_count: i32::try_from(status.restart_count).unwrap_or(i32::MAX),
        image: status.image.clone(),
        image_id: status.image_id.clone(),
        container_id: container_id(&status.container_id),
        state: Some(state(&status.state)),
        // Kubernetes prints an empty one before the first end.
        last_state: Some(status.last_state.as_ref().map(ended).unwrap_or_default()),
        allocated_resources: resources.as_ref().and_then(|own| own.requests.clone()),
        resources,
        user: status.user.as_ref().map(user),
        ..k8s::ContainerStatus::default()
    }
}

fn user(user: &User) -> k8s::ContainerUser {
    k8s::ContainerUser {
        linux: Some(k8s::LinuxContainerUser {
            uid: user.uid.into(),
            gid: user.gid.into(),
            supplemental_groups: list(&user.groups, |group| i64::from(*group)),
        }),
    }
}

/// As it is mounted: what is to be read-only below the mount too, either is so or nothing starts.
fn mount_status(mount: &VolumeMount) -> k8s::VolumeMountStatus {
    let recursive = match mount.recursive_read_only {
        RecursiveReadOnly::Disabled => RecursiveReadOnly::Disabled,
        RecursiveReadOnly::IfPossible | RecursiveReadOnly::Enabled => RecursiveReadOnly::Enabled,
    };
    k8s::VolumeMountStatus {
        mount_path: mount.mount_path.clone(),
        name: mount.name.clone(),
        read_only: mount.read_only.then_some(true),
        recursive_read_only: mount.read_only.then(|| recursive.as_str().to_owned()),
        ..k8s::VolumeMountStatus::default()
    }
}

fn container_id(id: &str) -> Option<String> {
    (!id.is_empty()).then(|| format!("containerd://{id}"))
}

fn state(state: &ContainerState) -> k8s::ContainerState {
    match state {
        ContainerState::Waiting { reason, message } => k8s::ContainerState {
            waiting: Some(k8s::ContainerStateWaiting {
                reason: some(reason.as_str()),
                message: some(message),
            }),
            ..k8s::ContainerState::default()
        },
        ContainerState::Running { started_at } => k8s::ContainerState {
            running: Some(k8s::ContainerStateRunning { started_at: time(*started_at) }),
            ..k8s::ContainerState::default()
        },
        ContainerState::Terminated(terminated) => ended(terminated),
    }
}

fn ended(terminated: &Terminated) -> k8s::ContainerState {
    k8s::ContainerState {
        terminated: Some(k8s::ContainerStateTerminated {
            container_id: container_id(&terminated.container_id),
            exit_code: terminated.exit_code,
            signal: terminated.signal.map(i32::from),
            reason: some(&terminated.reason),
            message: some(&terminated.message),
            started_at: terminated.started_at.and_then(time),
            finished_at: time(terminated.finished_at),
        }),
        ..k8s::ContainerState::default()
    }
}

/// `None` for a clock beyond the year 9999.
fn time(at: SystemTime) -> Option<Time> {
    jiff::Timestamp::try_from(at).ok().map(Time)
}
