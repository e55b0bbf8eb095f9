//! [`PodSpec`] → Kubernetes' type, as a manifest has it. The defaults that only an API server fills
//! in are left out: [`crate::defaults`] adds them.

use k8s_openapi::api::core::v1 as k8s;

use crate::durations::seconds;
use crate::optional_fields::list;
use crate::{
    env, lifecycle, message, ports, probes, resources, restart_policy, security, streams,
    surroundings, volume_mounts,
};
use probelet_domain::spec::{ContainerSpec, PodSpec, ProbeSpec};

mod volume_sources;

pub fn pod_spec(spec: &PodSpec) -> k8s::PodSpec {
    let out = k8s::PodSpec {
        security_context: security::render_pod(&spec.security),
        init_containers: list(&spec.init_containers, container),
        containers: spec.containers.iter().map(container).collect(),
        active_deadline_seconds: spec.active_deadline.map(seconds),
        hostname: spec.hostname.clone(),
        service_account_name: spec.service_account.clone(),
        image_pull_secrets: list(&spec.pull_secrets, |secret| k8s::LocalObjectReference {
            name: secret.name.clone(),
        }),
        volumes: list(&spec.volumes, volume_sources::render),
        readiness_gates: list(&spec.gates.types, |kind| k8s::PodReadinessGate {
            condition_type: kind.clone(),
        }),
        restart_policy: Some(restart_policy::render(spec.restart_policy)),
        termination_grace_period_seconds: Some(seconds(spec.termination_grace)),
        ..k8s::PodSpec::default()
    };
    surroundings::render(spec, out)
}

fn container(spec: &ContainerSpec) -> k8s::Container {
    let probe = |probe: &ProbeSpec| probes::render(spec, probe);
    let out = k8s::Container {
        name: spec.name.clone(),
        image: Some(spec.image()),
        image_pull_policy: spec.pull_policy.map(|policy| policy.as_str().to_owned()),
        command: list(&spec.command, Clone::clone),
        args: list(&spec.args, Clone::clone),
        env: list(&spec.env, env::render),
        working_dir: spec.working_dir.clone(),
        ports: list(&spec.ports, ports::render),
        liveness_probe: spec.probes.liveness.as_ref().map(probe),
        readiness_probe: spec.probes.readiness.as_ref().map(probe),
        startup_probe: spec.probes.startup.as_ref().map(probe),
        lifecycle: lifecycle::render(&spec.lifecycle),
        restart_policy: spec.restart_policy.map(restart_policy::render),
        restart_policy_rules: list(&spec.restart_policy_rules, restart_policy::render_rule),
        security_context: security::render_container(&spec.security),
        resources: resources::render(&spec.resources),
        volume_mounts: list(&spec.volume_mounts, volume_mounts::render),
        ..k8s::Container::default()
    };
    streams::render(spec.streams, message::render(spec, out))
}
