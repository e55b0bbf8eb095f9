//! Asking a logger for all that it has. The shim keeps a container's pipes open until its task is
//! deleted, so their end does not tell the logger that the process is gone; whoever knows says so.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Bytes of a hash, which name a log well enough.
const NAMED: usize = 16;

/// Where the logger of this log is asked, in a folder of the run folder.
pub fn socket(folder: &Path, log: &Path) -> PathBuf {
    let sum = Sha256::digest(log.as_os_str().as_encoded_bytes());
    let name: String = sum.iter().take(NAMED).map(|byte| format!("{byte:02x}")).collect();
    folder.join(name)
}

/// A socket by its folder's descriptor: an address has room for 107 bytes of a path.
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

    /// A short path of the socket, valid as long as this value lives.
    pub fn path(&self) -> PathBuf {
        Path::new("/proc/self/fd").join(self.folder.as_raw_fd().to_string()).join(self.name)
    }
}
