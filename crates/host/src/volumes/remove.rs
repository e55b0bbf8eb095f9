//! Removes a folder and all below it, of any depth. It follows no symbolic link and enters no
//! mount. Each round removes one level and moves deeper folders up, so neither stack nor
//! descriptors grow.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, RenameFlags, ResolveFlags, open, openat2, renameat_with, unlinkat,
};
use rustix::io::Errno;

/// Most rounds, more than any tree has levels. So the removal ends even if a process goes on
/// writing to the tree.
const ROUNDS: u32 = 1 << 24;

/// Removes the tree at `path`; a missing one is no error.
pub fn tree(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent =
        match open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(()),
            other => other?,
        };
    let root = match within(&parent, name) {
        Err(Errno::NOENT) => return Ok(()),
        // The path is a link or a file.
        Err(Errno::NOTDIR | Errno::LOOP) => return gone(unlinkat(&parent, name, AtFlags::empty())),
        other => other?,
    };
    let mut moved = 0_u64;
    for _ in 0..ROUNDS {
        let mut is_empty = true;
        for_each(&root, |name| {
            is_empty = false;
            match unlinkat(&root, name, AtFlags::empty()) {
                Err(Errno::ISDIR | Errno::PERM) => lift(&root, name, &mut moved),
                other => gone(other),
            }
        })?;
        if is_empty {
            return gone(unlinkat(&parent, name, AtFlags::REMOVEDIR));
        }
    }
    Err(io::Error::other(format!("{}: it does not get empty", path.display())))
}

/// Removes the folder, and moves the folders in it that are not empty beside it.
fn lift(root: &OwnedFd, name: &CStr, moved: &mut u64) -> io::Result<()> {
    let folder = match within(root, name) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    for_each(&folder, |inner| match unlinkat(&folder, inner, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => match unlinkat(&folder, inner, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) => move_up(&folder, inner, root, moved),
            other => gone(other),
        },
        other => gone(other),
    })?;
    match unlinkat(root, name, AtFlags::REMOVEDIR) {
        // The next round removes entries that were added meanwhile.
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
        other => gone(other),
    }
}

fn move_up(folder: &OwnedFd, name: &CStr, root: &OwnedFd, moved: &mut u64) -> io::Result<()> {
    loop {
        *moved += 1;
        let new = format!(".removed-{moved}");
        match renameat_with(folder, name, root, new.as_str(), RenameFlags::NOREPLACE) {
            // The name exists already.
            Err(Errno::EXIST) => {}
            other => return gone(other),
        }
    }
}

/// Opens a folder directly in `parent`.
pub fn within<P: rustix::path::Arg>(parent: &OwnedFd, name: P) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let here = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    openat2(parent, name, flags, Mode::empty(), here)
}

fn for_each(folder: &OwnedFd, mut work: impl FnMut(&CStr) -> io::Result<()>) -> io::Result<()> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            work(entry.file_name())?;
        }
    }
    Ok(())
}

fn gone(result: Result<(), Errno>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
