//! Tokens of ServiceAccounts: JSON Web Tokens, signed with a key that only the daemon has. No list of
//! them is kept, so they end with their time, their account, or the object that they are bound to.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::credentials::seconds;
use super::folder::{FileError, Folder};

/// The file of the key, in base64.
const KEY: &str = "tokens.key";
/// Bytes of the key.
const BYTES: usize = 32;
/// The audience of tokens for this API, and the issuer, as in Kubernetes.
pub const AUDIENCE: &str = "https://kubernetes.default.svc";
/// `{"alg":"HS256","typ":"JWT"}`.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
/// Bytes above which a text is no token of the daemon.
const LONGEST: usize = 8 << 10;

/// An object by its name and UID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub name: String,
    pub uid: String,
}

/// The account of a token, and the object that it is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub namespace: String,
    #[serde(rename = "serviceaccount")]
    pub account: Named,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Named>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Named>,
}

impl Account {
    /// The name of the account as a user.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.account.name)
    }
}

/// The claims of a token.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    aud: Vec<String>,
    exp: u64,
    iat: u64,
    nbf: u64,
    iss: String,
    jti: String,
    sub: String,
    #[serde(rename = "kubernetes.io")]
    account: Account,
}

pub struct AccountTokens(hmac::Key);

impl AccountTokens {
    /// Reads the key, or makes one if there is none.
    pub fn open<E: From<FileError>>(
        folder: &Folder,
        new: impl FnOnce() -> Result<[u8; BYTES], E>,
    ) -> Result<Self, E> {
        let bytes = match folder.read(KEY)? {
            Some(text) => {
                let bytes = STANDARD.decode(text.trim());
                let bytes = bytes.map_err(|error| folder.unusable(KEY, error))?;
                if bytes.len() != BYTES {
                    return Err(folder.unusable(KEY, "has another length").into());
                }
                bytes
            }
            None => {
                let bytes = new()?;
                folder.write(KEY, &STANDARD.encode(bytes))?;
                bytes.to_vec()
            }
        };
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// Returns a token, which is valid from `now` until `expires`. `id` is different for each token.
    pub fn issue(
        &self,
        account: &Account,
        audiences: Vec<String>,
        id: String,
        (now, expires): (SystemTime, SystemTime),
    ) -> Result<String, serde_json::Error> {
        let claims = Claims {
            aud: audiences,
            exp: seconds(expires),
            iat: seconds(now),
            nbf: seconds(now),
            iss: AUDIENCE.to_owned(),
            jti: id,
            sub: account.user(),
            account: account.clone(),
        };
        let claims = serde_json::to_vec(&claims)?;
        let signed = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = hmac::sign(&self.0, signed.as_bytes());
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The account of a token for this API that is valid now, and the token's end.
    pub fn account(&self, token: &str, now: SystemTime) -> Option<(Account, SystemTime)> {
        if token.len() > LONGEST {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.0, signed.as_bytes(), &signature).ok()?;
        let (_, claims) = signed.split_once('.')?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        let Claims { aud, exp, nbf, account, .. } = serde_json::from_slice(&claims).ok()?;
        let is_valid = (nbf..exp).contains(&seconds(now));
        let is_for_this = aud.iter().any(|audience| audience == AUDIENCE);
        let expires = UNIX_EPOCH.checked_add(Duration::from_secs(exp))?;
        (is_valid && is_for_this).then_some((account, expires))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        let named = |name: &str| Named { name: name.into(), uid: format!("uid-of-{name}") };
        Account {
            namespace: "shop".into(),
            account: named("robot"),
            pod: Some(named("web")),
            secret: None,
        }
    }

    #[test]
    fn a_token_is_of_its_key_time_and_audience() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::open(folder.path()).unwrap();
        let tokens = AccountTokens::open::<FileError>(&folder, || Ok([7; BYTES])).unwrap();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let issue = |audience: &str| {
            let times = (at(1000), at(1600));
            tokens.issue(&account(), vec![audience.to_owned()], "id".into(), times).unwrap()
        };
        let token = issue(AUDIENCE);
        let found = |tokens: &AccountTokens, token: &str, now| tokens.account(token, at(now));
        assert_eq!(found(&tokens, &token, 1000), Some((account(), at(1600))));
        assert_eq!(account().user(), "system:serviceaccount:shop:robot");
        for now in [999, 1600, 5000] {
            assert_eq!(found(&tokens, &token, now), None, "{now}");
        }
        assert_eq!(found(&tokens, &issue("vault"), 1000), None, "another audience");
        // The next daemon has the same key.
        let next = AccountTokens::open::<FileError>(&folder, || panic!("there is a key")).unwrap();
        assert!(found(&next, &token, 1000).is_some());
        let other = tempfile::tempdir().unwrap();
        let other = Folder::open(other.path()).unwrap();
        let other = AccountTokens::open::<FileError>(&other, || Ok([8; BYTES])).unwrap();
        assert_eq!(found(&other, &token, 1000), None, "another key");
        let parts: Vec<_> = token.split('.').collect();
        let forged = token.replace(parts[1], &URL_SAFE_NO_PAD.encode("{}"));
        for wrong in [forged.as_str(), "", ".", "a.b.c", &token[..token.len() - 1]] {
            assert_eq!(found(&tokens, wrong, 1000), None, "{wrong}");
        }
    }
}
