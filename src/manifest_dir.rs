//! The manifest directory: reads its files and waits for changes.

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

/// The largest file, in bytes. An API server has about the same limit for an object.
const LARGEST: usize = 1 << 20;
/// The most manifests. A directory with more manifests or bytes serves another purpose.
const MOST: usize = 1000;
const MOST_BYTES: usize = 64 << 20;
/// The longest time of a scan, because a network file system may hang.
const PATIENCE: Duration = Duration::from_secs(10);
/// The wait after an event, because one change mostly causes several events.
const GATHER: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum ManifestDirError {
    #[error("{path}: {error}")]
    Unreadable { path: String, error: io::Error },
    #[error("{0}: has more than {MOST} manifests")]
    TooMany(String),
    #[error("{path}: its manifests are larger than {} MiB together", MOST_BYTES >> 20)]
    TooLarge { path: String },
    #[error("{path}: does not answer within {} s", PATIENCE.as_secs())]
    Hangs { path: String },
}

/// The result of one scan.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The directory's inode.
    pub directory: u64,
    pub files: Vec<Seen>,
}

#[async_trait]
pub trait ManifestDir: Send {
    /// Reads all manifests. Fails if the directory cannot be read within 10 s, is not root's
    /// alone, or has too many manifests. A file that cannot be read is an error of its own entry.
    async fn scan(&mut self) -> Result<Scan, ManifestDirError>;

    /// Returns when something may have changed since the last scan began. Some changes cause no
    /// event (of a linked file's target, of a mount); the caller's periodic scan finds them.
    async fn changed(&mut self);
}

/// A scan, and the watch that was created before it.
type Scanned = (Option<OwnedFd>, Result<Scan, ManifestDirError>);

pub struct HostDir {
    path: PathBuf,
    watch: Option<pipe::Receiver>,
    /// A scan that took too long. The next call waits for it and starts no second one.
    pending: Option<oneshot::Receiver<Scanned>>,
}

impl HostDir {
    pub fn new(path: PathBuf) -> Self {
        Self { path, watch: None, pending: None }
    }

    fn begin(&self) -> io::Result<oneshot::Receiver<Scanned>> {
        let (tell, told) = oneshot::channel();
        let path = self.path.clone();
        // Not a thread of the runtime, which waits for its threads when it shuts down.
        std::thread::Builder::new().name("manifest-dir".to_owned()).spawn(move || {
            // The receiver is dropped if the daemon stops meanwhile.
            let _ = tell.send((watch(&path).ok(), scan(&path)));
        })?;
        Ok(told)
    }
}

#[async_trait]
impl ManifestDir for HostDir {
    async fn scan(&mut self) -> Result<Scan, ManifestDirError> {
        let path = self.path.display().to_string();
        let mut pending = match self.pending.take() {
            Some(pending) => pending,
            None => self.begin().map_err(|error| unreadable(&self.path, error))?,
        };
        let Ok(scanned) = tokio::time::timeout(PATIENCE, &mut pending).await else {
            self.pending = Some(pending);
            return Err(ManifestDirError::Hangs { path });
        };
        let (watch, scan) = scanned.map_err(|_| {
            unreadable(&self.path, io::Error::other("the scan ended without a result"))
        })?;
        // tokio has no other safe way to wait for a descriptor.
        self.watch = watch.and_then(|watch| pipe::Receiver::from_owned_fd_unchecked(watch).ok());
        scan
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

/// A watch of the directory that the path names now. Each scan has a new one, because the
/// directory may have been replaced.
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

fn scan(path: &Path) -> Result<Scan, ManifestDirError> {
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
        let sizes = files.iter().flat_map(|seen: &Seen| &seen.text).map(|text| text.len());
        if sizes.sum::<usize>() > MOST_BYTES {
            return Err(ManifestDirError::TooLarge { path: path.display().to_string() });
        }
    }
    Ok(Scan { directory, files })
}

/// One file of the directory; `None` for a folder, and for a file that was removed meanwhile.
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
            // The time is read after the text: a file that changed in between counts as one that is
            // still being written.
            let modified = opened.metadata().and_then(|about| about.modified());
            (modified.unwrap_or(SystemTime::UNIX_EPOCH), text)
        }
    };
    Some(Seen { file, modified, text })
}

/// Opens a file of the folder. A link is followed to a file within the folder, as the files of
/// Kubernetes' volumes are linked, and not out of it.
fn open_in(folder: &OwnedFd, name: &OsStr) -> io::Result<File> {
    // Without NONBLOCK the open of a FIFO would wait for its other end.
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
