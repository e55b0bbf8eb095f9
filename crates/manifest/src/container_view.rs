//! The status of a container → Kubernetes' type.

use std::time::SystemTime;

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::optional_fields::{list, some};
use crate::resources;
use probelet_domain::exit::Terminated;
use probelet_domain::spec::{RecursiveReadOnly, Resources, VolumeMount};
use probelet_domain::status::{ContainerState, ContainerStatus};
use probelet_domain::user::User;

/// The status of a container, whose resources are those of its spec.
pub fn container_status(
    status: &ContainerStatus,
    resources: Option<&Resources>,
) -> k8s::ContainerStatus {
    // The resources of an instance: none before the first one.
    let resources = resources.filter(|_| !status.container_id.is_empty());
    let resources = resources.map(|spec| resources::render(spec).unwrap_or_default());
    k8s::ContainerStatus {
        name: status.name.clone(),
        ready: status.ready,
        started: Some(status.started),
        restart_count: i32::try_from(status.restart_count).unwrap_or(i32::MAX),
        image: status.image.clone(),
        image_id: status.image_id.clone(),
        container_id: container_id(&status.container_id),
        state: Some(state(&status.state)),
        // Kubernetes prints an empty state before the first termination.
        last_state: Some(status.last_state.as_ref().map(ended).unwrap_or_default()),
        allocated_resources: resources.as_ref().and_then(|shown| shown.requests.clone()),
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

/// The mount of a running container. A container with a mount that cannot be made recursively
/// read-only does not start, so `IfPossible` is shown as `Enabled`.
pub fn mount_status(mount: &VolumeMount) -> k8s::VolumeMountStatus {
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

/// The time; `None` after the year 9999.
pub fn time(at: SystemTime) -> Option<Time> {
    jiff::Timestamp::try_from(at).ok().map(Time)
}
