//! Requests to one API server.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use probelet_text::error_chain::chain;
use serde_json::Value;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::error::ApiError;
use crate::identity::{Identity, IdentityError};
use crate::watch::Watch;

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("probelet/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The longest time for a TCP connection to open.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest time for a request and its answer.
const REQUEST: Duration = Duration::from_secs(10);
/// Connections without a request that are kept, and for how long.
const IDLE: usize = 4;
const IDLE_TIME: Duration = Duration::from_secs(90);
/// Most bytes of an answer's head and body. A list has pages.
const LARGEST_HEAD: usize = 64 << 10;
const LARGEST_BODY: usize = 16 << 20;

/// The body of a request.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// An object.
    Json(&'a Value),
    /// A merge patch, which replaces lists.
    MergePatch(&'a Value),
    /// A strategic merge patch, which merges lists by their keys.
    StrategicPatch(&'a Value),
}

impl Body<'_> {
    fn parts(self) -> (HeaderValue, String) {
        let (value, kind) = match self {
            Self::Json(value) => (value, "application/json"),
            Self::MergePatch(value) => (value, "application/merge-patch+json"),
            Self::StrategicPatch(value) => (value, "application/strategic-merge-patch+json"),
        };
        (HeaderValue::from_static(kind), value.to_string())
    }
}

/// A client of one API server with one identity. Another identity is another client.
pub struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    server: String,
    authorization: Option<HeaderValue>,
    digest: [u8; 32],
}

impl Client {
    /// A client that has not connected yet.
    ///
    /// # Errors
    ///
    /// The token or the server's URL that cannot be used.
    pub fn new(identity: Identity) -> Result<Self, IdentityError> {
        let digest = identity.digest();
        let authorization = match &identity.token {
            Some(token) => {
                let value = HeaderValue::try_from(format!("Bearer {token}"));
                let mut value = value.map_err(|_| IdentityError::Token)?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        let url = identity.server.parse::<Uri>();
        let url = url.map_err(|error| IdentityError::Server(error.to_string()))?;
        if url.host().is_none() {
            return Err(IdentityError::Server("has no host".to_owned()));
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(30)));
        let builder = HttpsConnectorBuilder::new().with_tls_config(identity.tls).https_only();
        let builder = match identity.server_name {
            Some(name) => {
                let name = ServerName::try_from(name);
                let name = name.map_err(|error| IdentityError::Server(error.to_string()))?;
                builder.with_server_name_resolver(FixedServerNameResolver::new(name))
            }
            None => builder,
        };
        let pool = Pool::builder(TokioExecutor::new())
            .http1_max_buf_size(LARGEST_HEAD)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(IDLE)
            .build(builder.enable_http1().wrap_connector(tcp));
        Ok(Self { pool, server: identity.server, authorization, digest })
    }

    /// The sum of the identity: see [`Identity::digest`].
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Sends a request to a path with its query, and returns the object of the answer.
    ///
    /// # Errors
    ///
    /// Every answer but success. After [`ApiError::Away`] it is not known whether a write took effect.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Body<'_>>,
    ) -> Result<Value, ApiError> {
        let sending = async {
            let response = self.request(method, path, body).await?;
            let (status, bytes) = whole(response).await?;
            if !status.is_success() {
                return Err(ApiError::of(status, &bytes));
            }
            let parsed = serde_json::from_slice(&bytes);
            parsed.map_err(|error| ApiError::Unusable(error.to_string()))
        };
        let late = |_| ApiError::Away(format!("no answer within {} s", REQUEST.as_secs()));
        timeout(REQUEST, sending).await.map_err(late)?
    }

    /// Begins a watch of a path with its query.
    ///
    /// # Errors
    ///
    /// Every answer but success.
    pub async fn watch(&self, path: &str) -> Result<Watch, ApiError> {
        let late = |_| ApiError::Away(format!("no watch within {} s", REQUEST.as_secs()));
        let response = timeout(REQUEST, self.request(Method::GET, path, None)).await;
        let response = response.map_err(late)??;
        if response.status().is_success() {
            return Ok(Watch::new(response.into_body()));
        }
        let (status, bytes) = timeout(REQUEST, whole(response)).await.map_err(late)??;
        Err(ApiError::of(status, &bytes))
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Body<'_>>,
    ) -> Result<Response<Incoming>, ApiError> {
        let uri: Uri = format!("{}{path}", self.server)
            .parse()
            .map_err(|error| ApiError::Unusable(format!("{path}: {error}")))?;
        let mut request = Request::new(Full::default());
        if let Some(body) = body {
            let (kind, text) = body.parts();
            *request.body_mut() = Full::new(Bytes::from(text));
            request.headers_mut().insert(CONTENT_TYPE, kind);
        }
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT, JSON);
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let sent = self.pool.request(request).await;
        sent.map_err(|error| ApiError::Away(chain(&error)))
    }
}

/// The status and the body of an answer.
async fn whole(response: Response<Incoming>) -> Result<(StatusCode, Bytes), ApiError> {
    let (status, mut body) = (response.status(), response.into_body());
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ApiError::Away(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len().saturating_add(data.len()) > LARGEST_BODY {
            return Err(ApiError::Unusable(format!("more than {LARGEST_BODY} bytes")));
        }
        bytes.extend_from_slice(&data);
    }
    Ok((status, bytes.freeze()))
}
