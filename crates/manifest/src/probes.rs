//! Probes, both ways.

use std::time::Duration;

use k8s_openapi::api::core::v1 as k8s;

use crate::durations::seconds;
use crate::optional_fields::filled;
use crate::{http_get, ports};
use probelet_domain::spec::{
    ContainerSpec, Exec, Grpc, Handler, PortRef, ProbeSpec, SpecError, TcpSocket,
};

const NOT_NEGATIVE: &str = "must be greater than or equal to 0";

pub fn read(at: &str, probe: k8s::Probe, errors: &mut Vec<SpecError>) -> ProbeSpec {
    let mut number = |name: &str, value: Option<i32>| {
        let value = value.unwrap_or(0);
        u32::try_from(value).unwrap_or_else(|_| {
            errors.push(SpecError::invalid(format!("{at}.{name}"), value, NOT_NEGATIVE));
            0
        })
    };
    let delay = number("initialDelaySeconds", probe.initial_delay_seconds);
    let timeout = number("timeoutSeconds", probe.timeout_seconds);
    let period = number("periodSeconds", probe.period_seconds);
    let success = number("successThreshold", probe.success_threshold);
    let failure = number("failureThreshold", probe.failure_threshold);
    let grace = probe.termination_grace_period_seconds.map(|seconds| {
        // The validation of the spec refuses 0, and this field of a readiness probe.
        Duration::from_secs(u64::try_from(seconds).unwrap_or_else(|_| {
            let field = format!("{at}.terminationGracePeriodSeconds");
            errors.push(SpecError::invalid(field, seconds, "must be greater than 0"));
            0
        }))
    });
    let handlers = Handlers {
        exec: probe.exec,
        http: probe.http_get,
        tcp: probe.tcp_socket,
        grpc: probe.grpc,
    };
    // In Kubernetes, 0 is a field that is not set.
    let length = |value: u32| Duration::from_secs(u64::from(value));
    let mut spec = ProbeSpec::new(handlers.one(at, errors));
    spec.initial_delay = length(delay);
    spec.termination_grace = grace;
    if timeout != 0 {
        spec.timeout = length(timeout);
    }
    if period != 0 {
        spec.period = length(period);
    }
    if success != 0 {
        spec.success_threshold = success;
    }
    if failure != 0 {
        spec.failure_threshold = failure;
    }
    spec
}

/// The handlers that a probe sets: one is allowed.
struct Handlers {
    exec: Option<k8s::ExecAction>,
    http: Option<k8s::HTTPGetAction>,
    tcp: Option<k8s::TCPSocketAction>,
    grpc: Option<k8s::GRPCAction>,
}

impl Handlers {
    /// The first handler in Kubernetes' order; each further one is an error.
    fn one(self, at: &str, errors: &mut Vec<SpecError>) -> Handler {
        let given = [
            ("exec", self.exec.is_some()),
            ("httpGet", self.http.is_some()),
            ("tcpSocket", self.tcp.is_some()),
            ("grpc", self.grpc.is_some()),
        ];
        for (name, _) in given.into_iter().filter(|(_, is_given)| *is_given).skip(1) {
            let why = "may not specify more than 1 handler type";
            errors.push(SpecError::forbidden(format!("{at}.{name}"), why));
        }
        if let Some(exec) = self.exec {
            Handler::Exec(Exec { command: exec.command.unwrap_or_default() })
        } else if let Some(http) = self.http {
            Handler::HttpGet(http_get::read(&format!("{at}.httpGet"), http, errors))
        } else if let Some(tcp) = self.tcp {
            let port = ports::read_ref(&format!("{at}.tcpSocket.port"), tcp.port, errors);
            Handler::TcpSocket(TcpSocket { host: filled(tcp.host), port })
        } else if let Some(grpc) = self.grpc {
            let port = ports::read_number(&format!("{at}.grpc.port"), grpc.port, errors);
            let (port, service) = (PortRef::Number(port), grpc.service.unwrap_or_default());
            Handler::Grpc(Grpc { port, service, tls: false, host: None })
        } else {
            errors.push(SpecError::required(at, "must specify a handler type"));
            // A handler that passes the validation, which must not add a second error.
            Handler::TcpSocket(TcpSocket { host: None, port: PortRef::Number(1) })
        }
    }
}

/// The object of a probe in short form (`http://:8080/healthz`), with its handler alone, and whether it
/// needs the setting `grpcTLS`.
///
/// # Errors
///
/// The text is no probe.
pub fn of_short_form(field: &str, text: &str) -> Result<(serde_json::Value, bool), SpecError> {
    let handler = probelet_domain::spec::short_form::handler(field, text)?;
    let is_tls = matches!(&handler, Handler::Grpc(grpc) if grpc.tls);
    let number = |port: &PortRef| match port {
        PortRef::Number(number) => Some(*number),
        PortRef::Name(_) => None,
    };
    let probe = serde_json::to_value(render_handler(&handler, number));
    let probe = probe.map_err(|error| SpecError::new(field, error.to_string()))?;
    Ok((probe, is_tls))
}

fn render_handler(handler: &Handler, number: impl Fn(&PortRef) -> Option<u16>) -> k8s::Probe {
    match handler {
        Handler::HttpGet(http) => {
            k8s::Probe { http_get: Some(http_get::render(http)), ..k8s::Probe::default() }
        }
        Handler::TcpSocket(tcp) => {
            let tcp =
                k8s::TCPSocketAction { host: tcp.host.clone(), port: ports::render_ref(&tcp.port) };
            k8s::Probe { tcp_socket: Some(tcp), ..k8s::Probe::default() }
        }
        Handler::Grpc(grpc) => {
            // Kubernetes' field is a number. 0 stands for a name that no port of the container has.
            let port = number(&grpc.port).unwrap_or_default();
            let grpc = k8s::GRPCAction { port: port.into(), service: Some(grpc.service.clone()) };
            k8s::Probe { grpc: Some(grpc), ..k8s::Probe::default() }
        }
        Handler::Exec(exec) => {
            let exec = k8s::ExecAction { command: Some(exec.command.clone()) };
            k8s::Probe { exec: Some(exec), ..k8s::Probe::default() }
        }
    }
}

/// `container` has the ports that the probe may name.
pub fn render(container: &ContainerSpec, spec: &ProbeSpec) -> k8s::Probe {
    let handler = render_handler(&spec.handler, |port| container.resolve_port(port).ok());
    let short = |value: Duration| i32::try_from(seconds(value)).unwrap_or(i32::MAX);
    k8s::Probe {
        // Kubernetes leaves this field out if it is 0.
        initial_delay_seconds: Some(short(spec.initial_delay)).filter(|delay| *delay != 0),
        timeout_seconds: Some(short(spec.timeout)),
        period_seconds: Some(short(spec.period)),
        success_threshold: Some(i32::try_from(spec.success_threshold).unwrap_or(i32::MAX)),
        failure_threshold: Some(i32::try_from(spec.failure_threshold).unwrap_or(i32::MAX)),
        termination_grace_period_seconds: spec.termination_grace.map(seconds),
        ..handler
    }
}
