//! What went wrong at a registry, in two kinds: nobody (fully) answered, or it said no.

use std::time::Duration;

use oci_client::errors::DigestError;

use super::Oci;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    Refused(String),
}

impl RegistryError {
    pub(super) fn stalled(stall: Duration) -> Self {
        Self::Unreachable(format!("nothing came within {} s", stall.as_secs_f64()))
    }

    pub(super) fn with(self, more: &str) -> Self {
        match self {
            Self::Unreachable(text) => Self::Unreachable(format!("{text} ({more})")),
            Self::Refused(text) => Self::Refused(format!("{text} ({more})")),
        }
    }
}

pub(super) async fn within<T>(
    stall: Duration,
    answer: impl Future<Output = T>,
) -> Result<T, RegistryError> {
    tokio::time::timeout(stall, answer).await.map_err(|_| RegistryError::stalled(stall))
}

/// Errors of the transport tell the reason only at the end of their chain.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}

/// A stream that ended in another digest than it should will do so again.
pub(super) fn broken_off(error: &std::io::Error) -> RegistryError {
    let is_wrong = error.get_ref().is_some_and(|inner| inner.is::<DigestError>());
    let text = chain(error);
    if is_wrong { RegistryError::Refused(text) } else { RegistryError::Unreachable(text) }
}

pub(super) fn registry_error(error: Oci) -> RegistryError {
    match error {
        Oci::RequestError(_) | Oci::IoError(_) => RegistryError::Unreachable(chain(&error)),
        Oci::ServerError { code, ref url, ref message } => {
            let text = format!("{url}: HTTP status {code}: {}", message.trim());
            // Too many requests, and trouble of the registry's own, may pass.
            let passes = code == 429 || code >= 500;
            if passes { RegistryError::Unreachable(text) } else { RegistryError::Refused(text) }
        }
        Oci::RegistryError { ref envelope, ref url } => {
            let told: Vec<_> = envelope.errors.iter().map(|e| e.message.as_str()).collect();
            RegistryError::Refused(format!("{url}: {}", told.join(", ")))
        }
        Oci::UnauthorizedError { ref url } => {
            RegistryError::Refused(format!("{url}: authorization failed: 401 Unauthorized"))
        }
        other => RegistryError::Refused(chain(&other)),
    }
}
