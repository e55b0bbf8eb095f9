//! Requests to one host. Everything that a server sends is bounded: informational answers, the
//! head, redirects, and the body, which can only be read with a limit or part by part.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, LOCATION, PROXY_AUTHORIZATION, RANGE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Client};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Notify;
use tokio_rustls::rustls::pki_types::CertificateDer;
use url::Url;

use super::connect::{self, Connector};
use super::error::{RegistryError, shown};
use probelet_domain::image::may_follow;
use probelet_text::error_chain::chain;

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("probelet/", env!("CARGO_PKG_VERSION")));
/// The longest time for a TCP connection to open.
const CONNECT: Duration = Duration::from_secs(10);
/// The most informational answers before the final one; Go's client allows five.
const MOST_INFORMATIONAL: usize = 16;
/// The most redirects, as in Go's client and therefore in containerd.
const MOST_REDIRECTS: usize = 10;
/// The largest head of an answer, in bytes.
const LARGEST_HEAD: usize = 256 << 10;

pub struct Http {
    client: Client<Connector, Empty<Bytes>>,
    proxies: Arc<Matcher>,
}

pub struct Ask<'a> {
    pub(super) url: &'a Url,
    /// The value of `Authorization`, sent only to the scheme, host and port of `url`.
    pub(super) login: Option<&'a HeaderValue>,
    pub(super) accept: Option<HeaderValue>,
    /// The offset in the body from which bytes are requested.
    pub(super) offset: u64,
    /// Whether the body is compared with a digest that is known already. Such a request may follow
    /// a redirect from https to http.
    pub(super) by_digest: bool,
}

impl<'a> Ask<'a> {
    pub fn new(url: &'a Url) -> Self {
        Self { url, login: None, accept: None, offset: 0, by_digest: false }
    }
}

/// An answer other than a redirect.
pub struct Answer {
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
}

impl Http {
    /// Blocks while the host's certificates are read. The opening of a connection is bounded by
    /// `stall`, and by 10 s at most.
    pub fn new(
        extra_roots: &[CertificateDer<'static>],
        verify: bool,
        stall: Duration,
    ) -> Result<Self, RegistryError> {
        let refused = |error| RegistryError::Refused(format!("ca: {error}"));
        let tls = connect::tls(extra_roots, verify).map_err(refused)?;
        let proxies = Arc::new(Matcher::from_env());
        let connector = connect::connector(tls, Arc::clone(&proxies), CONNECT.min(stall));
        let client =
            Client::builder(TokioExecutor::new()).http1_max_buf_size(LARGEST_HEAD).build(connector);
        Ok(Self { client, proxies })
    }

    /// Sends the request and follows redirects; at most 10, and only where `may_follow` allows it.
    pub async fn get(&self, ask: Ask<'_>) -> Result<Answer, RegistryError> {
        let mut url = ask.url.clone();
        let mut login = ask.login;
        for _ in 0..=MOST_REDIRECTS {
            login = login.filter(|_| url.origin() == ask.url.origin());
            let answer = self.once(url, &ask, login).await?;
            let Some(next) = answer.redirect()? else { return Ok(answer) };
            if !may_follow(&answer.url, &next, ask.by_digest) {
                let (from, to) = (shown(&answer.url), shown(&next));
                let text = format!("{from}: a redirect to {to} is not followed");
                return Err(RegistryError::Refused(text));
            }
            url = next;
        }
        let text = format!("{}: more than {MOST_REDIRECTS} redirects", shown(ask.url));
        Err(RegistryError::Refused(text))
    }

    /// Sends one request. If a reused connection turns out to be closed, the request is sent once
    /// more.
    async fn once(
        &self,
        url: Url,
        ask: &Ask<'_>,
        login: Option<&HeaderValue>,
    ) -> Result<Answer, RegistryError> {
        let mut sent = self.send(self.request(&url, ask, login)?).await;
        if let Err(Failure::Client(error)) = &sent
            && was_closed(error)
        {
            sent = self.send(self.request(&url, ask, login)?).await;
        }
        let text = match sent {
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                return Ok(Answer { url, status: head.status, headers: head.headers, body });
            }
            Err(Failure::Flood) => "too many informational answers".to_owned(),
            Err(Failure::Client(error)) => chain(&error),
        };
        Err(RegistryError::Unreachable(format!("{}: {text}", shown(&url))))
    }

    fn request(
        &self,
        url: &Url,
        ask: &Ask<'_>,
        login: Option<&HeaderValue>,
    ) -> Result<Request<Empty<Bytes>>, RegistryError> {
        let refused = |error: &dyn std::fmt::Display| {
            RegistryError::Refused(format!("{}: {error}", shown(url)))
        };
        let uri: Uri = url.as_str().parse().map_err(|error| refused(&error))?;
        let mut request = Request::new(Empty::new());
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, AGENT);
        if let Some(accept) = &ask.accept {
            headers.insert(ACCEPT, accept.clone());
        }
        if ask.offset > 0 {
            let range = HeaderValue::try_from(format!("bytes={}-", ask.offset));
            headers.insert(RANGE, range.map_err(|error| refused(&error))?);
        }
        if let Some(login) = login {
            headers.insert(AUTHORIZATION, login.clone());
        }
        if url.scheme() == "http"
            && let Some(proxy) = self.proxies.intercept(&uri)
            && let Some(login) = proxy.basic_auth()
        {
            headers.insert(PROXY_AUTHORIZATION, login.clone());
        }
        *request.uri_mut() = uri;
        Ok(request)
    }

    async fn send(
        &self,
        mut request: Request<Empty<Bytes>>,
    ) -> Result<Response<Incoming>, Failure> {
        let flood = Arc::new(Notify::new());
        let (count, full) = (AtomicUsize::new(0), Arc::clone(&flood));
        hyper::ext::on_informational(&mut request, move |_| {
            if count.fetch_add(1, Relaxed) == MOST_INFORMATIONAL {
                full.notify_one();
            }
        });
        tokio::select! {
            biased;
            () = flood.notified() => Err(Failure::Flood),
            answer = self.client.request(request) => answer.map_err(Failure::Client),
        }
    }
}

/// Why there is no answer.
enum Failure {
    /// More than `MOST_INFORMATIONAL` informational answers.
    Flood,
    Client(legacy::Error),
}

/// Whether the server closed the connection before it sent any of its answer.
fn was_closed(error: &legacy::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
    let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.any(|error| {
        let http = error.downcast_ref::<hyper::Error>();
        let io = error.downcast_ref::<std::io::Error>();
        http.is_some_and(|error| error.is_incomplete_message() || error.is_canceled())
            || io.is_some_and(|error| matches!(error.kind(), BrokenPipe | ConnectionReset))
    })
}

impl Answer {
    fn redirect(&self) -> Result<Option<Url>, RegistryError> {
        if !matches!(self.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let location = self.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let next = location.and_then(|location| self.url.join(location).ok());
        let Some(mut next) = next else {
            let text = format!("{}: redirects without a valid Location", shown(&self.url));
            return Err(RegistryError::Refused(text));
        };
        // User and password in a Location come from the server and must not become a login.
        let cleared = next.set_username("").and_then(|()| next.set_password(None));
        Ok(cleared.is_ok().then_some(next))
    }

    /// The next bytes of the body; `None` at its end.
    pub async fn part(&mut self) -> Option<Result<Bytes, RegistryError>> {
        loop {
            match self.body.frame().await? {
                // Trailers are ignored.
                Ok(frame) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Some(Ok(bytes));
                    }
                }
                Err(error) => {
                    let text = format!("{}: {}", shown(&self.url), chain(&error));
                    return Some(Err(RegistryError::Unreachable(text)));
                }
            }
        }
    }

    /// The whole body. Fails as soon as it exceeds `limit` bytes.
    pub async fn whole(&mut self, limit: usize) -> Result<Bytes, RegistryError> {
        let (bytes, is_all) = self.head_of_body(limit).await?;
        if is_all {
            return Ok(bytes);
        }
        let text = format!("{}: an answer of more than {limit} bytes", shown(&self.url));
        Err(RegistryError::Refused(text))
    }

    /// The first `limit` bytes of the body, and whether that is all of it.
    pub async fn head_of_body(&mut self, limit: usize) -> Result<(Bytes, bool), RegistryError> {
        let mut bytes = BytesMut::new();
        while let Some(part) = self.part().await {
            let part = part?;
            let room = limit.saturating_sub(bytes.len());
            bytes.extend_from_slice(part.get(..room).unwrap_or(&part));
            if part.len() > room {
                return Ok((bytes.freeze(), false));
            }
        }
        Ok((bytes.freeze(), true))
    }
}
