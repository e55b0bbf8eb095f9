//! Errors of registries: an answer is missing or incomplete, or the registry refuses.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use url::Url;

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// No answer, an incomplete one, or a status that may pass: 429 and 5xx.
    #[error("{0}")]
    Unreachable(String),
    /// Any other refusal, an invalid answer, or an invalid configuration.
    #[error("{0}")]
    Refused(String),
}

/// The most characters of a registry's error message, and of a URL in an error.
const LONGEST_MESSAGE: usize = 1024;

/// The body of an error, by the distribution specification.
#[derive(Deserialize)]
struct Envelope {
    errors: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl RegistryError {
    pub(super) fn stalled(stall: Duration) -> Self {
        Self::Unreachable(format!("no data arrived within {} s", stall.as_secs_f64()))
    }

    pub(super) fn with(self, more: &str) -> Self {
        match self {
            Self::Unreachable(text) => Self::Unreachable(format!("{text} ({more})")),
            Self::Refused(text) => Self::Refused(format!("{text} ({more})")),
        }
    }
}

pub async fn within<T>(
    stall: Duration,
    answer: impl Future<Output = T>,
) -> Result<T, RegistryError> {
    tokio::time::timeout(stall, answer).await.map_err(|_| RegistryError::stalled(stall))
}

/// A URL without user, password, query and fragment, which may be secret: the storage behind a
/// registry signs its URLs.
pub fn shown(url: &Url) -> String {
    let text = format!("{}{}", url.origin().ascii_serialization(), url.path());
    text.chars().take(LONGEST_MESSAGE).collect()
}

pub fn status_error(url: &Url, status: StatusCode, body: &[u8]) -> RegistryError {
    let url = shown(url);
    if status == StatusCode::UNAUTHORIZED {
        let text = format!("{url}: authorization failed: 401 Unauthorized");
        return RegistryError::Refused(text);
    }
    let message = match serde_json::from_slice::<Envelope>(body) {
        Ok(Envelope { errors }) => {
            let texts = errors.iter().map(|Message { code, message }| {
                if message.is_empty() { code.as_str() } else { message.as_str() }
            });
            texts.collect::<Vec<_>>().join(", ")
        }
        Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
    };
    let message: String = message.chars().take(LONGEST_MESSAGE).collect();
    let text = format!("{url}: HTTP status {}: {message}", status.as_u16());
    // Rate limits and errors of the server are temporary.
    let passes = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    if passes { RegistryError::Unreachable(text) } else { RegistryError::Refused(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_short_and_hold_no_url_signature() {
        let url = Url::parse("https://u:p@r.io:5000/v2/a?X-Amz-Signature=hush#x").unwrap();
        let long = "m".repeat(1 << 20);
        let body = format!(r#"{{"errors": [{{"code": "DENIED"}}, {{"message": "{long}"}}]}}"#);
        for body in [body.as_bytes(), long.as_bytes()] {
            let error = status_error(&url, StatusCode::NOT_FOUND, body);
            let text = error.to_string();
            assert!(text.starts_with("https://r.io:5000/v2/a: HTTP status 404: "), "{text}");
            assert!(text.len() < 2 * LONGEST_MESSAGE && !text.contains("hush"), "{text}");
            assert!(matches!(error, RegistryError::Refused(_)));
        }
        let passes = status_error(&url, StatusCode::BAD_GATEWAY, b"");
        assert!(matches!(passes, RegistryError::Unreachable(_)));
    }
}
