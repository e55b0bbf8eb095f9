//! An attempt's termination message: a file that is mounted in the container, named beside the log.

use std::io::{ErrorKind, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::fs::File;
use tokio::io::AsyncSeekExt;

use super::Containerd;
use crate::domain::exit::{LOG_BYTES, LOG_LINES, LastWords, MESSAGE_BYTES};
use crate::files;
use crate::logs;
use crate::process::oom::OomCounter;
use crate::runtime::{AttemptId, Birth, Runtime, RuntimeError};

/// The logger copies what a process wrote last a little after its end, and does not say when it
/// has done so: the log is taken as whole when it has not grown for so many steps.
const SETTLE_STEP: Duration = Duration::from_millis(20);
const SETTLE_STEPS: u32 = 50;
const QUIET: u32 = 5;
const QUIET_IF_EMPTY: u32 = 25;

impl Containerd {
    /// The name of an attempt's message beside its log: a link, or the file itself where an
    /// earlier version made it.
    pub(super) fn message_path(&self, id: &AttemptId) -> PathBuf {
        self.log_path(id).with_extension("message")
    }

    /// The file that the container has mounted.
    pub(super) fn message_file(&self, birth: &Birth) -> PathBuf {
        self.files.message(&birth.pod.uid, &birth.id.container, birth.id.attempt)
    }

    /// Empty, and writable by whatever user the container runs as.
    pub(super) async fn make_message(&self, birth: &Birth) -> Result<(), RuntimeError> {
        let (files, volumes, uid) =
            (self.files.clone(), self.volumes.clone(), birth.pod.uid.clone());
        let (file, link) = (self.message_file(birth), self.message_path(&birth.id));
        let made = move || volumes.claim(&uid).and_then(|()| files.make_message(&file, &link));
        let made = tokio::task::spawn_blocking(made).await.map_err(std::io::Error::other);
        made.and_then(|made| made).map_err(|error| {
            RuntimeError::StartFailed(format!("file for the termination message: {error}"))
        })
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
