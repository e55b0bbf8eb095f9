//! Failed calls.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The text of a failure, and the error that it comes from.
#[derive(Debug, Clone)]
pub struct Cause {
    text: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Cause {
    /// Returns a cause with the error that it comes from.
    pub fn new(text: String, source: impl Error + Send + Sync + 'static) -> Self {
        Self { text, source: Some(Arc::new(source)) }
    }

    /// Returns the cause with `what` in front of its text.
    #[must_use]
    pub fn of(self, what: &str) -> Self {
        Self { text: format!("{what}: {}", self.text), ..self }
    }

    /// The text of the failure.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl From<String> for Cause {
    fn from(text: String) -> Self {
        Self { text, source: None }
    }
}

impl From<&str> for Cause {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

/// Causes are compared by their texts.
impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cause {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn Error + 'static))
    }
}

/// A refusal of the runtime that a caller acts upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The shim ended during the call. containerd is about to delete its task.
    ShimDied,
    /// The task has not ended, so it cannot be deleted.
    StillRunning,
    /// The bundle in this folder is in the way. An earlier creation that was cut off left it.
    BundleInTheWay(PathBuf),
    /// State of an earlier creation that was cut off is in the way.
    StateInTheWay,
}

/// A refusal with the runtime's error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Refused {
    /// What was refused.
    pub refusal: Refusal,
    /// The runtime's error.
    #[source]
    pub cause: Cause,
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The runtime does not have what the call names.
    #[error(transparent)]
    NotFound(Cause),
    /// The runtime has what the call was to create.
    #[error(transparent)]
    AlreadyExists(Cause),
    /// The image is missing or incomplete.
    #[error("{0}")]
    NoImage(String),
    /// The image cannot be used on this host.
    #[error("image: {0}")]
    BadImage(String),
    /// The runtime refused the call for a reason that callers act upon.
    #[error(transparent)]
    Refused(Refused),
    /// The runtime answered that it cannot do what was requested.
    #[error(transparent)]
    Failed(Cause),
    /// The runtime did not answer.
    #[error("containerd is not reachable: {0}")]
    Unavailable(#[source] Cause),
    /// The runtime did not answer within the deadline.
    #[error("{call} took longer than {seconds} s")]
    Timeout {
        /// The call's name.
        call: &'static str,
        /// The deadline.
        seconds: u64,
    },
}

impl CallError {
    /// Returns a failure that has no source.
    pub fn failed(text: impl Into<Cause>) -> Self {
        Self::Failed(text.into())
    }

    /// Returns the runtime's error if the runtime answered that it cannot do what was requested.
    ///
    /// # Errors
    ///
    /// Returns any other error unchanged.
    pub fn into_answer(self) -> Result<Cause, Self> {
        match self {
            Self::Failed(cause) | Self::Refused(Refused { cause, .. }) => Ok(cause),
            other => Err(other),
        }
    }

    /// Returns the refusal, if the call was refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refused) => Some(&refused.refusal),
            _ => None,
        }
    }

    /// True if the shim ended during the call.
    pub fn shim_died(&self) -> bool {
        self.refusal() == Some(&Refusal::ShimDied)
    }

    /// True if the runtime did not answer at all.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Timeout { .. })
    }
}

impl CallError {
    /// Returns success for a call that found nothing to do.
    ///
    /// # Errors
    ///
    /// Returns any error but [`CallError::NotFound`].
    pub fn unless_missing<T>(result: Result<T, Self>) -> Result<(), Self> {
        match result {
            Ok(_) | Err(Self::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_error_stays_the_source() {
        let cause = || Cause::new("shim died".into(), std::io::Error::other("ttrpc: closed"));
        let refused = Refused { refusal: Refusal::ShimDied, cause: cause() };
        for error in [
            CallError::NotFound(cause()),
            CallError::Failed(cause().of("start")),
            CallError::Unavailable(cause()),
            CallError::Refused(refused),
        ] {
            let mut root: &dyn Error = &error;
            while let Some(source) = root.source() {
                root = source;
            }
            assert_eq!(root.to_string(), "ttrpc: closed", "{error}");
        }
    }

    #[test]
    fn only_an_answer_has_a_text() {
        let refused = Refused { refusal: Refusal::StillRunning, cause: "runs".into() };
        assert_eq!(CallError::Refused(refused).into_answer(), Ok("runs".into()));
        assert_eq!(CallError::failed("no").into_answer(), Ok("no".into()));
        let away = CallError::Unavailable("away".into());
        assert!(away.is_loss());
        assert_eq!(away.clone().into_answer(), Err(away));
    }
}
