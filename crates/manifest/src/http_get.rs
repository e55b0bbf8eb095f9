//! HTTP requests of probes and hooks, both ways.

use k8s_openapi::api::core::v1 as k8s;

use crate::optional_fields::{filled, list};
use crate::ports;
use probelet_domain::spec::{Header, HttpGet, Scheme, SpecError};

pub fn read(at: &str, http: k8s::HTTPGetAction, errors: &mut Vec<SpecError>) -> HttpGet {
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
        port: ports::read_ref(&format!("{at}.port"), http.port, errors),
        path: filled(http.path).unwrap_or_else(|| "/".into()),
        headers: headers.map(|h| Header { name: h.name, value: h.value }).collect(),
    }
}

pub fn render(http: &HttpGet) -> k8s::HTTPGetAction {
    let header = |header: &Header| k8s::HTTPHeader {
        name: header.name.clone(),
        value: header.value.clone(),
    };
    k8s::HTTPGetAction {
        host: http.host.clone(),
        http_headers: list(&http.headers, header),
        path: Some(http.path.clone()),
        port: ports::render_ref(&http.port),
        scheme: Some(http.scheme.as_str().to_owned()),
    }
}
