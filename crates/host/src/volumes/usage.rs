//! The disk usage of a folder, as `du` counts it, at any depth. The walk follows no symbolic link,
//! enters no mount and needs one descriptor. A process that moves folders meanwhile can end the
//! walk early, but cannot lead it out of the folder.

use std::collections::HashSet;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, open, openat, statat};
use rustix::io::Errno;

use super::remove::within;

/// The unit of `st_blocks`, in bytes.
const BLOCK: u64 = 512;

type Identity = (u64, u64);

struct Level {
    identity: Identity,
    /// Folders that have not been visited yet.
    folders: Vec<CString>,
}

#[derive(Default)]
struct Count {
    bytes: u64,
    /// Files with several names that were counted already: each counts once.
    linked: HashSet<Identity>,
}

/// The usage of a folder in bytes; 0 if the folder does not exist.
pub fn of(folder: &Path) -> io::Result<u64> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut here = match open(folder, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(0),
        other => other?,
    };
    let mut count = Count::default();
    let mut levels = vec![count.level(&here)?];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.folders.pop() {
            match within(&here, name.as_c_str()) {
                Ok(below) => {
                    levels.push(count.level(&below)?);
                    here = below;
                }
                // The entry was removed or replaced meanwhile, or is a mount.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {}
                Err(error) => return Err(error.into()),
            }
            continue;
        }
        levels.pop();
        let Some(above) = levels.last() else { break };
        let parent = openat(&here, "..", flags, Mode::empty())?;
        if identity(&parent)? != above.identity {
            break;
        }
        here = parent;
    }
    Ok(count.bytes)
}

impl Count {
    fn level(&mut self, folder: &OwnedFd) -> io::Result<Level> {
        let mut folders = Vec::new();
        self.add(fstat(folder)?.st_blocks);
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let found = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                other => other?,
            };
            if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                folders.push(name.to_owned());
            } else if found.st_nlink == 1 || self.linked.insert((found.st_dev, found.st_ino)) {
                self.add(found.st_blocks);
            }
        }
        Ok(Level { identity: identity(folder)?, folders })
    }

    fn add(&mut self, blocks: i64) {
        let bytes = u64::try_from(blocks).unwrap_or_default().saturating_mul(BLOCK);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

fn identity(folder: &OwnedFd) -> io::Result<Identity> {
    let found = fstat(folder)?;
    Ok((found.st_dev, found.st_ino))
}
