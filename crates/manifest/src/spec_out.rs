//! [`PodSpec`] → Kubernetes' type, with the defaults filled in that Kubernetes would show.

use std::time::Duration;

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::message::message_out;
use super::{lifecycle, resources, security, surroundings, volumes_out};
use probelet_domain::spec::RestartPolicy;
use probelet_domain::spec::{ContainerPort, ContainerSpec, Handler, PodSpec, PortRef, ProbeSpec};

pub(super) fn pod_spec(spec: &PodSpec) -> k8s::PodSpec {
    let out = k8s::PodSpec {
        security_context: security::pod_out(&spec.security),
        init_containers: list(&spec.init_containers, container),
        containers: spec.containers.iter().map(container).collect(),
        active_deadline_seconds: spec.active_deadline.map(seconds),
        hostname: spec.hostname.clone(),
        service_account_name: spec.service_account.clone(),
        image_pull_secrets: list(&spec.pull_secrets, |secret| k8s::LocalObjectReference {
            name: secret.name.clone(),
        }),
        volumes: list(&spec.volumes, volumes_out::out),
        readiness_gates: list(&spec.gates.types, |kind| k8s::PodReadinessGate {
            condition_type: kind.clone(),
        }),
        restart_policy: Some(policy(spec.restart_policy).to_owned()),
        termination_grace_period_seconds: Some(seconds(spec.termination_grace)),
        ..k8s::PodSpec::default()
    };
    surroundings::out(spec, out)
}

fn container(spec: &ContainerSpec) -> k8s::Container {
    let probe = |probe: &ProbeSpec| self::probe(spec, probe);
    let out = k8s::Container {
        name: spec.name.clone(),
        image: Some(spec.image()),
        image_pull_policy: spec.pull_policy.map(|policy| policy.as_str().to_owned()),
        command: list(&spec.command, Clone::clone),
        args: list(&spec.args, Clone::clone),
        env: list(&spec.env, super::env::out),
        working_dir: spec.working_dir.clone(),
        ports: list(&spec.ports, port),
        liveness_probe: spec.probes.liveness.as_ref().map(probe),
        readiness_probe: spec.probes.readiness.as_ref().map(probe),
        startup_probe: spec.probes.startup.as_ref().map(probe),
        lifecycle: lifecycle::lifecycle_out(&spec.lifecycle),
        restart_policy: spec.restart_policy.map(|p| policy(p).to_owned()),
        restart_policy_rules: list(&spec.restart_policy_rules, lifecycle::rule_out),
        security_context: security::container_out(&spec.security),
        resources: resources::out(&spec.resources),
        volume_mounts: list(&spec.volume_mounts, volumes_out::mount_out),
        ..k8s::Container::default()
    };
    message_out(spec, out)
}

fn port(port: &ContainerPort) -> k8s::ContainerPort {
    k8s::ContainerPort {
        name: port.name.clone(),
        container_port: i32::from(port.port),
        protocol: Some(port.protocol.clone()),
        host_port: port.host_port.map(i32::from),
        host_ip: port.host_ip.clone(),
    }
}

fn probe(container: &ContainerSpec, spec: &ProbeSpec) -> k8s::Probe {
    let handler = match &spec.handler {
        Handler::HttpGet(http) => {
            k8s::Probe { http_get: Some(http_get(http)), ..k8s::Probe::default() }
        }
        Handler::TcpSocket(tcp) => {
            let tcp = k8s::TCPSocketAction { host: tcp.host.clone(), port: port_ref(&tcp.port) };
            k8s::Probe { tcp_socket: Some(tcp), ..k8s::Probe::default() }
        }
        Handler::Grpc(grpc) => {
            // Kubernetes' field holds a number only; 0 is a name that no port of the container has.
            let port = container.resolve_port(&grpc.port).unwrap_or_default();
            let grpc = k8s::GRPCAction { port: port.into(), service: Some(grpc.service.clone()) };
            k8s::Probe { grpc: Some(grpc), ..k8s::Probe::default() }
        }
        Handler::Exec(exec) => {
            let exec = k8s::ExecAction { command: Some(exec.command.clone()) };
            k8s::Probe { exec: Some(exec), ..k8s::Probe::default() }
        }
    };
    let short = |value: Duration| i32::try_from(seconds(value)).unwrap_or(i32::MAX);
    k8s::Probe {
        // Kubernetes leaves this one out where it is 0.
        initial_delay_seconds: Some(short(spec.initial_delay)).filter(|delay| *delay != 0),
        timeout_seconds: Some(short(spec.timeout)),
        period_seconds: Some(short(spec.period)),
        success_threshold: Some(i32::try_from(spec.success_threshold).unwrap_or(i32::MAX)),
        failure_threshold: Some(i32::try_from(spec.failure_threshold).unwrap_or(i32::MAX)),
        termination_grace_period_seconds: spec.termination_grace.map(seconds),
        ..handler
    }
}

pub(super) fn http_get(http: &probelet_domain::spec::HttpGet) -> k8s::HTTPGetAction {
    let header = |h: &probelet_domain::spec::Header| k8s::HTTPHeader {
        name: h.name.clone(),
        value: h.value.clone(),
    };
    k8s::HTTPGetAction {
        host: http.host.clone(),
        http_headers: list(&http.headers, header),
        path: Some(http.path.clone()),
        port: port_ref(&http.port),
        scheme: Some(http.scheme.as_str().to_owned()),
    }
}

fn port_ref(port: &PortRef) -> IntOrString {
    match port {
        PortRef::Number(number) => IntOrString::Int(i32::from(*number)),
        PortRef::Name(name) => IntOrString::String(name.clone()),
    }
}

fn policy(policy: RestartPolicy) -> &'static str {
    match policy {
        RestartPolicy::Always => "Always",
        RestartPolicy::OnFailure => "OnFailure",
        RestartPolicy::Never => "Never",
    }
}

/// Rounded up: half a second must not read as none.
pub(super) fn seconds(value: Duration) -> i64 {
    let up = u64::from(value.subsec_nanos() > 0);
    i64::try_from(value.as_secs().saturating_add(up)).unwrap_or(i64::MAX)
}

/// Kubernetes leaves out what is empty.
pub(super) fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

pub(super) fn list<T, U>(items: &[T], convert: impl Fn(&T) -> U) -> Option<Vec<U>> {
    (!items.is_empty()).then(|| items.iter().map(convert).collect())
}
