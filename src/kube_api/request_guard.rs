//! Refuses requests that a web page may have caused. A browser attaches a client certificate by
//! itself, so a page of another site could use the API: directly, or under its own name once a name
//! server has pointed that name to this host (DNS rebinding).

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority as HostAndPort;
use probelet_kube_wire::status::{GroupResource, Status};

use crate::kube_authority::Authority;

/// 403 if the request is for another host than this one, or comes from a page of another site.
///
/// A page of this very host is allowed: Python's WebSocket client sends that origin, and the daemon
/// serves no pages. A request without a host is not a browser's.
pub fn check_site(authority: &Authority, request: &Parts) -> Result<(), Status> {
    let host = host(request)?;
    if let Some(host) = &host
        && !authority.serves(host.host())
    {
        let why = format!("the host {:?} is not this server", host.host());
        return Err(forbidden(&why));
    }
    let mut origins = request.headers.get_all(ORIGIN).iter();
    let is_own = |origin: &http::HeaderValue| {
        let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix("https://"));
        let origin = origin.and_then(|origin| origin.parse::<HostAndPort>().ok());
        origin.is_some() && origin == host
    };
    if origins.all(is_own) {
        return Ok(());
    }
    Err(forbidden("requests of web pages are not served"))
}

/// The host in the target of the request (HTTP/2), or in the header.
fn host(request: &Parts) -> Result<Option<HostAndPort>, Status> {
    if let Some(host) = request.uri.authority() {
        return Ok(Some(host.clone()));
    }
    let mut hosts = request.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return match request.headers.contains_key(HOST) {
            true => Err(Status::bad_request("more than one Host header")),
            false => Ok(None),
        };
    };
    let host = HostAndPort::try_from(host.as_bytes());
    host.map(Some).map_err(|_| Status::bad_request("the Host header is not valid"))
}

fn forbidden(why: &str) -> Status {
    Status::forbidden(&GroupResource::new("", ""), "", why)
}
