//! Probes: conversions from the API's messages to the domain.

use std::time::Duration;

use prost_types::value::Kind;

use super::error::field;
use super::findings::Findings;
use crate::domain::spec::{
    Exec, ExecVia, Grpc, Handler, Header, HttpGet, OnFailure, PortRef, ProbeSpec, Probes, Scheme,
    SpecError, TcpSocket, short_form,
};
use crate::domain::time::MAX_LENGTH;
use crate::pb;

#[cfg(test)]
mod tests;

/// The startup, readiness and liveness probe of a request, by their fields' names. A field with an
/// error has its default.
pub fn probes(
    (startup, readiness, liveness): (Option<pb::Probe>, Option<pb::Probe>, Option<pb::Probe>),
    found: &mut Findings,
) -> Probes {
    let mut one = |name, given: Option<pb::Probe>| probe(name, given?, found);
    Probes {
        startup: one("startupProbe", startup),
        readiness: one("readinessProbe", readiness),
        liveness: one("livenessProbe", liveness),
    }
}

/// `path` is the request's field, as JSON names it.
fn probe(path: &str, probe: pb::Probe, found: &mut Findings) -> Option<ProbeSpec> {
    let at = |name: &str| format!("{path}.{name}");
    let mut spec = ProbeSpec::new(Handler::Exec(Exec { command: vec![] }));
    let handler = handler(path, probe.handler, found);
    let mut length = |name: &str, given| found.value(duration(&at(name), given));
    spec.initial_delay = length("initialDelay", probe.initial_delay).unwrap_or(spec.initial_delay);
    spec.period = length("period", probe.period).unwrap_or(spec.period);
    spec.startup_period = length("startupPeriod", probe.startup_period);
    spec.timeout = length("timeout", probe.timeout).unwrap_or(spec.timeout);
    spec.termination_grace = length("terminationGracePeriod", probe.termination_grace_period);
    if probe.success_threshold > 0 {
        spec.success_threshold = probe.success_threshold;
    }
    if probe.failure_threshold > 0 {
        spec.failure_threshold = probe.failure_threshold;
    }
    spec.on_failure = found.value(on_failure(&at("onFailure"), probe.on_failure));
    spec.exec_via = found.value(exec_via(&at("execVia"), probe.exec_via));
    spec.handler = handler?;
    Some(spec)
}

fn handler(path: &str, given: Option<pb::probe::Handler>, found: &mut Findings) -> Option<Handler> {
    let at = |name: &str| format!("{path}.{name}");
    let handler = match given {
        None => {
            found.add(SpecError::required(path, "must specify a handler type"));
            return None;
        }
        Some(pb::probe::Handler::HttpGet(get)) => {
            Handler::HttpGet(http_get(&at("httpGet"), get, found))
        }
        Some(pb::probe::Handler::TcpSocket(tcp)) => Handler::TcpSocket(TcpSocket {
            host: Some(tcp.host).filter(|host| !host.is_empty()),
            port: port(&at("tcpSocket.port"), tcp.port, found),
        }),
        Some(pb::probe::Handler::Grpc(grpc)) => Handler::Grpc(Grpc {
            port: port(&at("grpc.port"), grpc.port, found),
            service: grpc.service,
            tls: grpc.tls,
            host: None,
        }),
        Some(pb::probe::Handler::Exec(exec)) => Handler::Exec(Exec { command: exec.command }),
        Some(pb::probe::Handler::Url(url)) => match short_form::handler(&at("url"), &url) {
            Ok(handler) => handler,
            Err(error) => {
                found.add(error);
                return None;
            }
        },
    };
    Some(handler)
}

fn on_failure(path: &str, choice: i32) -> Result<Option<OnFailure>, SpecError> {
    match pb::OnFailure::try_from(choice) {
        Ok(pb::OnFailure::Unspecified) => Ok(None),
        Ok(pb::OnFailure::Restart) => Ok(Some(OnFailure::Restart)),
        Ok(pb::OnFailure::Stop) => Ok(Some(OnFailure::Stop)),
        Ok(pb::OnFailure::Notify) => Ok(Some(OnFailure::Notify)),
        Err(_) => Err(field(path, format!("Unsupported value: {choice}"))),
    }
}

fn exec_via(path: &str, choice: i32) -> Result<Option<ExecVia>, SpecError> {
    match pb::ExecVia::try_from(choice) {
        Ok(pb::ExecVia::Unspecified) => Ok(None),
        Ok(pb::ExecVia::Containerd) => Ok(Some(ExecVia::Containerd)),
        Ok(pb::ExecVia::Direct) => Ok(Some(ExecVia::Direct)),
        Err(_) => Err(field(path, format!("Unsupported value: {choice}"))),
    }
}

pub fn http_get(path: &str, get: pb::HttpGetAction, found: &mut Findings) -> HttpGet {
    let scheme = match get.scheme.as_str() {
        "" | "HTTP" | "http" => Scheme::Http,
        "HTTPS" | "https" => Scheme::Https,
        other => {
            let supported = ["HTTP", "HTTPS"];
            found.add(SpecError::unsupported(format!("{path}.scheme"), other, &supported));
            Scheme::Http
        }
    };
    let headers = get.http_headers.into_iter();
    HttpGet {
        scheme,
        host: Some(get.host).filter(|host| !host.is_empty()),
        port: port(&format!("{path}.port"), get.port, found),
        path: if get.path.is_empty() { "/".into() } else { get.path },
        headers: headers.map(|h| Header { name: h.name, value: h.value }).collect(),
    }
}

/// Port 0, which no port can have, stands for a port with an error.
fn port(path: &str, port: Option<prost_types::Value>, found: &mut Findings) -> PortRef {
    read_port(path, port).unwrap_or_else(|error| {
        found.add(error);
        PortRef::Number(0)
    })
}

fn read_port(path: &str, port: Option<prost_types::Value>) -> Result<PortRef, SpecError> {
    match port.and_then(|value| value.kind) {
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 => {
            // A whole f64 in u16's range converts exactly.
            if (1.0..=65535.0).contains(&number) {
                Ok(PortRef::Number(number as u16))
            } else {
                let reason =
                    format!("Invalid value: {number}: must be between 1 and 65535, inclusive");
                Err(field(path, reason))
            }
        }
        Some(Kind::StringValue(name)) => Ok(match name.parse() {
            Ok(number) => PortRef::Number(number),
            Err(_) => PortRef::Name(name),
        }),
        None => Err(field(path, "Required value")),
        Some(_) => Err(field(path, "Invalid value: must be a number or a port's name")),
    }
}

/// A duration that is not set is `None`; a negative one and one over [`MAX_LENGTH`] are refused.
pub fn duration(
    path: &str,
    duration: Option<prost_types::Duration>,
) -> Result<Option<Duration>, SpecError> {
    let Some(duration) = duration else { return Ok(None) };
    let length = Duration::try_from(duration)
        .map_err(|_| field(path, "Invalid value: must be greater than or equal to 0"))?;
    if length > MAX_LENGTH {
        let most = MAX_LENGTH.as_secs();
        return Err(field(path, format!("Invalid value: must be no longer than {most} s")));
    }
    Ok(Some(length))
}
