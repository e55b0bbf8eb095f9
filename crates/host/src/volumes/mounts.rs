//! Mounts for volumes, and their removal.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::give;
use crate::files;
use crate::mountinfo::Mount;

const MOUNTS: &str = "/proc/self/mountinfo";

/// Mounts a tmpfs for a container to write to.
pub fn memory(place: &Path, mode: u32, size: Option<u64>, group: Option<u32>) -> io::Result<()> {
    if is_mounted(place) {
        return Ok(());
    }
    fs::create_dir_all(place)?;
    let size = size.map_or(String::new(), |bytes| format!(",size={bytes}"));
    let group = group.map_or(String::new(), |group| format!(",gid={group}"));
    tmpfs(place, &format!("mode={mode:o}{size}{group}"))
}

/// Mounts a tmpfs for files that must not reach a disk, nor swap if the kernel supports that.
pub fn for_files(place: &Path, group: Option<u32>) -> io::Result<()> {
    const OPTIONS: &str = "mode=1777";
    if is_mounted(place) {
        return Ok(());
    }
    fs::create_dir_all(place)?;
    tmpfs(place, &format!("{OPTIONS},noswap")).or_else(|_| tmpfs(place, OPTIONS))?;
    match group {
        None => Ok(()),
        Some(_) => give(place, 0o3777, group),
    }
}

fn tmpfs(place: &Path, options: &str) -> io::Result<()> {
    let data = CString::new(options)?;
    Ok(mount("tmpfs", place, "tmpfs", MountFlags::empty(), data.as_c_str())?)
}

/// Whether `place` is on another file system than the folder around it.
pub fn is_mounted(place: &Path) -> bool {
    let device = |path: &Path| fs::symlink_metadata(path).ok().map(|found| found.dev());
    let parent = place.parent().and_then(device);
    device(place).is_some_and(|own| Some(own) != parent)
}

/// Whether `place` is a mount point, even one of the same file system as the folder around it.
pub fn is_mount_point(place: &Path) -> io::Result<bool> {
    let place = fs::canonicalize(place)?;
    Ok(all()?.into_iter().any(|mount| mount.point == place))
}

/// Unmounts everything at `folder` or below, the innermost mounts first.
pub fn unmount_below(folder: &Path) -> io::Result<()> {
    let folder = fs::canonicalize(folder)?;
    // Stacked mounts appear one after the other, so the table is read repeatedly.
    for _ in 0..STACKED {
        let mut below: Vec<PathBuf> =
            all()?.into_iter().map(|it| it.point).filter(|it| it.starts_with(&folder)).collect();
        if below.is_empty() {
            return Ok(());
        }
        below.sort_unstable();
        for point in below.iter().rev() {
            match unmount(point, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
                // The mount was removed together with one around it.
                Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Err(io::Error::other(format!(
        "{}: something is mounted there again and again",
        folder.display()
    )))
}

const STACKED: usize = 64;

fn all() -> io::Result<Vec<Mount>> {
    Ok(files::read(MOUNTS, files::MOUNTS)?
        .split(|byte| *byte == b'\n')
        .filter_map(Mount::parse)
        .collect())
}

/// Why mounts at `path` cannot propagate to a container, with containerd's error text; `both_ways`
/// asks for propagation from the container too.
pub fn not_shared(path: &Path, both_ways: bool) -> io::Result<Option<String>> {
    let real = fs::canonicalize(path)?;
    let around = all()?.into_iter().filter(|mount| real.starts_with(&mount.point));
    // Of several mounts on one point, the last covers the others.
    let Some(mount) = around.max_by_key(|mount| mount.point.components().count()) else {
        return Ok(None);
    };
    let what = if both_ways { "a shared mount" } else { "a shared or slave mount" };
    let good = mount.is_shared || (!both_ways && mount.is_slave);
    let (path, point) = (path.display().to_string(), mount.point.display().to_string());
    Ok((!good).then(|| format!("path {path:?} is mounted on {point:?} but it is not {what}")))
}
