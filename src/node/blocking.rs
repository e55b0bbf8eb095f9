//! Blocking work that may take long.

use std::time::Duration;

use super::error::NodeError;

/// How long an operation may take: a host path may be on a server that does not answer, and a
/// folder may be large.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Runs blocking work in a thread of its own. The work continues if it takes too long.
pub async fn aside<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NodeError> {
    let late = |_| NodeError::Config(format!("{what}: not within {} s", PATIENCE.as_secs()));
    let done = tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(work)).await;
    done.map_err(late)?.map_err(|error| NodeError::Internal(format!("{what}: {error}")))
}
