//! The manifest directory: what is in it now, and that something has changed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::Errno;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::domain::static_pods::{Seen, Text, is_manifest};
use crate::{files, trusted};

#[cfg(test)]
mod tests;

/// As Kubernetes' own limit of an object, and more than anybody writes.
const LARGEST: usize = 1 << 20;
/// A directory with more is something else's.
const MOST: usize = 1000;
/// How long a look may take: a file system of the network may hang.
const PATIENCE: Duration = Duration::from_secs(10);
/// One change is mostly several events.
const GATHER: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum ManifestDirError {
    #[error("{path}: {error}")]
    Unreadable { path: String, error: io::Error },
    #[error("{0}: has more than {MOST} manifests")]
    TooMany(String),
    #[error("{path}: does not answer within {} s", PATIENCE.as_secs())]
    Hangs { path: String },
}

/// What one look finds.
#[derive(Debug, Clone)]
pub struct Look {
    /// The directory's inode.
    pub directory: u64,
    pub files: Vec<Seen>,
}

#[async_trait]
pub trait ManifestDir: Send {
    async fn look(&mut self) -> Result<Look, ManifestDirError>;

    /// Returns when something may have changed since the last look began. What it misses (a
    /// linked file's target, a mount) a later look finds.
    async fn changed(&mut self);
}

/// A look, and what has been watching since before it.
type Looked = (Option<OwnedFd>, Result<Look, ManifestDirError>);

pub struct HostDir {
    path: PathBuf,
    watch: Option<pipe::Receiver>,
    /// A look that hung. There is never a second one beside it.
    pending: Option<oneshot::Receiver<Looked>>,
}

impl HostDir {
    pub fn new(path: PathBuf) -> Self {
        Self { path, watch: None, pending: None }
    }

    fn begin(&self) -> io::Result<oneshot::Receiver<Looked>> {
        let (tell, told) = oneshot::channel();
        let path = self.path.clone();
        // Not one of the runtime's threads, whose end it waits for.
        std::thread::Builder::new().name("manifest-dir".to_owned()).spawn(move || {
            // Nobody listens where the daemon stops meanwhile.
            let _ = tell.send((watch(&path).ok(), look(&path)));
        })?;
        Ok(told)
    }
}

#[async_trait]
impl ManifestDir for HostDir {
    async fn look(&mut self) -> Result<Look, ManifestDirError> {
        let path = self.path.display().to_string();
        let mut pending = match self.pending.take() {
            Some(pending) => pending,
            None => self.begin().map_err(|error| unreadable(&self.path, error))?,
        };
        let Ok(looked) = tokio::time::timeout(PATIENCE, &mut pending).await else {
            self.pending = Some(pending);
            return Err(ManifestDirError::Hangs { path });
        };
        let (watch, look) =
            looked.map_err(|_| unreadable(&self.path, io::Error::other("a look was cut short")))?;
        // tokio has no other safe way to wait for a descriptor.
        self.watch = watch.and_then(|watch| pipe::Receiver::from_owned_fd_unchecked(watch).ok());
        look
    }

    async fn changed(&mut self) {
        match &self.watch {
            Some(watch) if watch.readable().await.is_ok() => tokio::time::sleep(GATHER).await,
            _ => std::future::pending().await,
        }
    }
}

fn unreadable(path: &Path, error: io::Error) -> ManifestDirError {
    ManifestDirError::Unreadable { path: path.display().to_string(), error }
}

/// Made anew for each look: so it is always the directory that is there now.
fn watch(path: &Path) -> io::Result<OwnedFd> {
    let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    let changes = WatchFlags::ATTRIB
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MODIFY
        | WatchFlags::MOVE
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR;
    inotify::add_watch(&watch, path, changes)?;
    Ok(watch)
}

fn look(path: &Path) -> Result<Look, ManifestDirError> {
    let failed = |error| unreadable(path, error);
    trusted::check(path).map_err(|error| failed(error.into()))?;
    let directory = std::fs::metadata(path).map_err(failed)?.ino();
    let folder = open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let folder = folder.map_err(|error| failed(error.into()))?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !is_manifest(&entry.file_name().to_string_lossy()) {
            continue;
        }
        if files.len() >= MOST {
            return Err(ManifestDirError::TooMany(path.display().to_string()));
        }
        files.extend(seen(&folder, &entry.path()));
    }
    Ok(Look { directory, files })
}

/// None for a folder, and for what has gone meanwhile.
fn seen(folder: &OwnedFd, path: &Path) -> Option<Seen> {
    let file = path.display().to_string();
    let (modified, text) = match open_in(folder, path.file_name().unwrap_or_default()) {
        Err(error) if error.kind() == ErrorKind::NotFound && path.symlink_metadata().is_err() => {
            return None;
        }
        Err(error) => (SystemTime::UNIX_EPOCH, Err(error.to_string())),
        Ok(opened) if opened.metadata().is_ok_and(|about| about.is_dir()) => return None,
        Ok(opened) => {
            let text = text(path, &opened);
            // Asked for after it was read: a change in between is one that is still going on.
            let modified = opened.metadata().and_then(|about| about.modified());
            (modified.unwrap_or(SystemTime::UNIX_EPOCH), text)
        }
    };
    Some(Seen { file, modified, text })
}

/// A link may lead to another file of the folder, as Kubernetes' volumes have it, and no further.
fn open_in(folder: &OwnedFd, name: &OsStr) -> io::Result<File> {
    // The open of a pipe must not wait for its other end.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match openat2(folder, name, flags, Mode::empty(), inside) {
        Err(Errno::XDEV) => Err(io::Error::other("is a link that leads out of the folder")),
        opened => Ok(opened?.into()),
    }
}

fn text(path: &Path, file: &File) -> Text {
    let about = file.metadata().map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("is no regular file".to_owned());
    }
    trusted::check_one(path, &about).map_err(|error| error.to_string())?;
    let bytes = files::read_bounded(file, LARGEST).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => format!("is larger than {} MiB", LARGEST >> 20),
        _ => error.to_string(),
    })?;
    String::from_utf8(bytes).map(Into::into).map_err(|_| "is not UTF-8".to_owned())
}
