//! Probes as the API writes them, into the domain's.

use std::time::Duration;

use prost_types::value::Kind;

use super::error::field;
use crate::domain::spec::{
    Handler, Header, HttpGet, PortRef, ProbeSpec, Scheme, SpecError, TcpSocket,
};
use crate::pb;

/// `path` is the request's field, as JSON names it.
pub(super) fn probe(path: &str, probe: pb::Probe) -> Result<ProbeSpec, SpecError> {
    let handler = match probe.handler {
        None => return Err(field(path, "Required value: must specify a handler type")),
        Some(pb::probe::Handler::HttpGet(get)) => http_get(&format!("{path}.httpGet"), get)?,
        Some(pb::probe::Handler::TcpSocket(tcp)) => Handler::TcpSocket(TcpSocket {
            host: Some(tcp.host).filter(|host| !host.is_empty()),
            port: port(&format!("{path}.tcpSocket.port"), tcp.port)?,
        }),
        Some(pb::probe::Handler::Url(url)) => short_form(&format!("{path}.url"), &url)?,
    };
    let mut spec = ProbeSpec::new(handler);
    let at = |name: &str| format!("{path}.{name}");
    if let Some(delay) = duration(&at("initialDelay"), probe.initial_delay)? {
        spec.initial_delay = delay;
    }
    if let Some(period) = duration(&at("period"), probe.period)? {
        spec.period = period;
    }
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
    Ok(spec)
}

fn http_get(path: &str, get: pb::HttpGetAction) -> Result<Handler, SpecError> {
    match get.scheme.as_str() {
        "" | "HTTP" | "http" => {}
        "HTTPS" | "https" => {
            return Err(field(format!("{path}.scheme"), "HTTPS: not supported yet"));
        }
        other => {
            let reason = format!("Unsupported value: {other:?}: supported values: \"HTTP\"");
            return Err(field(format!("{path}.scheme"), reason));
        }
    }
    let headers = get.http_headers.into_iter();
    Ok(Handler::HttpGet(HttpGet {
        scheme: Scheme::Http,
        host: Some(get.host).filter(|host| !host.is_empty()),
        port: port(&format!("{path}.port"), get.port)?,
        path: if get.path.is_empty() { "/".into() } else { get.path },
        headers: headers.map(|h| Header { name: h.name, value: h.value }).collect(),
    }))
}

/// Port 0 stands for a number that no port can have; validation refuses it by its field.
fn port(path: &str, port: Option<prost_types::Value>) -> Result<PortRef, SpecError> {
    match port.and_then(|value| value.kind) {
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 => {
            let reason = format!("Invalid value: {number}: must be between 1 and 65535, inclusive");
            // A whole f64 in u16's range converts exactly.
            if (1.0..=65535.0).contains(&number) {
                Ok(PortRef::Number(number as u16))
            } else {
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

/// `http://[HOST]:PORT/path` or `tcp://[HOST]:PORT`.
fn short_form(path: &str, text: &str) -> Result<Handler, SpecError> {
    let bad = |why: &str| field(path, format!("Invalid value: {text:?}: {why}"));
    let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("must begin with a scheme"))?;
    let (authority, target) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let (host, port) = authority.rsplit_once(':').ok_or_else(|| bad("must name a port"))?;
    let port = match port.parse::<u16>() {
        Ok(0) | Err(_) if port.chars().all(|c| c.is_ascii_digit()) => {
            return Err(bad("the port must be between 1 and 65535, inclusive"));
        }
        Ok(number) => PortRef::Number(number),
        Err(_) => PortRef::Name(port.to_owned()),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = Some(host.to_owned()).filter(|host| !host.is_empty());
    match scheme {
        "http" => Ok(Handler::HttpGet(HttpGet {
            scheme: Scheme::Http,
            host,
            port,
            path: target.into(),
            headers: Vec::new(),
        })),
        "tcp" if target == "/" => Ok(Handler::TcpSocket(TcpSocket { host, port })),
        "tcp" => Err(bad("a tcp probe has no path")),
        "https" | "grpc" => Err(bad("this handler is not supported yet")),
        _ => Err(bad("supported schemes: http, tcp")),
    }
}

/// Unset stays unset; a negative one is refused.
pub(super) fn duration(
    path: &str,
    duration: Option<prost_types::Duration>,
) -> Result<Option<Duration>, SpecError> {
    let Some(duration) = duration else { return Ok(None) };
    let converted = Duration::try_from(duration);
    converted
        .map(Some)
        .map_err(|_| field(path, "Invalid value: must be greater than or equal to 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_read() {
        let get = |host: Option<&str>, port, path: &str| {
            let host = host.map(Into::into);
            Handler::HttpGet(HttpGet {
                scheme: Scheme::Http,
                host,
                port,
                path: path.into(),
                headers: vec![],
            })
        };
        let cases = [
            ("http://:8080/healthz", get(None, PortRef::Number(8080), "/healthz")),
            ("http://:web", get(None, PortRef::Name("web".into()), "/")),
            ("http://[::1]:80/a?b=c", get(Some("::1"), PortRef::Number(80), "/a?b=c")),
            (
                "tcp://:5432",
                Handler::TcpSocket(TcpSocket { host: None, port: PortRef::Number(5432) }),
            ),
        ];
        for (text, handler) in cases {
            assert_eq!(short_form("p", text).unwrap(), handler, "{text}");
        }
    }

    #[test]
    fn wrong_short_forms_name_the_field() {
        for text in
            ["8080", "http://host/", "http://:0/", "http://:70000/", "ftp://:1", "tcp://:1/x"]
        {
            let error = short_form("livenessProbe.url", text).unwrap_err();
            assert_eq!(error.field, "livenessProbe.url", "{text}");
        }
    }
}
