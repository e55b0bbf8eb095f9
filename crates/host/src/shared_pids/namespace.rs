//! Finds the process that holds a namespace. Any process can choose its name, arguments and user,
//! but not the pins in the run folder, and a namespace has only one first process. If the pin is
//! lost, the holder is found by the pod's cgroup for it, which containers are never put into.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FsWord, fstatfs};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::holder;
use crate::files;
use crate::process::placement;

/// The file system type of `/proc/self/ns/pid` and of pins (`NSFS_MAGIC`).
const NSFS: FsWord = 0x6e73_6673;

/// How much of a file in `/proc` is read.
const STATUS: usize = 8 << 10;
const ARGUMENTS: usize = 8 << 10;

/// A process namespace, by its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespace {
    device: u64,
    inode: u64,
}

impl Namespace {
    fn of_file(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self { device: found.dev(), inode: found.ino() })
    }

    fn of_process(pid: u32) -> io::Result<Self> {
        let found = fs::metadata(path_of(pid))?;
        Ok(Self { device: found.dev(), inode: found.ino() })
    }

    /// The namespace that is pinned; `None` if there is no pin, or only the plain file on which a
    /// pin is mounted.
    pub fn pinned(pin: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(pin) {
            Err(error) if super::is_missing(&error) => return Ok(None),
            opened => opened?,
        };
        if fstatfs(&file)?.f_type != NSFS {
            return Ok(None);
        }
        Self::of_file(&file).map(Some)
    }

    /// Opens the namespace's first process; `None` once it has ended, and with it all others.
    pub fn holder(self) -> io::Result<Option<Holder>> {
        for pid in pids()? {
            if self.is_held_by(pid)
                && let Some(holder) = Holder::open(pid, |pid| self.is_held_by(pid))?
            {
                return Ok(Some(holder));
            }
        }
        Ok(None)
    }

    fn is_held_by(self, pid: u32) -> bool {
        Self::of_process(pid).is_ok_and(|its| its == self) && is_first(pid)
    }
}

pub fn path_of(pid: u32) -> String {
    format!("/proc/{pid}/ns/pid")
}

/// Opens the namespace that this process is in; an error if it is the host's.
pub fn joined(pid: u32) -> io::Result<File> {
    let file = File::open(path_of(pid))?;
    if Namespace::of_file(&file)? == Namespace::of_process(std::process::id())? {
        return Err(io::Error::other(format!("process {pid} is in the host's namespace")));
    }
    Ok(file)
}

/// A holder's process by its pidfd, so that no other process is mistaken for it.
#[derive(Debug)]
pub struct Holder(OwnedFd);

impl Holder {
    /// Opens the process if `is_it` holds. That is checked after the pidfd was opened: the pid may
    /// have been reused before.
    fn open(pid: u32, is_it: impl Fn(u32) -> bool) -> io::Result<Option<Self>> {
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::INVAL)?;
        let pidfd = match pidfd_open(raw, PidfdFlags::empty()) {
            Err(Errno::SRCH) => return Ok(None),
            opened => opened?,
        };
        let holder = Self(pidfd);
        Ok((is_it(pid) && !holder.has_ended(Duration::ZERO)?).then_some(holder))
    }

    fn has_ended(&self, within: Duration) -> io::Result<bool> {
        let bound = Timespec::try_from(within).ok();
        Ok(poll(&mut [PollFd::new(&self.0, PollFlags::IN)], bound.as_ref())? > 0)
    }

    /// Kills the holder, and with it all processes of its namespace. Blocks until it has ended, at
    /// most for `bound`.
    pub fn end(&self, bound: Duration) -> io::Result<()> {
        match pidfd_send_signal(self.0.as_fd(), Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
        if self.has_ended(bound)? { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }
}

/// Finds holders of this pin by their cgroup, name and arguments.
pub fn holders_in(cgroup: &Path, pin: &Path) -> io::Result<Vec<Holder>> {
    let is_it = |pid: u32| {
        placement::ROOTS.iter().any(|root| members(&Path::new(root).join(cgroup)).contains(&pid))
            && is_first(pid)
            && pin_named_by(pid).is_some_and(|its| Path::new(&its) == pin)
    };
    let mut pids: Vec<u32> = Vec::new();
    for root in placement::ROOTS {
        pids.extend(members(&Path::new(root).join(cgroup)));
    }
    pids.sort_unstable();
    pids.dedup();
    let mut found = Vec::new();
    for pid in pids {
        found.extend(Holder::open(pid, is_it)?);
    }
    Ok(found)
}

/// The pins that processes name in their arguments. Whether they really hold them has to be checked
/// by the cgroup.
pub fn named_pins() -> io::Result<Vec<PathBuf>> {
    Ok(pids()?.into_iter().filter_map(pin_named_by).map(Into::into).collect())
}

fn pin_named_by(pid: u32) -> Option<String> {
    let name = files::read_start(format!("/proc/{pid}/comm"), files::KERNEL).ok()?;
    if name.strip_suffix(b"\n") != Some(holder::NAME.to_bytes()) {
        return None;
    }
    let line = files::read_start(format!("/proc/{pid}/cmdline"), ARGUMENTS).ok()?;
    let line = String::from_utf8(line).ok()?;
    let words: Vec<_> = line.trim_end_matches('\0').split('\0').collect();
    let [_, holder::ARGUMENT, holder::HOLD, pin] = words.as_slice() else { return None };
    Some((*pin).to_owned())
}

/// Whether the process is the first of a namespace directly below the host's.
fn is_first(pid: u32) -> bool {
    let Ok(status) = files::read_start(format!("/proc/{pid}/status"), STATUS) else { return false };
    let status = String::from_utf8_lossy(&status);
    let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    let mut ids = ids.split_whitespace();
    ids.next() == Some(&pid.to_string()) && ids.next() == Some("1") && ids.next().is_none()
}

fn members(cgroup: &Path) -> Vec<u32> {
    let text = files::read_kernel(cgroup.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn pids() -> io::Result<Vec<u32>> {
    let pid = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    Ok(fs::read_dir("/proc")?.flatten().filter_map(pid).collect())
}
