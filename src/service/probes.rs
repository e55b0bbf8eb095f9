//! Probes: conversions from the API's messages to the domain.

use std::time::Duration;

use prost_types::value::Kind;

use super::error::field;
use crate::domain::spec::{
    Exec, Grpc, Handler, Header, HttpGet, OnFailure, PortRef, ProbeSpec, Probes, Scheme, SpecError,
    TcpSocket, short_form,
};
use crate::domain::time::MAX_LENGTH;
use crate::pb;

#[cfg(test)]
mod tests;

/// The three probes of a request, by their fields' names.
pub fn probes(
    startup: Option<pb::Probe>,
    readiness: Option<pb::Probe>,
    liveness: Option<pb::Probe>,
) -> Result<Probes, SpecError> {
    let one = |name, given: Option<pb::Probe>| given.map(|given| probe(name, given)).transpose();
    Ok(Probes {
        startup: one("startupProbe", startup)?,
        readiness: one("readinessProbe", readiness)?,
        liveness: one("livenessProbe", liveness)?,
    })
}

/// `path` is the request's field, as JSON names it.
fn probe(path: &str, probe: pb::Probe) -> Result<ProbeSpec, SpecError> {
    let at = |name: &str| format!("{path}.{name}");
    let handler = match probe.handler {
        None => return Err(SpecError::required(path, "must specify a handler type")),
        Some(pb::probe::Handler::HttpGet(get)) => Handler::HttpGet(http_get(&at("httpGet"), get)?),
        Some(pb::probe::Handler::TcpSocket(tcp)) => Handler::TcpSocket(TcpSocket {
            host: Some(tcp.host).filter(|host| !host.is_empty()),
            port: port(&at("tcpSocket.port"), tcp.port)?,
        }),
        Some(pb::probe::Handler::Grpc(grpc)) => Handler::Grpc(Grpc {
            port: port(&at("grpc.port"), grpc.port)?,
            service: grpc.service,
            tls: grpc.tls,
            host: None,
        }),
        Some(pb::probe::Handler::Exec(exec)) => Handler::Exec(Exec { command: exec.command }),
        Some(pb::probe::Handler::Url(url)) => short_form::handler(&at("url"), &url)?,
    };
    let mut spec = ProbeSpec::new(handler);
    if let Some(delay) = duration(&at("initialDelay"), probe.initial_delay)? {
        spec.initial_delay = delay;
    }
    if let Some(period) = duration(&at("period"), probe.period)? {
        spec.period = period;
    }
    spec.startup_period = duration(&at("startupPeriod"), probe.startup_period)?;
    if let Some(timeout) = duration(&at("timeout"), probe.timeout)? {
        spec.timeout = timeout;
    }
    if probe.success_threshold > 0 {
        spec.success_threshold = probe.success_threshold;
    }
    if probe.failure_threshold > 0 {
        spec.failure_threshold = probe.failure_threshold;
    }
    spec.termination_grace =
        duration(&at("terminationGracePeriod"), probe.termination_grace_period)?;
    spec.on_failure = on_failure(&at("onFailure"), probe.on_failure)?;
    Ok(spec)
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

pub fn http_get(path: &str, get: pb::HttpGetAction) -> Result<HttpGet, SpecError> {
    let scheme = match get.scheme.as_str() {
        "" | "HTTP" | "http" => Scheme::Http,
        "HTTPS" | "https" => Scheme::Https,
        other => {
            let supported = ["HTTP", "HTTPS"];
            return Err(SpecError::unsupported(format!("{path}.scheme"), other, &supported));
        }
    };
    let headers = get.http_headers.into_iter();
    Ok(HttpGet {
        scheme,
        host: Some(get.host).filter(|host| !host.is_empty()),
        port: port(&format!("{path}.port"), get.port)?,
        path: if get.path.is_empty() { "/".into() } else { get.path },
        headers: headers.map(|h| Header { name: h.name, value: h.value }).collect(),
    })
}

/// Port 0 stands for a number that no port can have; validation refuses it by its field.
fn port(path: &str, port: Option<prost_types::Value>) -> Result<PortRef, SpecError> {
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
