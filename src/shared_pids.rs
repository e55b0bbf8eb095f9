//! The process namespace of a pod whose containers see each other's processes.
//!
//! Such a namespace lives as long as its first process. That is one of ours (`holder.rs`), which
//! is nobody's child and outlives the daemon; when it dies, the kernel kills all the others.
//! The namespace is pinned at `RUN_DIR/pidns/POD-UID`, where runc joins it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::process::Command;

use crate::files;

pub mod holder;

const FOLDER: &str = "pidns";
/// The running program, whatever has become of its file.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// A holder's arguments are shorter, in bytes; another process may have megabytes of them.
const COMMAND_LINE: usize = 16 << 10;
/// What a holder takes to start, or to be gone.
const SOON: Duration = Duration::from_secs(10);
/// Mounts on one pin; more than one only after two daemons made it at once.
const STACKED: usize = 8;

#[derive(Debug, Clone)]
pub struct SharedPids {
    folder: PathBuf,
    /// Of the pods' containers, below each hierarchy's root.
    cgroups: PathBuf,
}

impl SharedPids {
    pub fn new(run_dir: &Path, containerd_namespace: &str) -> Self {
        Self { folder: run_dir.join(FOLDER), cgroups: containerd_namespace.into() }
    }

    /// Where a pod's namespace is or will be.
    pub fn pin(&self, uid: &str) -> PathBuf {
        self.folder.join(uid)
    }

    /// A live namespace is pinned when this returns: the one that there is, else a new one.
    pub async fn hold(&self, uid: &str) -> io::Result<()> {
        let pin = self.pin(uid);
        let its = pin.clone();
        let held = move || Ok(held_at(&its, &holders(&its)?));
        let pid = match aside(held).await? {
            Held::Pinned => return Ok(()),
            Held::Unpinned(pid) => pid,
            Held::No => self.start(&pin, uid).await?,
        };
        aside(move || repin(&pin, pid)).await
    }

    async fn start(&self, pin: &Path, uid: &str) -> io::Result<u32> {
        let mut command = Command::new(OWN_PROGRAM);
        command.args([holder::ARGUMENT, holder::START]).arg(pin).arg(self.cgroups.join(uid));
        let output = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(SOON, output).await??;
        let told = String::from_utf8_lossy(&output.stderr);
        if output.status.success() && !told.is_empty() {
            tracing::warn!(uid, told = told.trim(), "the holder of a pod's processes");
        }
        match String::from_utf8_lossy(&output.stdout).trim().parse() {
            Ok(pid) if output.status.success() => Ok(pid),
            _ => Err(io::Error::other(format!("{}: {}", output.status, told.trim()))),
        }
    }

    pub fn have_traces(&self, uid: &str) -> bool {
        self.pin(uid).exists()
    }

    /// With whatever runs in it. Blocks until it is gone, bounded.
    pub fn remove(&self, uid: &str) -> io::Result<()> {
        let pin = self.pin(uid);
        for pid in holders(&pin)? {
            end(&pin, pid)?;
        }
        unpin(&pin)?;
        for root in holder::CGROUPS {
            match fs::remove_dir(Path::new(root).join(&self.cgroups).join(uid)) {
                Err(error) if !is_missing(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Uids of those that have a pin or a holder.
    pub fn pods(&self) -> Vec<String> {
        let uid = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let pins = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let held = all_holders().unwrap_or_default().into_iter().map(|(_, pin)| pin);
        let held = held.filter(|pin| pin.parent() == Some(&self.folder));
        let mut pods: Vec<_> =
            pins.map(|entry| entry.path()).chain(held).filter_map(|pin| uid(&pin)).collect();
        pods.sort();
        pods.dedup();
        pods
    }
}

enum Held {
    Pinned,
    /// By this one, whose pin went with the run folder, or never came to be.
    Unpinned(u32),
    No,
}

fn held_at(pin: &Path, holders: &[u32]) -> Held {
    match holders {
        [] => Held::No,
        all if all.iter().any(|pid| is_of(pin, *pid)) => Held::Pinned,
        [first, ..] => Held::Unpinned(*first),
    }
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn repin(pin: &Path, pid: u32) -> io::Result<()> {
    unpin(pin)?;
    fs::create_dir_all(pin.parent().unwrap_or(pin))?;
    File::create(pin)?;
    Ok(mount_bind(namespace_of(pid), pin)?)
}

fn holders(pin: &Path) -> io::Result<Vec<u32>> {
    let all = all_holders()?.into_iter();
    Ok(all.filter(|(_, its)| its == pin).map(|(pid, _)| pid).collect())
}

/// By their names and arguments, which outlive daemons and run folders.
fn all_holders() -> io::Result<Vec<(u32, PathBuf)>> {
    let pid = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let pids = fs::read_dir("/proc")?.flatten().filter_map(pid);
    Ok(pids.filter_map(|pid| Some((pid, pin_held_by(pid)?))).collect())
}

/// One that has ended has no arguments any more.
fn pin_held_by(pid: u32) -> Option<PathBuf> {
    let name = files::read_start(format!("/proc/{pid}/comm"), files::KERNEL).ok()?;
    if name.strip_suffix(b"\n") != Some(holder::NAME.to_bytes()) {
        return None;
    }
    let line = files::read_text(format!("/proc/{pid}/cmdline"), COMMAND_LINE).ok()?;
    let words: Vec<_> = line.trim_end_matches('\0').split('\0').collect();
    let [_, holder::ARGUMENT, holder::HOLD, pin] = words.as_slice() else { return None };
    Some(pin.into())
}

fn namespace_of(pid: u32) -> String {
    format!("/proc/{pid}/ns/pid")
}

/// Whether what is pinned there is the namespace of this process.
fn is_of(pin: &Path, pid: u32) -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let pinned = identity(pin);
    pinned.is_some() && pinned == identity(Path::new(&namespace_of(pid)))
}

fn end(pin: &Path, pid: u32) -> io::Result<()> {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::INVAL)?;
    let pidfd = match pidfd_open(raw, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(()),
        opened => opened?,
    };
    // Another one may have got the number before it was opened.
    if pin_held_by(pid).as_deref() != Some(pin) {
        return Ok(());
    }
    match pidfd_send_signal(&pidfd, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => return Err(error.into()),
    }
    let bound = Timespec::try_from(SOON).ok();
    match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], bound.as_ref())? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

fn unpin(pin: &Path) -> io::Result<()> {
    for _ in 0..STACKED {
        match unmount(pin, UnmountFlags::DETACH) {
            Ok(()) => {}
            // No mount there, or nothing at all.
            Err(Errno::INVAL | Errno::NOENT) => break,
            Err(error) => return Err(error.into()),
        }
    }
    fs::remove_file(pin).or_else(|error| if is_missing(&error) { Ok(()) } else { Err(error) })
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
