//! The authority: its key, the certificates that it signs, and the list of credentials.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tokio::sync::watch;
use tokio_rustls::rustls::crypto::{GetRandomFailed, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::VerifierBuilderError;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

use super::account_tokens::{Account, AccountTokens};
use super::credentials::{
    CredentialKind, Credentials, Fingerprint, Full, Holder, InvalidCredential, NewCredential, Role,
    check_name, expiry, seconds,
};
use super::folder::{FileError, Folder};
use super::kubeconfig::{Kubeconfig, Secret};
use super::server_names::{ServerNames, server_url};
use crate::client_auth::ClientAuth;
use crate::files;
use crate::registry;

const KEY: &str = "ca.key";
const CERTIFICATE: &str = "ca.crt";
const CREDENTIALS: &str = "credentials.json";
/// The common name of the authority. It is in each certificate, so it never changes.
const NAME: &str = "probelet-kube-ca";
/// Random bytes of a token.
const TOKEN: usize = 32;

/// The authority cannot be used, or a request to it has failed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Invalid(#[from] InvalidCredential),
    #[error(transparent)]
    Full(#[from] Full),
    #[error("no credential of {0:?} is valid")]
    UnknownName(String),
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("client certificates: {0}")]
    Clients(#[from] VerifierBuilderError),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("no random bytes for a token")]
    Random,
    #[error("claims: {0}")]
    Claims(#[source] serde_json::Error),
    #[error("kubeconfig: {0}")]
    Yaml(#[from] serde_norway::Error),
}

impl From<GetRandomFailed> for AuthorityError {
    fn from(_: GetRandomFailed) -> Self {
        Self::Random
    }
}

/// A credential that a caller asks for.
#[derive(Debug, Clone)]
pub struct Grant {
    pub name: String,
    pub role: Role,
    pub kind: CredentialKind,
    pub ttl: Duration,
    /// The server URL; the listen address if it is `None`.
    pub server: Option<String>,
}

/// The certificate authority with its credentials.
pub struct Authority {
    folder: Folder,
    issuer: Issuer<'static, KeyPair>,
    /// PEM.
    certificate: String,
    names: ServerNames,
    /// One writer at a time.
    writing: Mutex<()>,
    credentials: watch::Sender<Arc<Credentials>>,
    account_tokens: AccountTokens,
}

/// The file of the authority's certificate, which exists once the Kubernetes API was served.
pub fn certificate_file(data_dir: &Path) -> PathBuf {
    Folder::path_of(data_dir).join(CERTIFICATE)
}

impl Authority {
    /// Reads the authority in `DATA_DIR/kube-ca`, or makes one if there is none. `listen` is the
    /// address of the API.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or written, is not root's alone, or is not valid.
    pub fn open(data_dir: &Path, listen: SocketAddr) -> Result<Self, AuthorityError> {
        let folder = Folder::open(data_dir)?;
        let (key, certificate) = (folder.read(KEY)?, folder.read(CERTIFICATE)?);
        let key = match (key, &certificate) {
            (Some(key), _) => {
                KeyPair::from_pem(&key).map_err(|error| folder.unusable(KEY, error))?
            }
            (None, Some(_)) => {
                let why = "is missing. Remove the folder to make a new authority, which makes all \
                           kubeconfigs invalid";
                return Err(folder.unusable(KEY, why).into());
            }
            (None, None) => {
                let key = KeyPair::generate()?;
                folder.write(KEY, &key.serialize_pem())?;
                key
            }
        };
        let certificate = match certificate {
            Some(certificate) => certificate,
            // New, or the daemon died between the two files.
            None => {
                let made = params().self_signed(&key)?.pem();
                folder.write(CERTIFICATE, &made)?;
                made
            }
        };
        check_pair(&folder, &certificate, &key)?;
        let credentials = match folder.read(CREDENTIALS)? {
            Some(text) => {
                serde_json::from_str(&text).map_err(|error| folder.unusable(CREDENTIALS, error))?
            }
            None => Credentials::default(),
        };
        let account_tokens = AccountTokens::open(&folder, random)?;
        let host_name = files::read_kernel("/proc/sys/kernel/hostname").unwrap_or_default();
        Ok(Self {
            folder,
            issuer: Issuer::new(params(), key),
            certificate,
            names: ServerNames::new(&host_name, listen),
            writing: Mutex::new(()),
            credentials: watch::Sender::new(Arc::new(credentials)),
            account_tokens,
        })
    }

    /// The certificate of the authority in PEM, by which clients know the API.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// TLS 1.2 or newer with a new certificate of this host, HTTP/2 or HTTP/1.1. A client may show a
    /// certificate, which is verified; [`Self::by_certificate`] is its user.
    ///
    /// The certificate does not expire: its key is in memory only, and the clock of a host may be
    /// wrong at its start.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, AuthorityError> {
        registry::install_tls();
        let credentials = self.credentials.borrow().clone();
        let mut params = CertificateParams::new(self.names.of_certificate(credentials.hosts()))?;
        params.distinguished_name.push(DnType::CommonName, "probelet");
        let (certificate, key) = self.sign(params, ExtendedKeyUsagePurpose::ServerAuth)?;
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        roots.add(authority.map_err(|error| self.folder.unusable(CERTIFICATE, error))?)?;
        let algorithms = ring::default_provider().signature_verification_algorithms;
        let clients = ClientAuth::optional(roots, algorithms)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut tls = ServerConfig::builder()
            .with_client_cert_verifier(Arc::new(clients))
            .with_single_cert(vec![certificate.der().clone()], key)?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(tls))
    }

    /// Issues a credential and returns the text of a kubeconfig file with it. It waits for the disk.
    pub fn issue(&self, grant: &Grant, now: SystemTime) -> Result<String, AuthorityError> {
        check_name(&grant.name)?;
        let expires = expiry(grant.ttl, now)?;
        let server = grant.server.as_deref().map(server_url).transpose()?;
        let (secret, fingerprint) = match grant.kind {
            CredentialKind::Certificate => self.new_certificate(grant, expires)?,
            CredentialKind::Token => new_token()?,
        };
        let host = server.as_ref().map(|(_, host)| host.clone());
        let local_url = self.names.local_url();
        let url = server.map_or(local_url, |(url, _)| url);
        let before = self.credentials.borrow().clone();
        let served = self.names.of_certificate(before.hosts());
        let is_served = host.as_ref().is_none_or(|host| served.contains(host));
        let kubeconfig = Kubeconfig {
            host_name: self.names.host_name(),
            user: &grant.name,
            server: &url,
            authority: &self.certificate,
            tls_server_name: (!is_served).then_some("localhost"),
            secret: &secret,
        };
        let text = kubeconfig.to_yaml()?;
        let holder = Holder { name: grant.name.clone(), role: grant.role };
        let new = NewCredential { holder, kind: grant.kind, fingerprint, expires, host };
        self.change(|credentials| Ok(credentials.with(new, now)?))?;
        Ok(text)
    }

    /// Revokes all credentials of a user. It waits for the disk.
    pub fn revoke(&self, name: &str) -> Result<(), AuthorityError> {
        let unknown = || AuthorityError::UnknownName(name.to_owned());
        self.change(|credentials| credentials.without(name).ok_or_else(unknown))
    }

    /// The user of a client certificate, whose chain TLS has verified.
    pub fn by_certificate(
        &self,
        certificate: &CertificateDer<'_>,
        now: SystemTime,
    ) -> Option<(Holder, Validity)> {
        self.holder(CredentialKind::Certificate, certificate, now)
    }

    /// The user of a bearer token.
    pub fn by_token(&self, token: &str, now: SystemTime) -> Option<(Holder, Validity)> {
        self.holder(CredentialKind::Token, token.as_bytes(), now)
    }

    /// Returns a token of a ServiceAccount, which is valid from the first time until the second.
    pub fn issue_account_token(
        &self,
        account: &Account,
        audiences: Vec<String>,
        times: (SystemTime, SystemTime),
    ) -> Result<String, AuthorityError> {
        let id = URL_SAFE_NO_PAD.encode(random()?);
        self.account_tokens.issue(account, audiences, id, times).map_err(AuthorityError::Claims)
    }

    /// The ServiceAccount of a token that is valid now, and the token's end. The caller checks that
    /// the account still exists.
    pub fn by_account_token(&self, token: &str, now: SystemTime) -> Option<(Account, SystemTime)> {
        self.account_tokens.account(token, now)
    }

    /// True if a request for this host is meant for this server.
    pub fn serves(&self, host: &str) -> bool {
        self.names.has(host, self.credentials.borrow().hosts())
    }

    fn holder(
        &self,
        kind: CredentialKind,
        secret: &[u8],
        now: SystemTime,
    ) -> Option<(Holder, Validity)> {
        let fingerprint = Fingerprint::of(secret);
        let (holder, expires) = self.credentials.borrow().holder(kind, &fingerprint, now)?;
        let credentials = self.credentials.subscribe();
        Some((holder, Validity { fingerprint, expires, credentials }))
    }

    fn change(
        &self,
        change: impl FnOnce(&Credentials) -> Result<Credentials, AuthorityError>,
    ) -> Result<(), AuthorityError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.credentials.borrow().clone();
        let credentials = change(&before)?;
        let text = serde_json::to_string_pretty(&credentials)
            .map_err(|error| self.folder.unusable(CREDENTIALS, error))?;
        self.folder.write(CREDENTIALS, &text)?;
        self.credentials.send_replace(Arc::new(credentials));
        Ok(())
    }

    /// A certificate for people to read; the daemon knows its user by the fingerprint.
    fn new_certificate(
        &self,
        grant: &Grant,
        expires: SystemTime,
    ) -> Result<(Secret, Fingerprint), AuthorityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, grant.name.clone());
        params.distinguished_name.push(DnType::OrganizationName, grant.role.group());
        // The start stays in the past: the clocks of client and server differ.
        let after_1970 = Duration::from_secs(seconds(expires));
        let not_after = after_1970.try_into().ok();
        let not_after = not_after.and_then(|after| date_time_ymd(1970, 1, 1).checked_add(after));
        let reason = || "is too late for a certificate".to_owned();
        params.not_after =
            not_after.ok_or_else(|| InvalidCredential { field: "ttl", reason: reason() })?;
        let (certificate, key) = self.sign(params, ExtendedKeyUsagePurpose::ClientAuth)?;
        let fingerprint = Fingerprint::of(certificate.der());
        let (certificate, key) = (certificate.pem(), key.serialize_pem());
        Ok((Secret::Certificate { certificate, key }, fingerprint))
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<(Certificate, KeyPair), AuthorityError> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?, key))
    }
}

/// Whether a credential is still valid, for requests that stay open.
#[derive(Clone)]
pub struct Validity {
    fingerprint: Fingerprint,
    expires: SystemTime,
    credentials: watch::Receiver<Arc<Credentials>>,
}

impl Validity {
    /// The end of the credential.
    pub fn expires(&self) -> SystemTime {
        self.expires
    }

    /// Resolves when the credential is revoked; never if the authority ends before.
    pub async fn revoked(&self) {
        let mut credentials = self.credentials.clone();
        if credentials.wait_for(|list| !list.has(&self.fingerprint)).await.is_err() {
            std::future::pending().await
        }
    }
}

/// The authority's own certificate. It has no end: the removal of its folder ends it.
fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Refuses a certificate of another key: no client could connect, and the error would say nothing.
fn check_pair(folder: &Folder, certificate: &str, key: &KeyPair) -> Result<(), FileError> {
    let unusable = |why: String| folder.unusable(CERTIFICATE, why);
    let der = CertificateDer::from_pem_slice(certificate.as_bytes());
    let der = der.map_err(|error| unusable(error.to_string()))?;
    let anchor = webpki::anchor_from_trusted_cert(&der);
    let anchor = anchor.map_err(|error| unusable(error.to_string()))?;
    let public = rcgen::PublicKeyData::subject_public_key_info(key);
    if public.ends_with(&anchor.subject_public_key_info) {
        return Ok(());
    }
    Err(unusable(format!("does not belong to {KEY}")))
}

fn random() -> Result<[u8; TOKEN], AuthorityError> {
    let mut bytes = [0; TOKEN];
    ring::default_provider().secure_random.fill(&mut bytes)?;
    Ok(bytes)
}

fn new_token() -> Result<(Secret, Fingerprint), AuthorityError> {
    let token = URL_SAFE_NO_PAD.encode(random()?);
    let fingerprint = Fingerprint::of(token.as_bytes());
    Ok((Secret::Token(token), fingerprint))
}
