//! One endpoint for an image, used with one login.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_RANGE;
use http::{HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use url::Url;

use super::error::{RegistryError, shown, status_error, within};
use super::http::{Answer, Ask, Http};
use super::token::{self, Challenge, LARGEST_TOKEN};
use probelet_domain::image::{Endpoint, Login, Realm, Reference, receives_login};

/// The largest manifest, in bytes: the size that the distribution specification asks registries to
/// accept.
const LARGEST_MANIFEST: usize = 4 << 20;
/// The most bytes that are read of an error's body.
const LARGEST_ERROR: usize = 16 << 10;

const MANIFESTS: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json",
);

pub struct Source {
    pub(super) http: Arc<Http>,
    /// `SCHEME://HOST[/PATH]/v2/REPOSITORY/`.
    pub(super) base: Url,
    /// The registry that is mirrored, which a mirror receives as `ns`; none for the registry
    /// itself.
    pub(super) namespace: Option<String>,
    pub(super) repository: String,
    /// The digest in the image's name, or else its tag.
    pub(super) reference: String,
    /// The name for which logins are configured.
    pub(super) registry: String,
    pub(super) login: Option<Login>,
    pub(super) realms: Arc<[Realm]>,
    /// Whether it may say which digest a tag has.
    pub(super) resolves: bool,
    pub(super) stall: Duration,
    /// The `Authorization` header of the latest challenge, sent with the next requests.
    pub(super) authorization: Mutex<Option<HeaderValue>>,
}

/// A blob that is being received.
pub struct Blob {
    /// The offset in the blob at which the received bytes begin.
    pub offset: u64,
    answer: Answer,
    stall: Duration,
}

impl Blob {
    /// The next bytes, or `None` at the end. The caller compares the digest.
    pub async fn next(&mut self) -> Option<Result<Bytes, RegistryError>> {
        within(self.stall, self.answer.part()).await.unwrap_or_else(|error| Some(Err(error)))
    }
}

/// The base URL of an image at an endpoint.
pub fn base(reference: &Reference, endpoint: &Endpoint) -> Result<Url, RegistryError> {
    let scheme = if endpoint.plain_http { "http" } else { "https" };
    let text = format!("{scheme}://{}/v2/{}/", endpoint.host, reference.repository);
    Url::parse(&text).map_err(|error| RegistryError::Refused(format!("{text}: {error}")))
}

impl Source {
    pub async fn manifest(&self, digest: Option<&str>) -> Result<Bytes, RegistryError> {
        let reference = digest.unwrap_or(&self.reference);
        // A reference with a colon is a digest, because a tag has none.
        let expected = reference.contains(':').then_some(reference);
        let url = self.url(&format!("manifests/{reference}"));
        let ask = Ask { accept: Some(MANIFESTS), by_digest: expected.is_some(), ..Ask::new(&url) };
        let asked = async {
            let mut answer = self.authorised(ask).await?;
            if answer.status != StatusCode::OK {
                return Err(failed(&mut answer).await);
            }
            let bytes = answer.whole(LARGEST_MANIFEST).await?;
            let sent = answer.headers.get("docker-content-digest").and_then(|v| v.to_str().ok());
            for digest in expected.into_iter().chain(sent.filter(|digest| !digest.is_empty())) {
                compare(&url, digest, &bytes)?;
            }
            Ok(bytes)
        };
        within(self.stall, asked).await?
    }

    /// A blob from `offset` on, or from its beginning if the registry does not support ranges.
    pub async fn blob(&self, digest: &str, offset: u64) -> Result<Blob, RegistryError> {
        let url = self.url(&format!("blobs/{digest}"));
        let ask = Ask { offset, by_digest: true, ..Ask::new(&url) };
        let asked = async {
            let mut answer = self.authorised(ask).await?;
            let offset = match answer.status {
                StatusCode::OK => 0,
                StatusCode::PARTIAL_CONTENT if begins_at(&answer, offset) => offset,
                StatusCode::PARTIAL_CONTENT => {
                    let text =
                        format!("{}: the answer has another range than the request", shown(&url));
                    return Err(RegistryError::Refused(text));
                }
                _ => return Err(failed(&mut answer).await),
            };
            Ok(Blob { offset, answer, stall: self.stall })
        };
        within(self.stall, asked).await?
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        if let Some(namespace) = &self.namespace {
            url.query_pairs_mut().append_pair("ns", namespace);
        }
        url
    }

    /// Sends the request, and once more with credentials if the registry answers 401.
    async fn authorised(&self, ask: Ask<'_>) -> Result<Answer, RegistryError> {
        let known = match &self.login {
            Some(Login::Bearer(token)) => Some(token::bearer(token)?),
            _ => self.lock().clone(),
        };
        let again = Ask { accept: ask.accept.clone(), ..ask };
        let first = self.http.get(Ask { login: known.as_ref(), ..ask }).await?;
        // A 401 of a host behind a redirect gets no credentials of this registry.
        if first.status != StatusCode::UNAUTHORIZED || first.url.origin() != self.base.origin() {
            return Ok(first);
        }
        let Some(header) = self.authorize(&first).await? else { return Ok(first) };
        drop(first);
        *self.lock() = Some(header.clone());
        self.http.get(Ask { login: Some(&header), ..again }).await
    }

    async fn authorize(&self, answer: &Answer) -> Result<Option<HeaderValue>, RegistryError> {
        let (realm, service) = match (token::challenge(&answer.headers), &self.login) {
            (_, Some(Login::Bearer(_))) | (None, _) | (Some(Challenge::Basic), None) => {
                return Ok(None);
            }
            (Some(Challenge::Basic), Some(Login::Basic { username, password })) => {
                return basic(username, password).map(Some);
            }
            (Some(Challenge::Bearer { realm, service }), _) => (realm, service),
        };
        let url = token::token_url(&realm, service.as_deref(), &self.repository)?;
        let login = match &self.login {
            Some(Login::Basic { username, password }) => Some(basic(username, password)?),
            _ => None,
        };
        if login.is_some() && !receives_login(&self.registry, &self.base, &url, &self.realms) {
            let (registry, host) = (&self.registry, url.origin().ascii_serialization());
            return Err(RegistryError::Refused(format!(
                "{registry} wants its login sent to {host}, which is neither its own nor \
                 configured: see --registry-realm {registry}={host}"
            )));
        }
        let mut answer = self.http.get(Ask { login: login.as_ref(), ..Ask::new(&url) }).await?;
        if answer.status != StatusCode::OK {
            return Err(failed(&mut answer).await);
        }
        token::token(&answer.whole(LARGEST_TOKEN).await?).map(Some)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<HeaderValue>> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn basic(username: &str, password: &str) -> Result<HeaderValue, RegistryError> {
    let text = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
    let refused = |_| RegistryError::Refused("a login that cannot be sent".to_owned());
    let mut value = HeaderValue::try_from(text).map_err(refused)?;
    value.set_sensitive(true);
    Ok(value)
}

async fn failed(answer: &mut Answer) -> RegistryError {
    match answer.head_of_body(LARGEST_ERROR).await {
        Ok((body, _)) => status_error(&answer.url, answer.status, &body),
        Err(error) => error,
    }
}

fn begins_at(answer: &Answer, offset: u64) -> bool {
    let range = answer.headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-'));
    // Some registries leave the header out. The digest of the whole blob is compared in any case.
    range.is_none() || start.is_some_and(|(start, _)| start.trim().parse() == Ok(offset))
}

fn compare(url: &Url, digest: &str, bytes: &[u8]) -> Result<(), RegistryError> {
    let actual = match digest.split_once(':') {
        Some(("sha256", _)) => hex(&Sha256::digest(bytes)),
        Some(("sha384", _)) => hex(&Sha384::digest(bytes)),
        Some(("sha512", _)) => hex(&Sha512::digest(bytes)),
        _ => {
            let text = format!("{}: unsupported digest {digest:?}", shown(url));
            return Err(RegistryError::Refused(text));
        }
    };
    if digest.split_once(':').is_some_and(|(_, hex)| hex == actual) {
        return Ok(());
    }
    let text = format!("{}: its digest is not {digest}", shown(url));
    Err(RegistryError::Refused(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
