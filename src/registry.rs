//! Registries over HTTP: manifests and blobs of one image, from wherever they may be had.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use oci_client::Reference as Remote;
use oci_client::client::ClientProtocol;
use oci_client::client::{BlobResponse, Certificate, CertificateEncoding, Client, ClientConfig};
use oci_client::errors::OciDistributionError as Oci;
use oci_client::secrets::RegistryAuth;
use tokio_stream::{Stream, StreamExt};

use crate::domain::image::{self, Endpoint, Keyring, Login, Reference};
use crate::{files, trusted};

mod error;

pub use error::RegistryError;
use error::{registry_error, within};

const CONNECT: Duration = Duration::from_secs(10);
/// containerd refuses larger ones, too.
const LARGEST_MANIFEST: usize = 8 << 20;

const MANIFESTS: &[&str] = &[
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

#[derive(Debug, Clone)]
pub struct Registries {
    /// `REGISTRY/hosts.toml` is in it.
    pub hosts_dir: PathBuf,
    /// Docker's `config.json`.
    pub config: PathBuf,
    /// A registry that sends nothing for so long is given up.
    pub stall: Duration,
}

impl Default for Registries {
    fn default() -> Self {
        Self {
            hosts_dir: "/etc/containerd/certs.d".into(),
            config: "/root/.docker/config.json".into(),
            stall: Duration::from_secs(60),
        }
    }
}

/// Once, before the first client: the registry client's TLS takes the process' own provider.
pub fn install_tls() {
    // An error says that there is one already.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
}

/// Where one image may be had: each place, once for each login for it.
pub struct Origin {
    sources: Vec<Source>,
    /// Which of them answered last.
    good: AtomicUsize,
    stall: Duration,
    /// What was wrong with the logins' file.
    note: Option<String>,
}

struct Source {
    client: Client,
    image: Remote,
    auth: RegistryAuth,
    resolves: bool,
}

/// The rest of a blob.
pub struct Blob {
    /// Where in it the bytes begin.
    pub offset: u64,
    pub bytes: Box<dyn Stream<Item = Result<Bytes, RegistryError>> + Send + Unpin>,
}

impl Registries {
    /// Reads the files anew each time, so that edits need no restart.
    pub async fn origin(
        &self,
        reference: &Reference,
        secrets: &[&Keyring],
    ) -> Result<Origin, RegistryError> {
        let (own, note) = match self.own_keyring().await {
            Ok(own) => (own, None),
            Err(why) => {
                let note = format!("{}: {why}", self.config.display());
                tracing::warn!(reason = note, "no logins are taken from this file");
                (Keyring::default(), Some(note))
            }
        };
        let (folder, hosts) = self.hosts(&reference.registry).await?;
        let endpoints = image::endpoints(&reference.registry, hosts.as_deref())
            .map_err(|why| RegistryError::Refused(format!("{}: {why}", folder.display())))?;
        let mut sources = Vec::new();
        for endpoint in endpoints {
            let client = self.client(&folder, &endpoint).await?;
            let host = if endpoint.mirror { &endpoint.host } else { &reference.registry };
            let keyrings = secrets.iter().copied().chain([&own]);
            let mut logins: Vec<&Login> =
                keyrings.flat_map(|keyring| keyring.logins(host, &reference.repository)).collect();
            let mut seen = Vec::new();
            logins.retain(|login| {
                !seen.contains(login) && {
                    seen.push(login);
                    true
                }
            });
            let auths = logins.into_iter().map(auth_of);
            let auths: Vec<_> = auths.collect();
            let auths = if auths.is_empty() { vec![RegistryAuth::Anonymous] } else { auths };
            for auth in auths {
                sources.push(Source {
                    client: client()?,
                    image: remote(reference, &endpoint),
                    auth,
                    resolves: endpoint.resolves,
                });
            }
        }
        Ok(Origin { sources, good: AtomicUsize::new(0), stall: self.stall, note })
    }

    async fn own_keyring(&self) -> Result<Keyring, String> {
        match trusted::read_text(self.config.clone(), files::CONFIGURATION).await {
            Ok(json) => Keyring::from_docker_config(json.as_bytes()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Keyring::default()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The `hosts.toml` that containerd would take, and its text.
    async fn hosts(&self, registry: &str) -> Result<(PathBuf, Option<String>), RegistryError> {
        // containerd's other spelling, for file systems without colons.
        let plain = registry.rsplit_once(':').map(|(host, port)| format!("{host}_{port}_"));
        let names = [Some(registry.to_owned()), plain, Some("_default".to_owned())];
        for name in names.into_iter().flatten() {
            let path = self.hosts_dir.join(name).join("hosts.toml");
            match trusted::read_text(path.clone(), files::CONFIGURATION).await {
                Ok(text) => return Ok((path, Some(text))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(RegistryError::Refused(format!("{}: {error}", path.display())));
                }
            }
        }
        Ok((self.hosts_dir.clone(), None))
    }

    /// How to make a client for an endpoint: a client remembers one login.
    async fn client(
        &self,
        hosts: &Path,
        endpoint: &Endpoint,
    ) -> Result<impl Fn() -> Result<Client, RegistryError> + use<>, RegistryError> {
        let mut roots = Vec::new();
        for file in &endpoint.ca {
            let path = hosts.parent().unwrap_or(hosts).join(file);
            let pem = trusted::read_text(path.clone(), files::CONFIGURATION).await;
            let pem = pem.map_err(|error| {
                RegistryError::Refused(format!("ca: {}: {error}", path.display()))
            })?;
            roots.extend(certificates(&pem));
        }
        let (plain, skip, stall) = (endpoint.plain_http, endpoint.skip_verify, self.stall);
        Ok(move || {
            let protocol = if plain { ClientProtocol::Http } else { ClientProtocol::Https };
            let config = ClientConfig {
                protocol,
                accept_invalid_certificates: skip,
                extra_root_certificates: roots.clone(),
                connect_timeout: Some(CONNECT.min(stall)),
                read_timeout: Some(stall),
                user_agent: concat!("probelet/", env!("CARGO_PKG_VERSION")),
                ..ClientConfig::default()
            };
            Client::try_from(config).map_err(|error| RegistryError::Refused(error.to_string()))
        })
    }
}

/// A file may hold several.
fn certificates(pem: &str) -> Vec<Certificate> {
    const END: &str = "-----END CERTIFICATE-----";
    let parts = pem.split_inclusive(END).filter(|part| part.ends_with(END));
    let certificate = |part: &str| Certificate {
        encoding: CertificateEncoding::Pem,
        data: part.trim_start().as_bytes().to_vec(),
    };
    parts.map(certificate).collect()
}

fn auth_of(login: &Login) -> RegistryAuth {
    match login {
        Login::Basic { username, password } => {
            RegistryAuth::Basic(username.clone(), password.clone())
        }
        Login::Bearer(token) => RegistryAuth::Bearer(token.clone()),
    }
}

fn remote(reference: &Reference, endpoint: &Endpoint) -> Remote {
    let Reference { registry, repository, tag, digest } = reference.clone();
    let mut remote = match (digest, tag) {
        (Some(digest), _) => Remote::with_digest(registry, repository, digest),
        (None, tag) => Remote::with_tag(registry, repository, tag.unwrap_or_default()),
    };
    if endpoint.mirror {
        remote.set_mirror_registry(endpoint.host.clone());
    }
    remote
}

impl Origin {
    /// The manifest or index that the image's name stands for, or the one with this digest.
    pub async fn manifest(&self, digest: Option<&str>) -> Result<Bytes, RegistryError> {
        self.each(digest.is_none(), |source| async move {
            let image = match digest {
                Some(digest) => source.image.clone_with_digest(digest.to_owned()),
                None => source.image.clone(),
            };
            let asked = source.client.pull_manifest_raw(&image, &source.auth, MANIFESTS);
            let (bytes, _) = within(self.stall, asked).await?.map_err(registry_error)?;
            if bytes.len() > LARGEST_MANIFEST {
                return Err(RegistryError::Refused(format!("manifest of {} bytes", bytes.len())));
            }
            Ok(bytes)
        })
        .await
    }

    /// A blob from `offset` on, or from its beginning where the registry knows no ranges.
    pub async fn blob(&self, digest: &str, offset: u64) -> Result<Blob, RegistryError> {
        let stall = self.stall;
        self.each(false, |source| async move {
            source.client.store_auth_if_needed(source.image.resolve_registry(), &source.auth).await;
            let asked = source.client.pull_blob_stream_partial(&source.image, digest, offset, None);
            let (offset, stream) = match within(stall, asked).await?.map_err(registry_error)? {
                BlobResponse::Full(stream) => (0, stream),
                BlobResponse::Partial(stream) => (offset, stream),
            };
            let bytes = Box::pin(stream.timeout(stall)).map(move |part| match part {
                Ok(part) => part.map_err(|error| error::broken_off(&error)),
                Err(_) => Err(RegistryError::stalled(stall)),
            });
            Ok(Blob { offset, bytes: Box::new(bytes) })
        })
        .await
    }

    /// The first answer, beginning with who answered last. Else the error of the last, which is
    /// the registry itself, with those of the mirrors.
    async fn each<'a, T, F: Future<Output = Result<T, RegistryError>>>(
        &'a self,
        resolving: bool,
        ask: impl Fn(&'a Source) -> F,
    ) -> Result<T, RegistryError> {
        let good = self.good.load(Relaxed);
        let order = (good..self.sources.len()).chain(0..good);
        let mut errors = Vec::new();
        for (index, source) in order.filter_map(|index| Some((index, self.sources.get(index)?))) {
            if resolving && !source.resolves {
                continue;
            }
            match ask(source).await {
                Ok(answer) => {
                    self.good.store(index, Relaxed);
                    return Ok(answer);
                }
                Err(error) => errors.push((index, error)),
            }
        }
        errors.sort_by_key(|(index, _)| *index);
        let mut errors: Vec<_> = errors.into_iter().map(|(_, error)| error).collect();
        let last = errors.pop().unwrap_or_else(|| {
            RegistryError::Refused("no host with the capability to resolve".to_owned())
        });
        let others = errors.iter().map(ToString::to_string);
        let more: Vec<_> = others.chain(self.note.clone()).collect();
        Err(if more.is_empty() { last } else { last.with(&more.join("; ")) })
    }
}
