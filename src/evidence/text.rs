//! Small files of `/proc` and cgroupfs, read with a limit.

use std::io;
use std::path::Path;

use tokio::time::{Duration, Instant};

use crate::files;
use crate::node::deadline_in;

/// The deadline for optional parts of a capture, by tokio's clock, which the caller's timeout uses
/// too.
#[derive(Debug, Clone, Copy)]
pub struct Budget(Instant);

impl Budget {
    pub fn new(length: Duration) -> Self {
        Self(deadline_in(length))
    }

    pub fn is_spent(self) -> bool {
        Instant::now() >= self.0
    }
}

/// The first `limit` bytes of a file. Bytes that are not UTF-8 are replaced.
pub fn read(path: impl AsRef<Path>, limit: usize) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&files::read_start(path, limit)?).into_owned())
}

/// The content of a file of one short line, without its line end.
pub fn line(path: impl AsRef<Path>) -> io::Result<String> {
    Ok(read(path, 4096)?.trim_end().to_owned())
}

pub fn number(path: impl AsRef<Path>) -> Option<u64> {
    line(path).ok()?.parse().ok()
}

/// The number after `key` in a file of `KEY NUMBER` lines.
pub fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == key).then(|| value.trim().parse().ok())?
    })
}
