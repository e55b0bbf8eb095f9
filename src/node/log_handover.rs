//! A request to a container's logger to write all that it has read.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use probelet_cri_log::Reachable;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Limit for the logger's answer, in case its disk is slow.
const PATIENCE: Duration = Duration::from_secs(1);

/// Returns when all output written to the container's streams before this call is in the log.
///
/// # Errors
///
/// Fails if there is no logger, as for a container without a log, or if the logger does not answer
/// within a second.
pub async fn hand_over(socket: &Path) -> io::Result<()> {
    let asked = async {
        let at = Reachable::new(socket)?;
        let mut logger = UnixStream::connect(at.path()).await?;
        // The logger answers by closing the connection.
        logger.read(&mut [0]).await.map(drop)
    };
    timeout(PATIENCE, asked).await.map_err(|_| io::Error::from(ErrorKind::TimedOut))?
}
