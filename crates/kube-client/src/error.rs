//! Failures of a request, by what a caller can do about them.

use http::StatusCode;
use serde_json::Value;

/// Bytes of a server's text that an error keeps.
const LONGEST: usize = 512;

/// A request without the answer that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The server did not answer, or not in time. Whether a write took effect is not known.
    #[error("the API server does not answer: {0}")]
    Away(String),
    /// 401: the credential is not valid, or not any more.
    #[error("the API server does not accept the credential: {0}")]
    Unauthorized(String),
    /// 403: the credential does not allow the request.
    #[error("the API server does not allow it: {0}")]
    Forbidden(String),
    /// 404: the object does not exist.
    #[error("not found: {0}")]
    NotFound(String),
    /// 409: the object exists, has another version, or a precondition failed.
    #[error("conflict: {0}")]
    Conflict(String),
    /// 410: the version is too old.
    #[error("the version is too old: {0}")]
    Gone(String),
    /// Another answer than success, such as 422.
    #[error("the API server refuses it with {code}: {message}")]
    Refused {
        /// The status code.
        code: u16,
        /// The server's text.
        message: String,
    },
    /// The answer is no JSON, or too long.
    #[error("the answer cannot be used: {0}")]
    Unusable(String),
}

impl ApiError {
    /// The error of an answer's status code and body.
    pub(crate) fn of(status: StatusCode, body: &[u8]) -> Self {
        let status_object: Option<Value> = serde_json::from_slice(body).ok();
        let message = status_object.as_ref().and_then(|it| it.get("message")?.as_str());
        let message = match message {
            Some(message) => message.to_owned(),
            None => String::from_utf8_lossy(body.get(..LONGEST).unwrap_or(body)).into_owned(),
        };
        let mut message = message.trim().to_owned();
        if let Some(end) = (0..=LONGEST).rev().find(|at| message.is_char_boundary(*at)) {
            message.truncate(end);
        }
        match status.as_u16() {
            401 => Self::Unauthorized(message),
            403 => Self::Forbidden(message),
            404 => Self::NotFound(message),
            409 => Self::Conflict(message),
            410 => Self::Gone(message),
            // The server is overloaded or about to stop: the request is repeated.
            429 | 500 | 502..=504 => Self::Away(format!("{status}: {message}")),
            code => Self::Refused { code, message },
        }
    }

    /// True if nothing is known about the server's state, so that nothing may follow from it.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Unauthorized(_) | Self::Unusable(_))
    }
}
