//! An attempt's termination message: its file beside the log, bind-mounted into the container.

use std::io::{ErrorKind, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::Containerd;
use crate::domain::exit::{LOG_BYTES, LastWords, MESSAGE_BYTES};
use crate::process::oom::OomCounter;
use crate::runtime::{AttemptId, Runtime};

/// The shim copies what a process wrote last a little after its end, and does not say when it has
/// done so: the log is taken as whole when it has not grown for so many steps.
const SETTLE_STEP: Duration = Duration::from_millis(20);
const SETTLE_STEPS: u32 = 50;
const QUIET: u32 = 5;
const QUIET_IF_EMPTY: u32 = 25;

impl Containerd {
    pub(super) fn message_path(&self, id: &AttemptId) -> PathBuf {
        self.log_path(id).with_extension("message")
    }

    /// Empty, and writable by whatever user the container runs as.
    pub(super) async fn make_message(&self, id: &AttemptId) -> std::io::Result<()> {
        let path = self.message_path(id);
        File::create(&path).await?;
        tokio::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).await
    }

    /// The OOM count is found by the cgroup's path: a bundle that names its own has none.
    pub(super) async fn read_words(&self, id: &AttemptId, with_log: bool) -> LastWords {
        let message = match end_of(&self.message_path(id), MESSAGE_BYTES).await {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            read => Some(read.map_err(|error| error.to_string())),
        };
        let log = if with_log {
            end_of(&self.log_path(id), LOG_BYTES).await.unwrap_or_default()
        } else {
            String::new()
        };
        let counter = OomCounter::at(&self.cgroups_path(id));
        let oom_kills = counter.and_then(|counter| counter.kills()).ok();
        LastWords { oom_kills, message, log, node_restarted: false }
    }
}

async fn end_of(path: &Path, bytes: u64) -> std::io::Result<String> {
    let mut file = File::open(path).await?;
    let length = file.metadata().await?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes))).await?;
    let mut read = Vec::new();
    file.take(bytes).read_to_end(&mut read).await?;
    Ok(String::from_utf8_lossy(&read).into_owned())
}

/// Returns when the log has stopped growing.
pub(super) async fn settle(log: &Path) {
    let length = async || tokio::fs::metadata(log).await.map_or(0, |metadata| metadata.len());
    let (mut before, mut quiet) = (length().await, 0);
    for _ in 0..SETTLE_STEPS {
        tokio::time::sleep(SETTLE_STEP).await;
        let now = length().await;
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
        if quiet >= if now == 0 { QUIET_IF_EMPTY } else { QUIET } {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_end_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(end_of(file.path(), 4).await.unwrap(), "");
        std::fs::write(file.path(), b"abcdef\xff").unwrap();
        assert_eq!(end_of(file.path(), 4).await.unwrap(), "def\u{fffd}");
        assert_eq!(end_of(file.path(), 99).await.unwrap(), "abcdef\u{fffd}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_log_is_waited_for_longer_and_no_log_for_ever() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let waited = async || {
            let start = tokio::time::Instant::now();
            settle(file.path()).await;
            start.elapsed().as_millis()
        };
        assert_eq!(waited().await, 500);
        std::fs::write(file.path(), "x").unwrap();
        assert_eq!(waited().await, 100);
    }
}
