//! Files that are written as a whole, and reads with a limit.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// The name of a file that is not complete. No other file of the folder has it.
pub const UNFINISHED: &str = ".new";
const PRIVATE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;

/// Replaces a file. The new content has survived a power cut when this returns.
pub fn replace(folder: &Path, file: &str, bytes: &[u8]) -> io::Result<()> {
    let new = folder.join(UNFINISHED);
    // A killed write may have left one, with whatever mode.
    absent(std::fs::remove_file(&new))?;
    let mut options = OpenOptions::new();
    let mut unfinished = options.write(true).create_new(true).mode(PRIVATE).open(&new)?;
    unfinished.write_all(bytes)?;
    unfinished.sync_all()?;
    std::fs::rename(&new, folder.join(file))?;
    sync(folder)
}

/// Removes a file, which stays removed after a power cut. A missing file is no error.
pub fn remove(folder: &Path, file: &str) -> io::Result<()> {
    match std::fs::remove_file(folder.join(file)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync(folder)),
    }
}

/// Makes a folder below one that exists.
pub fn make_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(PRIVATE_FOLDER).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| sync(path.parent().unwrap_or(path))),
    }
}

/// Opens a file that is locked for as long as it is open; `None` if another process has it.
pub fn lock(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(PRIVATE).open(path)?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Makes the names in a folder survive a power cut.
pub fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Reads a regular file of at most `limit` bytes. A link, a pipe or a device is an error.
pub fn read(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).custom_flags(i32::try_from(flags).unwrap_or_default()).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidData, "is no regular file"));
    }
    let length = usize::try_from(about.len()).unwrap_or(usize::MAX);
    if length > limit {
        let text = format!("has {length} bytes, more than {limit}");
        return Err(io::Error::new(ErrorKind::FileTooLarge, text));
    }
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Turns the error of a missing file into success.
pub fn absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
