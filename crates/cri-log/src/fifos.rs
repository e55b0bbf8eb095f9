//! FIFOs of an interactive container, beside the logger's socket. The shim opens one end of each, and
//! the logger the other.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, mkfifoat};

use crate::attach::Streams;
use crate::files;

/// Paths of an interactive container's streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fifos {
    /// Input; `None` for a container without one.
    pub stdin: Option<PathBuf>,
    /// Output.
    pub stdout: PathBuf,
    /// Errors; `None` for a terminal, whose output is all stdout.
    pub stderr: Option<PathBuf>,
    /// Socket for clients.
    pub clients: PathBuf,
}

impl Fifos {
    /// Returns the paths beside the socket for hand-overs.
    pub fn beside(socket: &Path, streams: Streams) -> Self {
        let with = |ending: &str| {
            let mut path: OsString = socket.as_os_str().to_owned();
            path.push(ending);
            PathBuf::from(path)
        };
        Self {
            stdin: streams.stdin.then(|| with(".in")),
            stdout: with(".out"),
            stderr: (!streams.tty).then(|| with(".err")),
            clients: with(".clients"),
        }
    }

    /// All paths that a container with this socket may have.
    fn all(socket: &Path) -> Vec<PathBuf> {
        let all = Self::beside(socket, Streams { stdin: true, ..Streams::default() });
        all.stdin.into_iter().chain([all.stdout, all.clients]).chain(all.stderr).collect()
    }

    fn fifos(&self) -> impl Iterator<Item = &PathBuf> {
        self.stdin.iter().chain([&self.stdout]).chain(&self.stderr)
    }

    /// Makes the FIFOs. Those of an earlier try are replaced, since a shim may still wait for them.
    ///
    /// # Errors
    ///
    /// If a FIFO cannot be made, or an old one not be removed.
    pub fn make(&self) -> io::Result<()> {
        for fifo in self.fifos() {
            files::remove_file(fifo)?;
            mkfifoat(CWD, fifo, Mode::RUSR | Mode::WUSR)?;
        }
        Ok(())
    }

    /// Removes the FIFOs and the clients' socket of the container with this socket. A shim that waits
    /// for the other end of a FIFO gets it for a moment, since it would wait forever.
    ///
    /// # Errors
    ///
    /// If a file stays.
    pub fn remove(socket: &Path) -> io::Result<()> {
        let all = Self::all(socket);
        let _ends: Vec<_> = all.iter().filter_map(|path| open(path).ok()).collect();
        all.iter().map(|path| files::remove_file(path)).fold(Ok(()), Result::and)
    }

    /// Opens the logger's ends: the input for writing, the others for reading.
    pub(crate) fn open(&self) -> io::Result<(Option<File>, File, Option<File>)> {
        let stdin = self.stdin.as_deref().map(open).transpose()?;
        let read = |path: &Path| options().read(true).open(path);
        Ok((stdin, read(&self.stdout)?, self.stderr.as_deref().map(read).transpose()?))
    }
}

/// Opens a FIFO in both directions, so that neither the opening nor a write needs the other end.
fn open(path: &Path) -> io::Result<File> {
    options().read(true).write(true).open(path)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    options
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};

    use super::*;

    #[test]
    fn fifos_are_root_s_alone_and_removed_with_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("abc");
        let fifos = Fifos::beside(&socket, Streams { stdin: true, ..Streams::default() });
        for _ in 0..2 {
            fifos.make().unwrap();
        }
        for fifo in fifos.fifos() {
            let found = std::fs::symlink_metadata(fifo).unwrap();
            assert!(found.file_type().is_fifo());
            assert_eq!(found.permissions().mode() & 0o777, 0o600);
        }
        let (mut stdin, mut stdout, stderr) = fifos.open().unwrap();
        stdin.as_mut().unwrap().write_all(b"in").unwrap();
        let mut read = [0; 2];
        options()
            .read(true)
            .open(fifos.stdin.as_ref().unwrap())
            .unwrap()
            .read_exact(&mut read)
            .unwrap();
        assert_eq!(&read, b"in");
        // Without a writer the stream has ended; with one it has not.
        assert_eq!(stdout.read(&mut read).unwrap(), 0);
        let _writer = options().write(true).open(&fifos.stdout).unwrap();
        assert_eq!(stdout.read(&mut read).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(stderr.is_some());
        Fifos::remove(&socket).unwrap();
        Fifos::remove(&socket).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_terminal_has_no_errors() {
        let streams = Streams { tty: true, ..Streams::default() };
        let fifos = Fifos::beside(Path::new("/r/abc"), streams);
        assert_eq!((fifos.stdin, fifos.stderr), (None, None));
        assert_eq!(fifos.stdout, Path::new("/r/abc.out"));
    }
}
