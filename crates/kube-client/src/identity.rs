//! The identity of a client: what a kubeconfig and the files that it names say at this moment.

use std::io;
use std::path::{Path, PathBuf};

use probelet_cluster::kubeconfig::{Credential, Kubeconfig, KubeconfigError, Material};
use probelet_host::{files, trusted};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// Largest file: a kubeconfig may have certificates in it.
const LARGEST: usize = 1 << 20;

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read, or another user than root can write to it.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        error: io::Error,
    },
    /// The kubeconfig has a field that is missing or refused.
    #[error("{}: {error}", path.display())]
    Kubeconfig {
        /// The kubeconfig.
        path: PathBuf,
        /// The field.
        #[source]
        error: KubeconfigError,
    },
    /// A certificate or key is no PEM.
    #[error("{what}: {error}")]
    Pem {
        /// The field of the kubeconfig.
        what: &'static str,
        /// The error of the parser.
        #[source]
        error: pem::Error,
    },
    /// A certificate and its key do not fit, or cannot be used.
    #[error("{what}: {error}")]
    Tls {
        /// The field of the kubeconfig.
        what: &'static str,
        /// The error of the TLS library.
        #[source]
        error: rustls::Error,
    },
    /// The token has characters that a header cannot have.
    #[error("the token is no text of a header")]
    Token,
    /// The URL of the server cannot be used.
    #[error("cluster.server: {0}")]
    Server(String),
}

/// What a client shows to the server, and by what it recognizes the server.
pub struct Identity {
    pub(crate) server: String,
    pub(crate) server_name: Option<String>,
    pub(crate) tls: ClientConfig,
    pub(crate) token: Option<String>,
    digest: [u8; 32],
}

impl Identity {
    /// Reads a kubeconfig and the files that it names. All of them decide what runs as root, so they must
    /// belong to root.
    ///
    /// # Errors
    ///
    /// The file or field that cannot be used.
    pub fn read(path: &Path) -> Result<Self, IdentityError> {
        let content = read(path)?;
        let content = String::from_utf8_lossy(&content);
        let parsed = Kubeconfig::parse(&content);
        let config =
            parsed.map_err(|error| IdentityError::Kubeconfig { path: path.to_owned(), error })?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let bytes = |material: &Material| match material {
            Material::Inline(bytes) => Ok(bytes.clone()),
            Material::File(file) => read(&folder.join(file)),
        };
        let mut digest = Sha256::new();
        let mut part = |bytes: &[u8]| {
            digest.update(bytes.len().to_be_bytes());
            digest.update(bytes);
        };
        part(content.as_bytes());
        let authority = bytes(&config.authority)?;
        part(&authority);
        let mut roots = RootCertStore::empty();
        let what = "cluster.certificate-authority";
        for certificate in certificates(&authority, what)? {
            roots.add(certificate).map_err(|error| IdentityError::Tls { what, error })?;
        }
        // The provider is a constant that supports these versions.
        let builder = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| IdentityError::Tls { what, error })?
            .with_root_certificates(roots);
        let (tls, token) = match &config.credential {
            Credential::Certificate { certificate, key } => {
                let (certificate, key) = (bytes(certificate)?, bytes(key)?);
                part(&certificate);
                part(&key);
                let what = "user.client-certificate";
                let chain = certificates(&certificate, what)?;
                let key = PrivateKeyDer::from_pem_slice(&key);
                let key =
                    key.map_err(|error| IdentityError::Pem { what: "user.client-key", error })?;
                let tls = builder.with_client_auth_cert(chain, key);
                (tls.map_err(|error| IdentityError::Tls { what, error })?, None)
            }
            Credential::Token(token) => (builder.with_no_client_auth(), Some(token.clone())),
            Credential::TokenFile(file) => {
                let token = read(&folder.join(file))?;
                part(&token);
                let token = String::from_utf8_lossy(&token).trim().to_owned();
                (builder.with_no_client_auth(), Some(token))
            }
        };
        Ok(Self {
            server: config.server,
            server_name: config.server_name,
            tls,
            token,
            digest: digest.finalize().into(),
        })
    }

    /// A sum of all that the identity was read from: another one means another identity.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

/// Leaves the credential out, so that it is not logged.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("server", &self.server).finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let failed = |error| IdentityError::File { path: path.to_owned(), error };
    trusted::check(path).map_err(|error| failed(error.into()))?;
    files::read(path, LARGEST).map_err(failed)
}

fn certificates(
    text: &[u8],
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(IdentityError::Pem { what, error: pem::Error::NoItemsFound })
        }
        Ok(found) => Ok(found),
        Err(error) => Err(IdentityError::Pem { what, error }),
    }
}
