//! The namespaces that the containers of a pod share: network, IPC and host name.
//!
//! Each is pinned by a bind mount under the run folder, `netns/POD-UID`, `ipcns/POD-UID` and
//! `utsns/POD-UID`, so that it outlives every one of the containers. runc joins it by that path,
//! hence containerd has to see this process' mounts.

use std::fs::{self, File};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::statfs;
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

use crate::claims::Claim;

pub mod host;
mod loopback;
mod own;

const NETWORK: &str = "netns";
/// For each namespace: folder under the run folder, file under `/proc/…/ns`, type in an OCI spec.
const KINDS: [(&str, &str, &str); 3] =
    [(NETWORK, "net", "network"), ("ipcns", "ipc", "ipc"), ("utsns", "uts", "uts")];

/// The file system type that the kernel reports for a pin (`NSFS_MAGIC`).
const NSFS: i64 = 0x6e73_6673;
/// Most mounts on one pin. There is more than one only if two daemons made it at once.
const STACKED: usize = 8;

/// Pinned network, IPC and UTS namespaces of pods.
#[derive(Debug, Clone)]
pub struct Namespaces {
    run_dir: PathBuf,
}

impl Namespaces {
    /// Returns the namespaces whose pins are files below the run folder.
    pub fn new(run_dir: &Path) -> Self {
        Self { run_dir: run_dir.to_owned() }
    }

    /// The paths of a pod's namespaces, pinned or not, by their OCI types.
    pub fn paths(&self, uid: &str) -> Vec<(&'static str, PathBuf)> {
        KINDS.into_iter().map(|(folder, _, kind)| (kind, self.pin(folder, uid))).collect()
    }

    /// The path of a pod's network namespace, pinned or not.
    pub fn network(&self, uid: &str) -> PathBuf {
        self.pin(NETWORK, uid)
    }

    fn pin(&self, folder: &str, uid: &str) -> PathBuf {
        self.run_dir.join(folder).join(uid)
    }

    /// Whether all namespaces of the pod are pinned.
    pub fn are_pinned(&self, uid: &str) -> bool {
        KINDS.into_iter().all(|(folder, ..)| is_pin(&self.pin(folder, uid)))
    }

    /// Whether any file of the pod's pins exists.
    pub fn have_traces(&self, uid: &str) -> bool {
        KINDS.into_iter().any(|(folder, ..)| self.pin(folder, uid).exists())
    }

    /// Makes new namespaces, with loopback up, and replaces existing pins.
    pub fn make(&self, claim: &Claim) -> io::Result<()> {
        self.remove(claim.uid())?;
        elsewhere(|| {
            own::unshare()?;
            loopback::up()?;
            self.pin_those_of_this_thread(claim)
        })
    }

    /// Pins the namespaces of a running process of the pod again; `ESRCH` if the process has ended.
    pub fn find_again(&self, claim: &Claim, pidfd: BorrowedFd<'_>) -> io::Result<()> {
        self.remove(claim.uid())?;
        elsewhere(|| {
            let all = ThreadNameSpaceType::NETWORK
                | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
                | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME;
            move_into_thread_name_spaces(pidfd, all)?;
            self.pin_those_of_this_thread(claim)
        })
    }

    fn pin_those_of_this_thread(&self, claim: &Claim) -> io::Result<()> {
        for (folder, file, _) in KINDS {
            let pin = self.pin(folder, claim.uid());
            fs::create_dir_all(self.run_dir.join(folder))?;
            File::create(&pin)?;
            mount_bind(format!("/proc/thread-self/ns/{file}"), &pin)?;
        }
        Ok(())
    }

    /// Removes all pins of a pod. The namespaces themselves last as long as their processes.
    pub fn remove(&self, uid: &str) -> io::Result<()> {
        for (folder, ..) in KINDS {
            let pin = self.pin(folder, uid);
            for _ in 0..STACKED {
                match unmount(&pin, UnmountFlags::DETACH) {
                    Ok(()) => {}
                    // The path is no mount point, or does not exist.
                    Err(Errno::INVAL | Errno::NOENT) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            match fs::remove_file(&pin) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn is_pin(path: &Path) -> bool {
    // The type of this field differs between architectures, the value does not.
    statfs(path).is_ok_and(|stat| i128::from(stat.f_type) == i128::from(NSFS))
}

/// Runs `work` in a thread that ends after it: no other work may run in the new namespaces.
fn elsewhere(work: impl FnOnce() -> io::Result<()> + Send) -> io::Result<()> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("namespaces".to_owned());
        let died = |_| Err(io::Error::other("the thread in the pod's namespaces died"));
        thread.spawn_scoped(scope, work)?.join().unwrap_or_else(died)
    })
}

#[cfg(test)]
mod tests;
