//! What an ended attempt left: its termination message, the end of its log, its OOM counter.

use std::io::{ErrorKind, SeekFrom};
use std::path::Path;

use tokio::fs::File;
use tokio::io::AsyncSeekExt;

use super::attempt::AttemptId;
use super::log_files::LogFiles;
use crate::domain::exit::{ExitEvidence, MESSAGE_BYTES};
use crate::files;
use crate::process::oom::OomCounter;

/// Reads the evidence. The cgroup's path gives the OOM count, so a bundle that names its cgroup
/// itself has none.
pub async fn read(logs: &LogFiles, id: &AttemptId, cgroup: &str, with_log: bool) -> ExitEvidence {
    let message = match end_of(&logs.message_path(id), MESSAGE_BYTES).await {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        read => Some(read.map_err(|error| error.to_string())),
    };
    let log = if with_log { logs.end(id).await } else { String::new() };
    let oom_kills = OomCounter::at(cgroup).and_then(|counter| counter.kills()).ok();
    ExitEvidence { oom_kills, message, log, node_restarted: false }
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
