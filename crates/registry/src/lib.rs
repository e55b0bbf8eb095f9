//! Registries over HTTP: manifests and blobs of an image, from its registry or a mirror.

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use probelet_domain::image::{self, Endpoint, Keyring, Login, Realm, Reference};
use probelet_host::{files, trusted};

mod connect;
mod error;
mod http;
mod source;
mod token;

pub use error::RegistryError;
use http::Http;
pub use source::Blob;
use source::Source;

/// How registries are reached, and with which logins.
#[derive(Debug, Clone)]
pub struct Registries {
    /// The folder with `REGISTRY/hosts.toml`; `/etc/containerd/certs.d` by default.
    pub hosts_dir: PathBuf,
    /// Docker's `config.json`; root's by default.
    pub config: PathBuf,
    /// Hosts, besides the registry's own and the known ones, that may exchange a login for a token.
    pub realms: Arc<[Realm]>,
    /// The longest time without an answer of a registry; 60 s by default.
    pub stall: Duration,
}

impl Default for Registries {
    fn default() -> Self {
        Self {
            hosts_dir: "/etc/containerd/certs.d".into(),
            config: "/root/.docker/config.json".into(),
            realms: Arc::default(),
            stall: Duration::from_secs(60),
        }
    }
}

/// Installs the process' provider of cryptography. Called before the first TLS connection.
pub fn install_tls() {
    // The only error is that a provider is installed already.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
}

/// The sources of one image: each endpoint, once for each login that fits it.
pub struct Origin {
    sources: Vec<Source>,
    /// The index of the source that answered last.
    good: AtomicUsize,
    /// Why the file with logins could not be read; `None` if it could.
    note: Option<String>,
}

impl Registries {
    /// The sources of an image. The configuration is read at each call, so edits need no restart. A
    /// file with logins that cannot be read is logged, and the image is pulled without them.
    pub async fn origin(
        &self,
        reference: &Reference,
        secrets: &[&Keyring],
    ) -> Result<Origin, RegistryError> {
        let (own, note) = match self.own_keyring().await {
            Ok(own) => (own, None),
            Err(why) => {
                let note = format!("{}: {why}", self.config.display());
                tracing::warn!(reason = note, "the file with logins cannot be read");
                (Keyring::default(), Some(note))
            }
        };
        let (folder, hosts) = self.hosts(&reference.registry).await?;
        let endpoints = image::endpoints(&reference.registry, hosts.as_deref())
            .map_err(|why| RegistryError::Refused(format!("{}: {why}", folder.display())))?;
        let mut sources = Vec::new();
        for endpoint in endpoints {
            let http = Arc::new(self.http(&folder, &endpoint).await?);
            let registry = if endpoint.mirror { &endpoint.host } else { &reference.registry };
            let keyrings = secrets.iter().copied().chain([&own]);
            let mut logins: Vec<Option<&Login>> = Vec::new();
            for keyring in keyrings {
                for login in keyring.logins(registry, &reference.repository) {
                    if !logins.contains(&Some(login)) {
                        logins.push(Some(login));
                    }
                }
            }
            if logins.is_empty() {
                logins.push(None);
            }
            for login in logins {
                sources.push(Source {
                    http: Arc::clone(&http),
                    base: source::base(reference, &endpoint)?,
                    namespace: endpoint.mirror.then(|| reference.registry.clone()),
                    repository: reference.repository.clone(),
                    reference: reference
                        .digest
                        .clone()
                        .or(reference.tag.clone())
                        .unwrap_or_default(),
                    registry: registry.clone(),
                    login: login.cloned(),
                    realms: Arc::clone(&self.realms),
                    resolves: endpoint.resolves,
                    stall: self.stall,
                    authorization: Mutex::default(),
                });
            }
        }
        Ok(Origin { sources, good: AtomicUsize::new(0), note })
    }

    async fn own_keyring(&self) -> Result<Keyring, String> {
        match trusted::read_text(self.config.clone(), files::CONFIGURATION).await {
            Ok(json) => Keyring::from_docker_config(json.as_bytes()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Keyring::default()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The path of the `hosts.toml` that containerd would use, and its text; `hosts_dir` and no
    /// text if there is none.
    async fn hosts(&self, registry: &str) -> Result<(PathBuf, Option<String>), RegistryError> {
        // containerd's alternative name of the folder, without a colon.
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

    async fn http(&self, hosts: &Path, endpoint: &Endpoint) -> Result<Http, RegistryError> {
        let mut roots = Vec::new();
        for file in &endpoint.ca {
            let path = hosts.parent().unwrap_or(hosts).join(file);
            let refused = |error: &dyn std::fmt::Display| {
                RegistryError::Refused(format!("ca: {}: {error}", path.display()))
            };
            let pem = trusted::read_text(path.clone(), files::CONFIGURATION).await;
            let pem = pem.map_err(|error| refused(&error))?;
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                roots.push(certificate.map_err(|error| refused(&error))?);
            }
        }
        let (verify, stall) = (!endpoint.skip_verify, self.stall);
        // Reads the host's certificates, which are many small files.
        let made = tokio::task::spawn_blocking(move || Http::new(&roots, verify, stall)).await;
        made.map_err(|error| RegistryError::Refused(error.to_string()))?
    }
}

impl Origin {
    /// The manifest or index with this digest, or without one that of the image's name.
    pub async fn manifest(&self, digest: Option<&str>) -> Result<Bytes, RegistryError> {
        self.each(digest.is_none(), |source| source.manifest(digest)).await
    }

    /// A blob from `offset` on, or from its beginning if the registry does not support ranges.
    pub async fn blob(&self, digest: &str, offset: u64) -> Result<Blob, RegistryError> {
        self.each(false, |source| source.blob(digest, offset)).await
    }

    /// The first answer; the source that answered last is asked first. If all fail, the error is
    /// that of the last source, which is the registry itself, with those of the mirrors appended.
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

#[cfg(test)]
mod tests;
