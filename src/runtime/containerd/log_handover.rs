//! Asks the logger of a container to write all that it has read.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use probelet_cri_log::Reachable;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// For a logger whose disk is slow.
const PATIENCE: Duration = Duration::from_secs(1);

/// Returns when all that was written to the container's streams before this call is in the log.
///
/// # Errors
///
/// If no logger is there, as where the container has no log, or if it does not answer within
/// a second.
pub(super) async fn hand_over(socket: &Path) -> io::Result<()> {
    let asked = async {
        let at = Reachable::new(socket)?;
        let mut logger = UnixStream::connect(at.path()).await?;
        // It says nothing and closes.
        logger.read(&mut [0]).await.map(drop)
    };
    timeout(PATIENCE, asked).await.map_err(|_| io::Error::from(ErrorKind::TimedOut))?
}
