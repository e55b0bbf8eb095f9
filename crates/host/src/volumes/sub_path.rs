//! A part of a volume for one container. Writers of the volume may put symbolic links in the path.
//! So the kernel keeps the walk inside the volume, and the result is bound by its descriptor.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fchmod, fstat, mkdirat, open, openat2};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, mount_bind, unmount};

/// The part of a volume that a container requests.
pub struct SubPathOf<'a> {
    /// The volume.
    pub root: &'a Path,
    /// The path below the volume.
    pub path: &'a str,
    /// Whether missing folders are made.
    pub make: bool,
}

const STACKED: usize = 8;
/// The mode of an empty file on which another one is mounted.
const FILE: u32 = 0o644;

pub fn bind(place: &Path, what: &SubPathOf<'_>) -> io::Result<()> {
    let found = find(what)?;
    for _ in 0..STACKED {
        match unmount(place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            // The path is no mount point, or does not exist.
            Err(Errno::INVAL | Errno::NOENT) => break,
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::symlink_metadata(place) {
        Ok(old) if old.is_dir() => fs::remove_dir(place)?,
        Ok(_) => fs::remove_file(place)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if FileType::from_raw_mode(fstat(&found)?.st_mode) == FileType::Directory {
        fs::create_dir(place)?;
    } else {
        fs::File::create(place)?;
    }
    Ok(mount_bind(format!("/proc/self/fd/{}", found.as_raw_fd()), place)?)
}

/// Makes a folder or an empty file below a volume, and the folders on the way to it; false if it
/// exists already.
pub fn make_place(root: &Path, path: &str, is_folder: bool) -> io::Result<bool> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    match beneath(&open(root, flags, Mode::empty())?, Path::new(path)) {
        Err(Errno::NOENT) => {}
        found => return found.map(|_| false).map_err(told),
    }
    if is_folder {
        return find(&SubPathOf { root, path, make: true }).map(|_| true);
    }
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = match parent {
        "" => open(root, flags, Mode::empty())?,
        parent => find(&SubPathOf { root, path: parent, make: true })?,
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    openat2(&parent, name, flags, Mode::from_raw_mode(FILE), inside)?;
    Ok(true)
}

fn find(what: &SubPathOf<'_>) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    // The volume itself may be a symbolic link of the host.
    let root = open(what.root, flags, Mode::empty())?;
    match beneath(&root, Path::new(what.path)) {
        Err(Errno::NOENT) if what.make => {}
        found => return found.map_err(told),
    }
    let mode = fs::metadata(what.root)?.permissions().mode() & 0o7777;
    let mut folder = open(what.root, flags, Mode::empty())?;
    let mut walked = std::path::PathBuf::new();
    for part in Path::new(what.path).components() {
        let Component::Normal(name) = part else { continue };
        walked.push(name);
        folder = match beneath(&root, &walked) {
            Err(Errno::NOENT) => {
                make(&folder, name, mode)?;
                beneath(&root, &walked).map_err(told)?
            }
            found => found.map_err(told)?,
        };
    }
    Ok(folder)
}

fn make(folder: &OwnedFd, name: &std::ffi::OsStr, mode: u32) -> io::Result<()> {
    match mkdirat(folder, name, Mode::RWXU) {
        // The name is a dangling link, or another process has made it meanwhile.
        Err(Errno::EXIST) => return Ok(()),
        other => other?,
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let new = openat2(folder, name, flags, Mode::empty(), ResolveFlags::BENEATH)?;
    Ok(fchmod(new, Mode::from_raw_mode(mode))?)
}

fn beneath(root: &OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    openat2(root, path, flags, Mode::empty(), inside)
}

fn told(error: Errno) -> io::Error {
    match error {
        Errno::XDEV => io::Error::other("it leads out of the volume"),
        other => other.into(),
    }
}
