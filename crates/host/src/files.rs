//! Bounded reads into memory. A file that a container, a user or a plugin writes can be of any
//! length. So `clippy.toml` refuses the unbounded readers of the standard library and tokio
//! everywhere but in this module.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::OFlags;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Limit for one file of `/proc` or `/sys`, in bytes.
pub const KERNEL: usize = 4 << 20;
/// Limit for a table of mounts: as many as `fs.mount-max` allows by default, with long paths.
pub const MOUNTS: usize = 64 << 20;
/// Limit for a file that an administrator writes: configuration, certificates, profiles.
pub const CONFIGURATION: usize = 1 << 20;

/// The whole file. `FileTooLarge` beyond `limit` bytes.
pub fn read(path: impl AsRef<Path>, limit: usize) -> io::Result<Vec<u8>> {
    read_bounded(open(path.as_ref())?, limit)
}

/// The whole file as UTF-8. `FileTooLarge` beyond `limit` bytes.
pub fn read_text(path: impl AsRef<Path>, limit: usize) -> io::Result<String> {
    text(read(path, limit)?)
}

/// Reads one of the kernel's small files. Process names in it may be any bytes.
pub fn read_kernel(path: impl AsRef<Path>) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&read(path, KERNEL)?).into_owned())
}

/// The first `limit` bytes of a file.
pub fn read_start(path: impl AsRef<Path>, limit: usize) -> io::Result<Vec<u8>> {
    read_start_of(open(path.as_ref())?, limit)
}

/// Calls [`read`] on a thread that may block.
pub async fn read_aside(path: PathBuf, limit: usize) -> io::Result<Vec<u8>> {
    tokio::task::spawn_blocking(move || read(path, limit)).await.map_err(io::Error::other)?
}

/// Calls [`read_text`] on a thread that may block.
pub async fn read_text_aside(path: PathBuf, limit: usize) -> io::Result<String> {
    text(read_aside(path, limit).await?)
}

/// All that a reader gives. `FileTooLarge` beyond `limit` bytes.
pub fn read_bounded(reader: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let bytes = read_start_of(reader, limit.saturating_add(1))?;
    if bytes.len() > limit {
        let text = format!("is larger than {limit} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

/// The first `limit` bytes that a reader gives.
#[expect(clippy::disallowed_methods, reason = "the one place, behind a limit")]
pub fn read_start_of(reader: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(u64::try_from(limit).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The first `limit` bytes of a stream.
#[expect(clippy::disallowed_methods, reason = "the one place, behind a limit")]
pub async fn read_start_of_stream(
    reader: impl AsyncRead + Unpin,
    limit: usize,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(u64::try_from(limit).unwrap_or(u64::MAX)).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// The names in a path, `..` included, in reverse order: a walk pops them from the end.
pub fn parts(path: &Path) -> Vec<OsString> {
    let named = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    named.collect()
}

/// Opens a file. The open of a FIFO does not wait for its other end.
fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // The file is sparse: it takes no disk space, but reading all of it would take all memory.
        file.as_file().set_len(1 << 40).unwrap();
        let error = read(file.path(), 4096).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert_eq!(error.to_string(), "is larger than 4096 bytes");
        assert_eq!(read_start(file.path(), 3).unwrap(), [0; 3]);
        file.as_file().set_len(3).unwrap();
        assert_eq!(read_text(file.path(), 3).unwrap(), "\0\0\0");
    }

    #[tokio::test]
    async fn a_stream_without_an_end_is_cut() {
        let read = read_start_of_stream(tokio::io::repeat(b'x'), 5).await.unwrap();
        assert_eq!(read, b"xxxxx");
    }

    #[test]
    fn a_pipe_without_a_writer_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(read(&pipe, 9).unwrap(), b"");
    }
}
