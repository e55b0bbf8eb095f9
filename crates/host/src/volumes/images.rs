//! Views of images, mounted read only and `noexec` for all containers of a pod.

use std::fs;
use std::io;
use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags, mount_remount, unmount};

use super::mounts;
use crate::rootfs::{self, Layers};

/// An image volume and the mounts that containerd has prepared for it.
#[derive(Debug, Clone)]
pub struct View {
    /// The name of the volume.
    pub volume: String,
    /// The mounts of the image's layers.
    pub layers: Vec<Layers>,
    /// Whether the view was just made. An existing mount is then one of another view.
    pub is_new: bool,
}

impl View {
    pub(super) fn mount(&self, place: &Path) -> io::Result<()> {
        let [layers] = self.layers.as_slice() else {
            let why = format!("its snapshot is {} mounts, not one", self.layers.len());
            return Err(io::Error::other(why));
        };
        fs::create_dir_all(place)?;
        let mut is_mounted = mounts::is_mount_point(place)?;
        if is_mounted && self.is_new {
            unmount(place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?;
            is_mounted = false;
        }
        if !is_mounted {
            rootfs::mount_at(layers, place)?;
        }
        // A bind mount starts with the flags of its source, and the daemon may have died after the
        // bind.
        let flags = MountFlags::BIND | rootfs::FIXED | MountFlags::NOEXEC;
        Ok(mount_remount(place, flags, c"")?)
    }
}
