//! The process namespace of a pod whose containers see each other's processes.
//!
//! Such a namespace lives as long as its first process, the holder. The holder runs this binary
//! (`holder.rs`), is a child of the host's init and outlives the daemon. When it dies, the kernel
//! kills all other processes of the namespace. The namespace is pinned at `RUN_DIR/pidns/POD-UID`,
//! where runc joins it. Its holder is found as the first process in it (`namespace.rs`).

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::io::Errno;
use rustix::mount::{UnmountFlags, mount_bind, unmount};

use crate::process::placement;
use crate::process::{Process, descriptors};
use namespace::{Holder, Namespace, holders_in, joined, named_pins};

use crate::claims::Claim;
use crate::own_program;

pub mod holder;
mod namespace;

const FOLDER: &str = "pidns";
/// Limit for the start and for the end of a holder.
const SOON: Duration = Duration::from_secs(10);
/// Most mounts on one pin. There is more than one only if two daemons made it at once.
const STACKED: usize = 8;

/// Process namespaces that the containers of a pod share.
#[derive(Debug, Clone)]
pub struct SharedPids {
    folder: PathBuf,
    /// The parent cgroup of the pods' containers, below each hierarchy's root.
    cgroups: PathBuf,
}

impl SharedPids {
    /// Returns the namespaces whose pins are files below the run folder.
    pub fn new(run_dir: &Path, containerd_namespace: &str) -> Self {
        Self { folder: run_dir.join(FOLDER), cgroups: containerd_namespace.into() }
    }

    /// The path of a pod's pin, which may not exist yet.
    pub fn pin(&self, uid: &str) -> PathBuf {
        self.folder.join(uid)
    }

    fn cgroup(&self, uid: &str) -> PathBuf {
        self.cgroups.join(uid)
    }

    /// Whether a live namespace is pinned.
    pub async fn is_held(&self, uid: &str) -> io::Result<bool> {
        let pin = self.pin(uid);
        aside(move || Ok(pinned_holder(&pin)?.is_some())).await
    }

    /// Pins a live namespace: that of `running`, a process of the pod, if its pin was lost with the
    /// run folder, else a new one.
    pub async fn hold(&self, claim: &Claim, running: Option<Process>) -> io::Result<()> {
        let uid = claim.uid();
        let pin = self.pin(uid);
        let Some(process) = running else { return self.start(&pin, uid).await };
        aside(move || {
            let namespace = joined(process.pid())?;
            // If it is alive now, it was alive when the namespace was opened: the pid was not reused.
            if process.has_ended()? {
                return Err(Errno::SRCH.into());
            }
            pin_at(&pin, &namespace)
        })
        .await
    }

    async fn start(&self, pin: &Path, uid: &str) -> io::Result<()> {
        let mut command = aside(own_program::sealed_command).await?;
        command.args([holder::ARGUMENT, holder::START]).arg(pin).arg(self.cgroup(uid));
        descriptors::restore_in(&mut command);
        let mut command = tokio::process::Command::from(command);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(SOON, output).await??;
        let told = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(io::Error::other(format!("{}: {}", output.status, told.trim())));
        }
        if !told.is_empty() {
            tracing::warn!(uid, told = told.trim(), "the holder of a pod's processes");
        }
        Ok(())
    }

    /// Whether the pod has a pin.
    pub fn have_traces(&self, uid: &str) -> bool {
        self.pin(uid).exists()
    }

    /// Removes the namespace and kills all processes in it. Blocks until they have ended, within a
    /// limit.
    pub fn remove(&self, uid: &str) -> io::Result<()> {
        let pin = self.pin(uid);
        let pinned = pinned_holder(&pin)?.into_iter();
        for holder in pinned.chain(holders_in(&self.cgroup(uid), &pin)?) {
            holder.end(SOON)?;
        }
        unpin(&pin)?;
        for root in placement::ROOTS {
            match fs::remove_dir(Path::new(root).join(self.cgroup(uid))) {
                Err(error) if !is_missing(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The uids of the pods that have a pin or a holder.
    pub fn pods(&self) -> Vec<String> {
        let uid = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let pins = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let named = named_pins().unwrap_or_default().into_iter();
        let named = named.filter(|pin| pin.parent() == Some(&self.folder));
        let mut pods: Vec<_> =
            pins.map(|entry| entry.path()).chain(named).filter_map(|pin| uid(&pin)).collect();
        pods.sort();
        pods.dedup();
        pods
    }
}

fn pinned_holder(pin: &Path) -> io::Result<Option<Holder>> {
    match Namespace::pinned(pin)? {
        Some(namespace) => namespace.holder(),
        None => Ok(None),
    }
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Pins the namespace and replaces an existing pin.
fn pin_at(pin: &Path, namespace: &File) -> io::Result<()> {
    unpin(pin)?;
    fs::create_dir_all(pin.parent().unwrap_or(pin))?;
    File::create(pin)?;
    Ok(mount_bind(format!("/proc/self/fd/{}", namespace.as_raw_fd()), pin)?)
}

fn unpin(pin: &Path) -> io::Result<()> {
    for _ in 0..STACKED {
        match unmount(pin, UnmountFlags::DETACH) {
            Ok(()) => {}
            // The path is no mount point, or does not exist.
            Err(Errno::INVAL | Errno::NOENT) => break,
            Err(error) => return Err(error.into()),
        }
    }
    fs::remove_file(pin).or_else(|error| if is_missing(&error) { Ok(()) } else { Err(error) })
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests;
