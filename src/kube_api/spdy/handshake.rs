//! The request that asks for SPDY.

use http::header::{CONNECTION, HeaderName, HeaderValue, UPGRADE};
use http::request::Parts;
use http::{Response, StatusCode};
use probelet_kube_wire::status::{GroupResource, Status};

use crate::kube_api::answer::{self, Body};
use crate::kube_api::websocket::has_token;

const SPDY: &str = "SPDY/3.1";
const OFFERED: HeaderName = HeaderName::from_static("x-stream-protocol-version");
const ACCEPTED: HeaderName = HeaderName::from_static("x-accepted-stream-protocol-versions");

/// A request that asks for SPDY.
#[derive(Debug)]
pub struct Handshake {
    offered: Vec<String>,
}

impl Handshake {
    /// Reads the request; `None` if it does not ask for SPDY.
    ///
    /// # Errors
    ///
    /// 400 if it says so without `Connection: Upgrade` or without the versions of its streams.
    pub fn read(request: &Parts) -> Result<Option<Self>, Status> {
        let headers = &request.headers;
        if !has_token(headers, &UPGRADE, SPDY) {
            return Ok(None);
        }
        if !has_token(headers, &CONNECTION, "upgrade") {
            return Err(Status::bad_request("Upgrade request required"));
        }
        let offered = headers.get_all(OFFERED).iter();
        let offered: Vec<_> =
            offered.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect();
        if offered.is_empty() {
            return Err(Status::bad_request("X-Stream-Protocol-Version is required"));
        }
        Ok(Some(Self { offered }))
    }

    /// The versions that the client offers.
    pub fn offered(&self) -> impl Iterator<Item = &str> {
        self.offered.iter().map(String::as_str)
    }

    /// The answer 101 with the chosen version.
    pub fn response(version: &'static str) -> Response<Body> {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static(SPDY));
        headers.insert(OFFERED, HeaderValue::from_static(version));
        response
    }
}

/// The answer if none of the offered versions is served: 403, as in Kubernetes.
pub fn not_offered(served: &str) -> Response<Body> {
    let why = format!("none of the offered stream protocols is served: {served}");
    let mut response = answer::status(&Status::forbidden(&GroupResource::new("", ""), "", &why));
    if let Ok(served) = HeaderValue::from_str(served) {
        response.headers_mut().insert(ACCEPTED, served);
    }
    response
}
