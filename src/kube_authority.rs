//! The certificate authority of the Kubernetes API, and the credentials that it has issued.
//!
//! The folder `DATA_DIR/kube-ca` (0700) has the authority's key and certificate, made at first use,
//! and the list of credentials. A client certificate counts only while it is in the list, as a token
//! does: so a revocation is the removal of an entry, and it takes effect at the next request. The
//! list is only read at the start. The daemon alone changes it.
//! Tokens of ServiceAccounts are signed instead, with a key in the same folder.

mod account_tokens;
mod authority;
mod credentials;
mod folder;
mod kubeconfig;
mod server_names;

pub use account_tokens::{AUDIENCE, Account, Named};
pub use authority::{Authority, AuthorityError, Grant, Validity, certificate_file};
pub use credentials::{CredentialKind, Holder, InvalidCredential, Role};

#[cfg(test)]
mod tests;
