//! Headers of a probe's request, as Go's client sends them with the kubelet's defaults.

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, REFERER, USER_AGENT};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use http_body_util::Empty;

use probelet_domain::spec::Header;

use super::location::Location;

/// Name by which servers recognise the kubelet's probes. Some servers answer them in a special way.
const AGENT: HeaderValue = HeaderValue::from_static("kube-probe/1.36");

/// Headers that follow from the request itself, so that those of the user are ignored.
const IGNORED: [&str; 4] = ["host", "content-length", "transfer-encoding", "trailer"];

#[derive(Debug)]
pub struct Headers {
    /// Value that replaces the host in the request, but not the address that is dialled.
    host: Option<HeaderValue>,
    /// Other headers in the order in which they are sent, without those of a redirect.
    rest: HeaderMap,
    closes: bool,
}

impl Headers {
    /// Checks and sorts the headers of a spec.
    ///
    /// # Errors
    ///
    /// Go's text for a header that cannot be sent, which is a failure of the probe.
    pub fn new(given: &[Header]) -> Result<Self, String> {
        let mut all = Vec::with_capacity(given.len());
        for header in given {
            let name = HeaderName::from_bytes(header.name.as_bytes())
                .map_err(|_| format!("net/http: invalid header field name {:?}", header.name))?;
            // Go trims a value, but checks for control characters before.
            let valid = HeaderValue::from_str(&header.value).is_ok();
            let value = HeaderValue::from_str(header.value.trim_matches([' ', '\t']));
            match value {
                Ok(value) if valid => all.push((name, value)),
                _ => {
                    let name = canonical(&header.name);
                    return Err(format!("net/http: invalid header field value for {name:?}"));
                }
            }
        }
        all.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));

        let first = |name| all.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        let host = first(HOST).filter(|value| !value.is_empty());
        let mut rest = HeaderMap::new();
        // A header with an empty value is not sent.
        let agent = first(USER_AGENT).unwrap_or(AGENT);
        if !agent.is_empty() {
            rest.insert(USER_AGENT, agent);
        }
        match first(ACCEPT) {
            None => drop(rest.insert(ACCEPT, HeaderValue::from_static("*/*"))),
            Some(value) if value.is_empty() => all.retain(|(name, _)| name != ACCEPT),
            Some(_) => {}
        }
        let mut closes = false;
        for (name, value) in all {
            closes |= name == CONNECTION && value.as_bytes().eq_ignore_ascii_case(b"close");
            if name != USER_AGENT && !IGNORED.contains(&name.as_str()) {
                rest.append(name, value);
            }
        }
        Ok(Self { host, rest, closes })
    }

    pub fn request(
        &self,
        location: &Location,
        keep_host: bool,
        referer: Option<&str>,
    ) -> Result<Request<Empty<Bytes>>, String> {
        let uri = Uri::builder().path_and_query(&*location.target).build();
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri.map_err(|error| error.to_string())?;
        let headers = request.headers_mut();
        let host = match &self.host {
            Some(host) if keep_host => host.clone(),
            _ => HeaderValue::try_from(location.authority()).map_err(|error| error.to_string())?,
        };
        headers.insert(HOST, host);
        for (name, value) in &self.rest {
            headers.append(name, value.clone());
        }
        if let Some(referer) = referer.and_then(|referer| HeaderValue::from_str(referer).ok()) {
            headers.entry(REFERER).or_insert(referer);
        }
        if !self.closes {
            headers.append(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(request)
    }
}

/// Converts a request to HTTP/2, where the host is part of the URI, and `Connection` must not be
/// sent.
pub fn into_h2(mut request: Request<Empty<Bytes>>) -> Result<Request<Empty<Bytes>>, String> {
    let host = request.headers_mut().remove(HOST);
    let mut uri = request.uri().clone().into_parts();
    uri.scheme = Some(Scheme::HTTPS);
    uri.authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    *request.uri_mut() = Uri::from_parts(uri).map_err(|_| "http2: invalid Host header")?;
    request.headers_mut().remove(CONNECTION);
    Ok(request)
}

/// Returns the canonical form of a header's name, as in Go's errors: `x-bad` → `X-Bad`.
fn canonical(name: &str) -> String {
    let part = |part: &str| {
        let mut chars = part.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars.map(|c| c.to_ascii_lowercase())).collect::<String>()
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}
