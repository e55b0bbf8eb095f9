//! Hand-over: a request to a logger to write everything that it has read. The shim keeps a
//! container's pipes open until its task is deleted, so the logger does not notice the end of the
//! process. The daemon does, and sends the request.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Bytes of the log path's hash that the socket's name consists of.
const NAMED: usize = 16;

/// Returns the path of the socket for hand-overs of this log, in `folder`.
pub fn socket(folder: &Path, log: &Path) -> PathBuf {
    let sum = Sha256::digest(log.as_os_str().as_encoded_bytes());
    let name: String = sum.iter().take(NAMED).map(|byte| format!("{byte:02x}")).collect();
    folder.join(name)
}

/// Access to a socket through its folder's descriptor, because the path in a socket's address may
/// have at most 107 bytes.
#[derive(Debug)]
pub struct Reachable<'a> {
    folder: File,
    name: &'a OsStr,
}

impl<'a> Reachable<'a> {
    /// Opens the folder of the socket.
    ///
    /// # Errors
    ///
    /// If the path has no folder, or it cannot be opened.
    pub fn new(socket: &'a Path) -> io::Result<Self> {
        let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        Ok(Self { folder: File::open(folder)?, name })
    }

    /// Returns a short path of the socket, which is valid while this value exists.
    pub fn path(&self) -> PathBuf {
        Path::new("/proc/self/fd").join(self.folder.as_raw_fd().to_string()).join(self.name)
    }
}
