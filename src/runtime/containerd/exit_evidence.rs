//! An attempt's termination message: a file mounted in the container, with a link beside the log.

use std::io::{ErrorKind, SeekFrom};
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::AsyncSeekExt;

use super::{Containerd, log_handover};
use crate::domain::exit::{ExitEvidence, LOG_BYTES, LOG_LINES, MESSAGE_BYTES};
use crate::files;
use crate::logs;
use crate::process::oom::OomCounter;
use crate::runtime::{AttemptId, Runtime, RuntimeError, StartRequest};

impl Containerd {
    /// Path of an attempt's message beside its log: a link, or the file itself if an earlier
    /// version created it.
    pub(super) fn message_path(&self, id: &AttemptId) -> PathBuf {
        self.log_path(id).with_extension("message")
    }

    /// Folder of the sockets on which loggers are asked to write out their buffers.
    pub(super) fn logger_sockets(&self) -> PathBuf {
        self.run_dir.join("loggers")
    }

    /// The file that is mounted in the container.
    pub(super) fn message_file(&self, creation: &StartRequest) -> PathBuf {
        self.files.message(&creation.pod.uid, &creation.id.container, creation.id.attempt)
    }

    /// Creates the message, empty and writable by any user that the container may run as.
    pub(super) async fn make_message(&self, creation: &StartRequest) -> Result<(), RuntimeError> {
        let (files, volumes, uid) =
            (self.files.clone(), self.volumes.clone(), creation.pod.uid.clone());
        let (file, link) = (self.message_file(creation), self.message_path(&creation.id));
        let made = move || volumes.claim(&uid).and_then(|()| files.make_message(&file, &link));
        let made = tokio::task::spawn_blocking(made).await.map_err(std::io::Error::other);
        made.and_then(|made| made).map_err(|error| {
            RuntimeError::StartFailed(format!("file for the termination message: {error}"))
        })
    }

    /// Reads the evidence. The cgroup's path gives the OOM count, so a bundle that names its cgroup
    /// itself has none.
    pub(super) async fn read_words(&self, id: &AttemptId, with_log: bool) -> ExitEvidence {
        let message = match end_of(&self.message_path(id), MESSAGE_BYTES).await {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            read => Some(read.map_err(|error| error.to_string())),
        };
        let log = if with_log { self.log_end(id).await } else { String::new() };
        let counter = OomCounter::at(&self.cgroups_path(id));
        let oom_kills = counter.and_then(|counter| counter.kills()).ok();
        ExitEvidence { oom_kills, message, log, node_restarted: false }
    }

    async fn log_end(&self, id: &AttemptId) -> String {
        let path = self.log_path(id);
        if let Err(error) =
            log_handover::hand_over(&logs::socket(&self.logger_sockets(), &path)).await
        {
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
    let limit = usize::try_from(bytes).unwrap_or(usize::MAX);
    let read = files::read_start_of_stream(file, limit).await?;
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
