//! A command's stdout and stderr: two FIFOs that the shim writes to, or two pipes.

use std::fs::{DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::{OpenOptions, Receiver};

use probelet_runtime::ExecStdio;

use probelet_prober::EXEC_OUTPUT;

/// Creates the folder of all FIFOs and removes those of an earlier daemon, which are useless.
///
/// A shim waits forever for a reader of a FIFO that is gone, and answers no state requests
/// meanwhile. So each FIFO has an open reader until its path is removed.
pub fn fresh_folder(path: &Path) -> io::Result<()> {
    let left = std::fs::read_dir(path).into_iter().flatten().flatten();
    let _readers: Vec<_> =
        left.filter_map(|fifo| OpenOptions::new().open_receiver(fifo.path()).ok()).collect();
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
}

#[derive(Debug)]
pub struct Output {
    stdout: Stream,
    stderr: Stream,
}

impl Output {
    /// Opens both FIFOs. It must run before the command starts: the shim opens the other ends then,
    /// and would wait for these.
    pub fn open(folder: &Path, exec_id: &str) -> io::Result<Self> {
        // The run folder may have been emptied by another process.
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let stream = |name: &str| Stream::open(folder.join(format!("{exec_id}.{name}")));
        Ok(Self { stdout: stream("stdout")?, stderr: stream("stderr")? })
    }

    /// Makes two pipes, and returns their other ends for the command.
    pub fn pipes() -> io::Result<(Self, [OwnedFd; 2])> {
        let ((stdout, out), (stderr, err)) = (Stream::pipe()?, Stream::pipe()?);
        Ok((Self { stdout, stderr }, [out, err]))
    }

    pub fn stdio(&self) -> ExecStdio {
        let (stdout, stderr) = (self.stdout.uri(), self.stderr.uri());
        ExecStdio { stdout, stderr, ..ExecStdio::default() }
    }

    /// Reads until both streams end. The call may be cancelled and repeated at any time. It must
    /// not run before the command was started: there is no writer yet, so both streams would seem
    /// to have ended.
    pub async fn drain(&mut self) {
        tokio::join!(self.stdout.drain(), self.stderr.drain());
    }

    pub fn into_head(mut self) -> Vec<u8> {
        let mut head = std::mem::take(&mut self.stdout.head);
        head.append(&mut self.stderr.head);
        head.truncate(EXEC_OUTPUT);
        head
    }
}

/// A FIFO whose file is removed when this value is dropped.
#[derive(Debug)]
pub struct Fifo {
    path: PathBuf,
}

impl Fifo {
    pub fn make(path: PathBuf) -> io::Result<Self> {
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR)?;
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn uri(&self) -> String {
        self.path.display().to_string()
    }
}

/// After discarding this many bytes the reader pauses, so that a command that prints without end
/// uses only a few hundredths of a processor.
const PER_PAUSE: usize = 1 << 20;
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug)]
struct Stream {
    /// `None` for a pipe.
    fifo: Option<Fifo>,
    /// `None` when the stream has ended.
    pipe: Option<Receiver>,
    head: Vec<u8>,
    /// Bytes discarded since the last pause.
    thrown_away: usize,
}

impl Stream {
    fn open(path: PathBuf) -> io::Result<Self> {
        let fifo = Fifo::make(path)?;
        let pipe = Some(OpenOptions::new().open_receiver(fifo.path())?);
        Ok(Self { fifo: Some(fifo), pipe, head: Vec::new(), thrown_away: 0 })
    }

    fn pipe() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        let pipe = Some(Receiver::from_owned_fd(ours)?);
        Ok((Self { fifo: None, pipe, head: Vec::new(), thrown_away: 0 }, theirs))
    }

    fn uri(&self) -> String {
        self.fifo.as_ref().map(Fifo::uri).unwrap_or_default()
    }

    async fn drain(&mut self) {
        let mut chunk = [0; 8 << 10];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut chunk).await {
                Ok(0) | Err(_) => self.pipe = None,
                Ok(length) => {
                    let room = EXEC_OUTPUT.saturating_sub(self.head.len());
                    self.head.extend(chunk.iter().take(length.min(room)));
                    self.thrown_away += length.saturating_sub(room);
                    if self.thrown_away > PER_PAUSE {
                        self.thrown_away = 0;
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(fifo = %self.path.display(), %error, "cannot remove a FIFO");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    fn writer(stream: &Stream) -> File {
        File::options().write(true).open(stream.fifo.as_ref().unwrap().path()).unwrap()
    }

    #[tokio::test]
    async fn stdout_comes_before_stderr_and_the_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = Output::open(folder.path(), "probelet-0").unwrap();
        writer(&output.stderr).write_all(b"second").unwrap();
        writer(&output.stdout).write_all(b"first ").unwrap();
        output.drain().await;
        assert_eq!(output.into_head(), b"first second");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_does_not_fit_is_read_and_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = Output::open(folder.path(), "probelet-0").unwrap();
        let (mut out, mut err) = (writer(&output.stdout), writer(&output.stderr));
        let noise = std::thread::spawn(move || {
            err.write_all(&[b'e'; 100]).unwrap();
            drop(err);
            out.write_all(&vec![b'o'; 1 << 20]).unwrap();
        });
        output.drain().await;
        noise.join().unwrap();
        assert_eq!(output.into_head(), [b'o'; EXEC_OUTPUT]);
    }

    #[tokio::test]
    async fn a_reading_that_was_given_up_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = Output::open(folder.path(), "probelet-0").unwrap();
        let (mut held, err) = (writer(&output.stdout), writer(&output.stderr));
        held.write_all(b"hi").unwrap();
        drop(err);
        let early = tokio::time::timeout(Duration::from_millis(20), output.drain()).await;
        assert!(early.is_err(), "somebody holds stdout");
        held.write_all(b" there").unwrap();
        drop(held);
        output.drain().await;
        assert_eq!(output.into_head(), b"hi there");
    }

    #[test]
    fn the_folder_is_emptied_and_private() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("run/exec");
        for _ in 0..2 {
            fresh_folder(&folder).unwrap();
            assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
            assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
            std::fs::write(folder.join("old"), "").unwrap();
        }
    }
}
