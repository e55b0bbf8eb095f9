//! An attempt's termination message: its file beside the log, bind-mounted into the container.

use std::io::{ErrorKind, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::Containerd;
use crate::domain::exit::{LOG_BYTES, LOG_LINES, LastWords, MESSAGE_BYTES};
use crate::logs;
use crate::process::oom::OomCounter;
use crate::runtime::{AttemptId, Runtime};

impl Containerd {
    pub(super) fn message_path(&self, id: &AttemptId) -> PathBuf {
        self.log_path(id).with_extension("message")
    }

    /// Where loggers are asked for what they have.
    pub(super) fn logger_sockets(&self) -> PathBuf {
        self.run_dir.join("loggers")
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
        let log = if with_log { self.log_end(id).await } else { String::new() };
        let counter = OomCounter::at(&self.cgroups_path(id));
        let oom_kills = counter.and_then(|counter| counter.kills()).ok();
        LastWords { oom_kills, message, log, node_restarted: false }
    }

    async fn log_end(&self, id: &AttemptId) -> String {
        let path = self.log_path(id);
        if let Err(error) = logs::hand_over(&logs::socket(&self.logger_sockets(), &path)).await {
            tracing::debug!(%id, %error, "no logger hands the log over");
        }
        let read = tokio::task::spawn_blocking(move || logs::last(&path, LOG_LINES, LOG_BYTES));
        let read = read.await.ok().and_then(Result::ok).unwrap_or_default();
        String::from_utf8_lossy(&read).into_owned()
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
}
