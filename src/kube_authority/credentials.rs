//! The issued credentials, each with its user, role and expiry. No I/O and no clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The number of credentials that are valid at a time.
const MOST: usize = 1000;
/// The length of a name in bytes: X.509's limit for a common name.
const NAME: usize = 64;
/// The lifetimes of a credential.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, so its user is root of the host in effect.
    Admin,
    /// Reading, except Secrets, and no command in a container.
    View,
    /// Discovery and questions about its rights: that of a ServiceAccount, which no list has.
    #[serde(skip)]
    Account,
}

impl Role {
    /// The group of the user, which is also the organization in the certificate.
    pub fn group(self) -> &'static str {
        match self {
            Self::Admin => "probelet:admin",
            Self::View => "probelet:view",
            Self::Account => "system:serviceaccounts",
        }
    }
}

/// How a user proves its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialKind {
    /// A client certificate, by which TLS authenticates the connection.
    Certificate,
    /// A bearer token, for clients without client certificates.
    Token,
}

/// The user of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub name: String,
    pub role: Role,
}

/// A field of a credential that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidCredential {
    /// The field of the request: `name`, `ttl` or `server`.
    pub field: &'static str,
    pub reason: String,
}

/// SHA-256 of a certificate in DER, or of a token. The daemon never stores a token itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    pub fn of(secret: &[u8]) -> Self {
        Self(STANDARD.encode(Sha256::digest(secret)))
    }
}

/// An issued credential.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Credential {
    name: String,
    role: Role,
    kind: CredentialKind,
    sha256: Fingerprint,
    /// Seconds since 1970.
    expires: u64,
    /// The host of the kubeconfig's server URL, if it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
}

/// A credential that is to be added.
pub struct NewCredential {
    pub holder: Holder,
    pub kind: CredentialKind,
    pub fingerprint: Fingerprint,
    pub expires: SystemTime,
    pub host: Option<String>,
}

/// All credentials, as the file has them.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    credentials: Vec<Credential>,
}

impl Credentials {
    /// The list with one more entry, without those that have expired.
    ///
    /// # Errors
    ///
    /// The list is full.
    pub fn with(&self, new: NewCredential, now: SystemTime) -> Result<Self, Full> {
        let now = seconds(now);
        let mut credentials = self.credentials.clone();
        credentials.retain(|credential| credential.expires > now);
        if credentials.len() >= MOST {
            return Err(Full);
        }
        let NewCredential { holder, kind, fingerprint, expires, host } = new;
        credentials.push(Credential {
            name: holder.name,
            role: holder.role,
            kind,
            sha256: fingerprint,
            expires: seconds(expires),
            host,
        });
        Ok(Self { credentials })
    }

    /// The list without the credentials of a user; `None` if there are none.
    pub fn without(&self, name: &str) -> Option<Self> {
        let mut credentials = self.credentials.clone();
        credentials.retain(|credential| credential.name != name);
        (credentials.len() < self.credentials.len()).then_some(Self { credentials })
    }

    /// The user of a valid credential, and its end.
    pub fn holder(
        &self,
        kind: CredentialKind,
        fingerprint: &Fingerprint,
        now: SystemTime,
    ) -> Option<(Holder, SystemTime)> {
        let now = seconds(now);
        let found = self.credentials.iter().find(|credential| {
            credential.kind == kind && credential.sha256 == *fingerprint && credential.expires > now
        })?;
        let expires = UNIX_EPOCH.checked_add(Duration::from_secs(found.expires))?;
        Some((Holder { name: found.name.clone(), role: found.role }, expires))
    }

    /// True if the credential has not been revoked.
    pub fn has(&self, fingerprint: &Fingerprint) -> bool {
        self.credentials.iter().any(|credential| credential.sha256 == *fingerprint)
    }

    /// The hosts of the kubeconfigs' server URLs.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.credentials.iter().filter_map(|credential| credential.host.as_deref())
    }
}

/// Too many credentials are valid.
#[derive(Debug, thiserror::Error)]
#[error("{MOST} credentials are valid already: revoke some with `probelet kubeconfig revoke NAME`")]
pub struct Full;

/// Checks the name of a user. `system:…` and other names with a colon belong to Kubernetes.
pub fn check_name(name: &str) -> Result<(), InvalidCredential> {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if name.is_empty() || name.len() > NAME || !name.chars().all(is_valid) {
        let reason = format!("must be 1 to {NAME} letters, digits, '-', '_', '.' or '@'");
        return Err(InvalidCredential { field: "name", reason });
    }
    Ok(())
}

/// The time at which a credential of this lifetime expires.
pub fn expiry(ttl: Duration, now: SystemTime) -> Result<SystemTime, InvalidCredential> {
    let expires = now.checked_add(ttl).filter(|_| (SHORTEST..=LONGEST).contains(&ttl));
    let reason = || "must be from 1 minute to 10 years".to_owned();
    expires.ok_or_else(|| InvalidCredential { field: "ttl", reason: reason() })
}

/// Seconds since 1970.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
