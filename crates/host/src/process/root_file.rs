//! Reads one regular file as a process sees it, without waiting for anything that its container
//! controls.
//!
//! The walk stays within the process' root and follows no magic link. It enters a mount only if the
//! mount's file system is on a local disk or in memory. A file of `/proc` (`/proc/kmsg`), of a
//! user's file system (FUSE) or of a server can block a reader for ever, and so the shutdown of the
//! daemon.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2, readlinkat};
use rustix::io::Errno;

use crate::files::{self, parts};

/// Most tries of an open. While any file is renamed, the kernel may be unable to confirm that `..`
/// stayed within the root, and returns an error.
const OPEN_TRIES: u32 = 32;
/// Most symbolic links in a path; the kernel has the same limit.
const LINKS: u32 = 40;
/// File systems on a local disk or in memory.
const LOCAL: [&str; 16] = [
    "bcachefs", "btrfs", "devtmpfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "overlay",
    "ramfs", "squashfs", "tmpfs", "vfat", "xfs", "zfs",
];

/// Reads the file. `mounts` is the process' table of mounts. `FileTooLarge` beyond `limit` bytes.
pub fn read(root: &OwnedFd, mounts: &Path, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    // `PATH` makes sure that a device or a FIFO is not opened for reading.
    let place = match open_at(root, path.as_os_str(), OFlags::PATH | OFlags::CLOEXEC, resolve) {
        Err(Errno::XDEV) => Walk { root, mounts, folders: Vec::new() }.to(path)?,
        found => found?,
    };
    if FileType::from_raw_mode(fstat(&place)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = open(format!("/proc/self/fd/{}", place.as_raw_fd()), flags, Mode::empty())?;
    files::read_bounded(File::from(file), limit)
}

fn open_at(
    folder: &OwnedFd,
    path: &OsStr,
    flags: OFlags,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    for _ in 1..OPEN_TRIES {
        match openat2(folder, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            opened => return opened,
        }
    }
    openat2(folder, path, flags, Mode::empty(), resolve)
}

/// A walk part by part, for a path that crosses mounts: each mount is checked when it is entered.
struct Walk<'a> {
    root: &'a OwnedFd,
    mounts: &'a Path,
    /// The open folders, from the root down to the current one.
    folders: Vec<OwnedFd>,
}

impl Walk<'_> {
    fn to(mut self, path: &Path) -> io::Result<OwnedFd> {
        let mut rest = parts(path);
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == ".." {
                self.folders.pop();
                continue;
            }
            let found = self.step(&part)?;
            if FileType::from_raw_mode(fstat(&found)?.st_mode) == FileType::Symlink {
                links += 1;
                if links > LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = OsString::from_vec(readlinkat(&found, "", Vec::new())?.into_bytes());
                if Path::new(&target).is_absolute() {
                    self.folders.clear();
                }
                rest.extend(parts(Path::new(&target)));
            } else if rest.is_empty() {
                return Ok(found);
            } else {
                self.folders.push(found);
            }
        }
        // The path ends at a folder's `..`.
        Err(Errno::ISDIR.into())
    }

    fn step(&self, part: &OsStr) -> io::Result<OwnedFd> {
        let folder = self.folders.last().unwrap_or(self.root);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match open_at(folder, part, flags, inside | ResolveFlags::NO_XDEV) {
            Err(Errno::XDEV) => {
                let found = open_at(folder, part, flags, inside)?;
                self.check_mount(&found)?;
                Ok(found)
            }
            found => Ok(found?),
        }
    }

    /// Checks the mount of a file by its number, which no other mount of the host has.
    fn check_mount(&self, found: &OwnedFd) -> io::Result<()> {
        let info = files::read_kernel(format!("/proc/self/fdinfo/{}", found.as_raw_fd()))?;
        let number = info.lines().find_map(|line| Some(line.strip_prefix("mnt_id:")?.trim()));
        let table = files::read(self.mounts, files::MOUNTS)?;
        let table = String::from_utf8_lossy(&table);
        let kind = number.and_then(|number| kind_of(&table, number));
        match kind {
            Some(kind) if LOCAL.contains(&kind) => Ok(()),
            kind => {
                let kind = kind.unwrap_or("an unknown file system");
                let text = format!("leads to a mount of {kind}, which may not answer");
                Err(io::Error::new(ErrorKind::CrossesDevices, text))
            }
        }
    }
}

/// Returns `KIND` of a line `NUMBER PARENT DEVICE ROOT POINT OPTIONS TAGS… - KIND SOURCE OPTIONS`.
fn kind_of<'a>(table: &'a str, number: &str) -> Option<&'a str> {
    let is_it = |line: &&str| line.split(' ').next() == Some(number);
    table.lines().find(is_it)?.split_once(" - ")?.1.split(' ').next()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn root(path: &Path) -> OwnedFd {
        open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap()
    }

    fn read_in(root: &OwnedFd, path: impl AsRef<Path>, limit: usize) -> io::Result<Vec<u8>> {
        read(root, "/proc/self/mountinfo".as_ref(), path.as_ref(), limit)
    }

    #[test]
    fn links_lead_nowhere_but_within_the_root() {
        let outside = tempfile::NamedTempFile::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let inside = |path: &str| folder.path().join(path);
        std::fs::create_dir(inside("etc")).unwrap();
        std::fs::write(inside("real"), "inside").unwrap();
        for (link, target) in [
            ("etc/absolute", Path::new("/real")),
            ("etc/relative", Path::new("../../../real")),
            ("etc/escape", outside.path()),
            ("etc/magic", Path::new("/proc/self/root/etc/passwd")),
            ("etc/loop", Path::new("loop")),
        ] {
            std::os::unix::fs::symlink(target, inside(link)).unwrap();
        }
        let root = root(folder.path());
        for path in ["/real", "/etc/absolute", "/etc/relative", "etc/../../real"] {
            assert_eq!(read_in(&root, path, 6).unwrap(), b"inside", "{path}");
            // The slow walk has the same result.
            let walk =
                Walk { root: &root, mounts: "/proc/self/mountinfo".as_ref(), folders: vec![] };
            let walked = fstat(walk.to(path.as_ref()).unwrap()).unwrap().st_ino;
            let real = fstat(open(inside("real"), OFlags::PATH, Mode::empty()).unwrap()).unwrap();
            assert_eq!(walked, real.st_ino, "{path}");
        }
        for path in ["/etc/escape", "/etc/magic", "/none"] {
            assert_eq!(read_in(&root, path, 6).unwrap_err().kind(), ErrorKind::NotFound, "{path}");
        }
        assert_eq!(read_in(&root, "/etc/loop", 6).unwrap_err().raw_os_error(), Some(40));
        assert_eq!(read_in(&root, "/real", 5).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let root = root(folder.path());
        for path in ["/fifo", "/"] {
            assert_eq!(read_in(&root, path, 9).unwrap_err().to_string(), "not a regular file");
        }
    }

    #[test]
    fn a_link_into_proc_is_not_followed_and_nothing_is_waited_for() {
        // The host's root serves as a container's: `/proc` is a mount in it, `/etc/hosts` a file.
        let host = root("/".as_ref());
        let folder = tempfile::tempdir().unwrap();
        for target in ["/proc/kmsg", "/proc/self/root/etc/passwd", "/proc/1/../uptime"] {
            let link = folder.path().join("hosts");
            let _ = std::fs::remove_file(&link);
            std::os::unix::fs::symlink(target, &link).unwrap();
            let error = read_in(&host, &link, 9).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CrossesDevices, "{target}");
            assert!(error.to_string().contains("a mount of proc"), "{target}: {error}");
        }
    }

    #[test]
    fn a_mount_of_memory_is_entered() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        std::fs::write(folder.path().join("hosts"), "x").unwrap();
        assert_eq!(read_in(&root("/".as_ref()), folder.path().join("hosts"), 1).unwrap(), b"x");
    }

    #[test]
    fn a_mount_is_found_by_its_whole_number() {
        let table =
            "36 35 98:0 / /a rw shared:7 - ext4 /dev/x rw\n3 35 0:5 / /b rw - proc proc rw\n";
        assert_eq!(kind_of(table, "3"), Some("proc"));
        assert_eq!(kind_of(table, "36"), Some("ext4"));
        assert_eq!(kind_of(table, "5"), None);
    }
}
