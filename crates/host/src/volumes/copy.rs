//! Copies a folder of an image as containerd's CRI does it for an image's `VOLUME`: with modes,
//! owners, times, extended attributes, links and devices. The image's author controls the source,
//! so links in it are not followed, and its depth is limited.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, XattrFlags,
    chownat, fchmod, fchown, fgetxattr, flistxattr, fsetxattr, fstat, futimens, linkat, mkdirat,
    mknodat, openat2, readlinkat, statat, symlinkat,
};
use rustix::fs::{Gid, Uid};
use rustix::io::Errno;

use super::remove::within;

/// Most levels of folders; each needs two descriptors.
const DEPTH: usize = 128;
/// Limit for one attribute and for a list of their names, in bytes; the kernel has the same.
const ATTRIBUTE: usize = 64 << 10;
/// Attributes that belong to the mount of the image and are not copied.
const NOT_THE_IMAGES: [&[u8]; 2] = [b"trusted.overlay.", b"security.selinux"];

/// The first path of each file with several names, below the new folder, by device and inode.
type Linked = HashMap<(u64, u64), CString>;

/// Copies the content and the attributes of `source` into a new and empty folder.
pub fn tree(source: &OwnedFd, target: &OwnedFd) -> io::Result<()> {
    Copy { root: target, linked: Linked::new() }.folder(source, target, b"", 0)
}

struct Copy<'a> {
    root: &'a OwnedFd,
    linked: Linked,
}

impl Copy<'_> {
    fn folder(
        &mut self,
        source: &OwnedFd,
        target: &OwnedFd,
        path: &[u8],
        depth: usize,
    ) -> io::Result<()> {
        if depth > DEPTH {
            return Err(io::Error::other(format!("is deeper than {DEPTH} folders")));
        }
        for entry in Dir::read_from(source)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let path = if path.is_empty() {
                name.to_bytes().to_vec()
            } else {
                [path, b"/", name.to_bytes()].concat()
            };
            let found = statat(source, name, AtFlags::SYMLINK_NOFOLLOW)?;
            match FileType::from_raw_mode(found.st_mode) {
                FileType::Directory => {
                    mkdirat(target, name, Mode::RWXU)?;
                    let (from, to) = (within(source, name)?, within(target, name)?);
                    self.folder(&from, &to, &path, depth + 1)?;
                }
                FileType::RegularFile => self.file(source, target, name, path)?,
                FileType::Symlink => {
                    symlinkat(&readlinkat(source, name, Vec::new())?, target, name)?;
                    own(target, name, &found)?;
                }
                FileType::Socket => {}
                kind => {
                    let mode = Mode::from_raw_mode(found.st_mode);
                    mknodat(target, name, kind, mode, found.st_rdev)?;
                    own(target, name, &found)?;
                }
            }
        }
        same(source, target)
    }

    fn file(
        &mut self,
        source: &OwnedFd,
        target: &OwnedFd,
        name: &CStr,
        path: Vec<u8>,
    ) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let from = open(source, name, flags, Mode::empty())?;
        let found = fstat(&from)?;
        if found.st_nlink > 1 {
            let identity = (found.st_dev, found.st_ino);
            if let Some(first) = self.linked.get(&identity) {
                return Ok(linkat(self.root, first.as_c_str(), target, name, AtFlags::empty())?);
            }
            self.linked.insert(identity, CString::new(path)?);
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let to = open(target, name, flags, Mode::RUSR | Mode::WUSR)?;
        let (mut from, mut to) = (File::from(from), File::from(to));
        io::copy(&mut from, &mut to)?;
        same(&from.into(), &to.into())
    }
}

fn open(folder: &OwnedFd, name: &CStr, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let here = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    openat2(folder, name, flags, mode, here)
}

fn owner(found: &Stat) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(found.st_uid)), Some(Gid::from_raw(found.st_gid)))
}

fn own(folder: &OwnedFd, name: &CStr, found: &Stat) -> io::Result<()> {
    let (user, group) = owner(found);
    Ok(chownat(folder, name, user, group, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Copies the attributes. The owner is set first, because its change clears set-id bits and
/// capabilities.
fn same(source: &OwnedFd, target: &OwnedFd) -> io::Result<()> {
    let found = fstat(source)?;
    let (user, group) = owner(&found);
    fchown(target, user, group)?;
    fchmod(target, Mode::from_raw_mode(found.st_mode))?;
    attributes(source, target)?;
    let time = |seconds, nanoseconds| -> io::Result<Timespec> {
        let tv_nsec = i64::try_from(nanoseconds).map_err(io::Error::other)?;
        Ok(Timespec { tv_sec: seconds, tv_nsec })
    };
    let last_access = time(found.st_atime, found.st_atime_nsec)?;
    let last_modification = time(found.st_mtime, found.st_mtime_nsec)?;
    Ok(futimens(target, &Timestamps { last_access, last_modification })?)
}

fn attributes(source: &OwnedFd, target: &OwnedFd) -> io::Result<()> {
    let mut names = vec![0; ATTRIBUTE];
    let length = match flistxattr(source, &mut names[..]) {
        Err(Errno::NOTSUP) => return Ok(()),
        length => length?,
    };
    let names = names.get(..length).unwrap_or_default();
    for name in names.split_inclusive(|byte| *byte == 0) {
        if NOT_THE_IMAGES.iter().any(|other| name.starts_with(other)) {
            continue;
        }
        let name = CStr::from_bytes_with_nul(name).map_err(io::Error::other)?;
        let mut value = vec![0; ATTRIBUTE];
        let length = fgetxattr(source, name, &mut value[..])?;
        let value = value.get(..length).unwrap_or_default();
        match fsetxattr(target, name, value, XattrFlags::empty()) {
            // The target's file system does not support this attribute.
            Ok(()) | Err(Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
    use std::path::Path;

    use super::*;

    fn copy(from: &Path, to: &Path) -> io::Result<()> {
        fs::create_dir(to)?;
        let folder = |path: &Path| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::empty())
        };
        tree(&folder(from)?, &folder(to)?)
    }

    #[test]
    fn all_of_it_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/file"), "text").unwrap();
        fs::set_permissions(from.join("a/b"), fs::Permissions::from_mode(0o1750)).unwrap();
        chown(from.join("a/b/file"), Some(1000), Some(2000)).unwrap();
        fs::set_permissions(from.join("a/b/file"), fs::Permissions::from_mode(0o4711)).unwrap();
        fs::hard_link(from.join("a/b/file"), from.join("a/linked")).unwrap();
        symlink("/etc/shadow", from.join("link")).unwrap();
        lchown(from.join("link"), Some(7), None).unwrap();
        let pipe = from.join("pipe");
        mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
        let has_attributes = rustix::fs::setxattr(&from, c"user.own", b"x", XattrFlags::empty());
        chown(&from, Some(999), Some(998)).unwrap();
        fs::set_permissions(&from, fs::Permissions::from_mode(0o2770)).unwrap();
        copy(&from, &to).unwrap();
        for path in ["", "a", "a/b", "a/b/file", "a/linked", "link", "pipe"] {
            let about = |root: &Path| {
                let about = fs::symlink_metadata(root.join(path)).unwrap();
                (about.mode(), about.uid(), about.gid(), about.nlink())
            };
            assert_eq!(about(&to), about(&from), "{path}");
        }
        assert_eq!(fs::read_to_string(to.join("a/b/file")).unwrap(), "text");
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("/etc/shadow"));
        let modified = |path: &Path| fs::metadata(path.join("a/b/file")).unwrap().modified();
        assert_eq!(modified(&to).unwrap(), modified(&from).unwrap());
        if has_attributes.is_ok() {
            let mut value = [0; 8];
            let length = rustix::fs::getxattr(&to, c"user.own", &mut value[..]).unwrap();
            assert_eq!(value[..length], *b"x");
        }
    }

    #[test]
    fn a_tree_that_is_too_deep_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let deep = (0..=DEPTH).fold(dir.path().join("from"), |path, _| path.join("x"));
        fs::create_dir_all(deep).unwrap();
        let error = copy(&dir.path().join("from"), &dir.path().join("to")).unwrap_err();
        assert_eq!(error.to_string(), "is deeper than 128 folders");
    }
}
