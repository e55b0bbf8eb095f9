//! Outages of the host: a reboot, a lost run folder, another disk.

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
};

use crate::{Host, clean};

impl Host {
    /// Does what a power cut does: all processes end, and the run folder and containerd's state are
    /// removed. The next daemon must be started by [`Host::start_daemon_in_another_boot`].
    pub fn crash_node(&mut self) -> Result<()> {
        self.kill_daemon()?;
        self.kill_containerd()?;
        clean::leftovers(self.dir.path(), &self.containerd_socket(), &self.namespace);
        fs::remove_dir_all(self.path("state"))?;
        fs::remove_dir_all(self.path("run"))?;
        self.share_mounts()
    }

    /// Makes the run and data folders shared mounts, so that containerd sees the mounts of a daemon
    /// in its own mount namespace.
    pub fn share_mounts(&self) -> Result<()> {
        for folder in ["run", "data"].map(|name| self.path(name)) {
            fs::create_dir_all(&folder)?;
            mount_bind(&folder, &folder)?;
            mount_change(&folder, MountPropagationFlags::SHARED)?;
        }
        Ok(())
    }

    /// Removes the run folder with all mounts in it.
    pub fn wipe_run_dir(&self) -> Result<()> {
        let run = self.path("run");
        unmount_below(&run)?;
        Ok(fs::remove_dir_all(run)?)
    }

    /// Restarts containerd and the daemon with containerd's root on a tmpfs of this size.
    pub fn move_root_to_tmpfs(&mut self, size: &str) -> Result<PathBuf> {
        self.kill_daemon()?;
        self.kill_containerd()?;
        let (root, disk) = (self.path("root"), self.path("disk"));
        fs::create_dir(&disk)?;
        let size = CString::new(format!("size={size}"))?;
        mount("tmpfs", &disk, "tmpfs", MountFlags::empty(), size.as_c_str())?;
        let copied = Command::new("cp").arg("-a").arg(root.join(".")).arg(&disk).status()?;
        ensure!(copied.success(), "the root was not copied");
        mount_bind(&disk, &root)?;
        self.start_containerd()?;
        self.start_daemon()?;
        Ok(root)
    }
}

/// Unmounts all mounts in a folder, and the folder itself if it is one.
pub fn unmount_below(folder: &Path) -> Result<()> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo")?;
    let mounts = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    for at in mounts.filter(|at| Path::new(at).starts_with(folder)) {
        unmount(at, UnmountFlags::DETACH)?;
    }
    Ok(())
}
