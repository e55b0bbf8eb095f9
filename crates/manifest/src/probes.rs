//! Kubernetes' Probe → [`ProbeSpec`].

use std::time::Duration;

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::convert::{filled, port_number};
use probelet_domain::spec::{
    Exec, Grpc, Handler, Header, HttpGet, PortRef, ProbeSpec, Scheme, SpecError, TcpSocket,
};

const NOT_NEGATIVE: &str = "must be greater than or equal to 0";

pub(super) fn probe(at: &str, probe: k8s::Probe, errors: &mut Vec<SpecError>) -> ProbeSpec {
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
        // Zero is left to the domain, which knows that a readiness probe must not set it at all.
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
    // In Kubernetes 0 is a field that is not set.
    let seconds = |value: u32| Duration::from_secs(u64::from(value));
    let mut spec = ProbeSpec::new(handlers.one(at, errors));
    spec.initial_delay = seconds(delay);
    spec.termination_grace = grace;
    if timeout != 0 {
        spec.timeout = seconds(timeout);
    }
    if period != 0 {
        spec.period = seconds(period);
    }
    if success != 0 {
        spec.success_threshold = success;
    }
    if failure != 0 {
        spec.failure_threshold = failure;
    }
    spec
}

struct Handlers {
    exec: Option<k8s::ExecAction>,
    http: Option<k8s::HTTPGetAction>,
    tcp: Option<k8s::TCPSocketAction>,
    grpc: Option<k8s::GRPCAction>,
}

impl Handlers {
    /// The first in Kubernetes' order counts; each further one is forbidden.
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
            Handler::HttpGet(http_get(&format!("{at}.httpGet"), http, errors))
        } else if let Some(tcp) = self.tcp {
            let port = port_ref(&format!("{at}.tcpSocket.port"), tcp.port, errors);
            Handler::TcpSocket(TcpSocket { host: filled(tcp.host), port })
        } else if let Some(grpc) = self.grpc {
            let port = port_number(&format!("{at}.grpc.port"), grpc.port, errors);
            let (port, service) = (PortRef::Number(port), grpc.service.unwrap_or_default());
            Handler::Grpc(Grpc { port, service, tls: false, host: None })
        } else {
            errors.push(SpecError::required(at, "must specify a handler type"));
            // A stand-in that passes validation: the error is there already.
            Handler::TcpSocket(TcpSocket { host: None, port: PortRef::Number(1) })
        }
    }
}

pub(super) fn http_get(at: &str, http: k8s::HTTPGetAction, errors: &mut Vec<SpecError>) -> HttpGet {
    let scheme = match http.scheme.as_deref() {
        None | Some("" | "HTTP") => Scheme::Http,
        Some("HTTPS") => Scheme::Https,
        Some(other) => {
            let supported = ["HTTP", "HTTPS"];
            errors.push(SpecError::unsupported(format!("{at}.scheme"), other, &supported));
            Scheme::Http
        }
    };
    let headers = http.http_headers.unwrap_or_default().into_iter();
    HttpGet {
        scheme,
        host: filled(http.host),
        port: port_ref(&format!("{at}.port"), http.port, errors),
        path: filled(http.path).unwrap_or_else(|| "/".into()),
        headers: headers.map(|h| Header { name: h.name, value: h.value }).collect(),
    }
}

fn port_ref(field: &str, port: IntOrString, errors: &mut Vec<SpecError>) -> PortRef {
    match port {
        IntOrString::Int(number) => PortRef::Number(port_number(field, number, errors)),
        IntOrString::String(name) => PortRef::Name(name),
    }
}
