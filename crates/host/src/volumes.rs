//! Pods' volumes on this host: creation, sub paths and cleanup. Data that must outlive a reboot is
//! in `DATA_DIR/pods/UID`. The rest, all of it memory or mounts, is in `RUN_DIR/volumes/UID`.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::Errno;

use crate::files as bounded;
use probelet_domain::volume::{Kind, Made, Plan};

mod copy;
mod files;
mod host;
mod images;
mod mounts;
mod remove;
mod sub_path;
mod usage;

pub use images::View;
pub use mounts::not_shared;
pub use sub_path::SubPathOf;

/// The file that names the owner of a pod's folder. A daemon leaves other daemons' folders alone.
const OWNER: &str = "owner";
/// The mode of folders that only root may enter on the host. Containers have their content bound.
const PRIVATE: u32 = 0o700;
/// The mode of a volume that the image declares but has no folder for, as in containerd.
const IMAGE_VOLUME: u32 = 0o755;

/// The volumes of pods on this host.
#[derive(Debug, Clone)]
pub struct Volumes {
    data: PathBuf,
    run: PathBuf,
    owner: String,
}

impl Volumes {
    /// Returns the volumes below these folders. `owner` names the runtime that the pods belong to.
    pub fn new(data_dir: &Path, run_dir: &Path, owner: String) -> Self {
        Self { data: data_dir.join("pods"), run: run_dir.join("volumes"), owner }
    }

    /// The path of a volume, which may not exist yet.
    pub fn place(&self, uid: &str, volume: &Made) -> PathBuf {
        match &volume.kind {
            Kind::Folder { .. } => self.data.join(uid).join("volumes").join(&volume.name),
            Kind::Memory { .. } | Kind::Files(_) | Kind::Image => {
                self.run.join(uid).join("volumes").join(&volume.name)
            }
            Kind::Host { path, .. } => PathBuf::from(path),
        }
    }

    /// Makes the pod's volumes. Existing ones stay as they are, except for the content of files.
    pub fn make(&self, uid: &str, plan: &Plan) -> Result<(), String> {
        for volume in &plan.volumes {
            let place = self.place(uid, volume);
            let made = match &volume.kind {
                Kind::Folder { mode } => self
                    .own(&self.data, uid)
                    .and_then(|()| folder(&place, *mode, plan.group))
                    .map_err(|error| error.to_string()),
                Kind::Memory { mode, size } => self
                    .own(&self.run, uid)
                    .and_then(|()| mounts::memory(&place, *mode, *size, plan.group))
                    .map_err(|error| error.to_string()),
                Kind::Files(files) => self
                    .own(&self.run, uid)
                    .and_then(|()| mounts::for_files(&place, plan.group))
                    .and_then(|()| files::write(&place, files, plan.group))
                    .map_err(|error| error.to_string()),
                Kind::Host { path, kind } => host::check(path.as_ref(), *kind),
                // An image is mounted when a container needs it.
                Kind::Image => Ok(()),
            };
            made.map_err(|why| failed(&volume.name, &why))?;
        }
        Ok(())
    }

    /// Mounts a view of an image, unless it is mounted already.
    pub fn mount(&self, uid: &str, view: &View) -> Result<(), String> {
        let made = Made { name: view.volume.clone(), kind: Kind::Image };
        let mounted = self.own(&self.run, uid).and_then(|()| view.mount(&self.place(uid, &made)));
        mounted.map_err(|error| failed(&view.volume, &error.to_string()))
    }

    /// The disk usage of an `emptyDir`, in bytes.
    pub fn used(&self, uid: &str, volume: &str) -> io::Result<u64> {
        usage::of(&self.data.join(uid).join("volumes").join(volume))
    }

    /// Records this runtime as the owner of the pod's data, which outlives a reboot.
    pub fn claim(&self, uid: &str) -> io::Result<()> {
        self.own(&self.data, uid)
    }

    /// Writes new content into those volumes of files that are mounted already.
    pub fn renew(&self, uid: &str, plan: &Plan) -> io::Result<()> {
        for volume in &plan.volumes {
            let place = self.place(uid, volume);
            if let Kind::Files(files) = &volume.kind
                && mounts::is_mounted(&place)
            {
                files::write(&place, files, plan.group)?;
            }
        }
        Ok(())
    }

    /// The path at which a part of a volume is bound for a container.
    pub fn sub_path_place(&self, uid: &str, container: &str, index: usize) -> PathBuf {
        self.run.join(uid).join("subpaths").join(container).join(index.to_string())
    }

    /// Binds a part of a volume at `place`, and replaces the bind of an earlier attempt.
    pub fn bind_sub_path(&self, uid: &str, place: &Path, what: &SubPathOf<'_>) -> io::Result<()> {
        self.own(&self.run, uid)?;
        sub_path::bind(place, what)
    }

    /// Makes a mount point within a volume. It must exist before the start if the container has the
    /// volume read only. `path` is below the part of the volume that the container has.
    pub fn mount_point(
        &self,
        uid: &str,
        volume: &Made,
        sub_path: Option<&str>,
        path: &str,
        is_folder: bool,
    ) -> io::Result<()> {
        files::mount_point(&self.place(uid, volume), sub_path, path, is_folder)
    }

    /// The path of a volume that a container's image declares.
    pub fn image_volume(
        &self,
        uid: &str,
        container: &str,
        attempt: impl ToString,
        index: usize,
    ) -> PathBuf {
        self.image_volumes(uid, container, attempt).join(index.to_string())
    }

    /// Fills the volume with the image's files at `path`, or leaves it empty if there are none.
    /// Each try of an attempt starts with an empty volume.
    pub fn make_image_volume(&self, place: &Path, image: &OwnedFd, path: &str) -> io::Result<()> {
        remove::tree(place)?;
        fs::create_dir_all(place.parent().unwrap_or(place))?;
        fs::create_dir(place)?;
        fs::set_permissions(place, fs::Permissions::from_mode(IMAGE_VOLUME))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let source = match openat2(image, path, flags, Mode::empty(), inside) {
            Err(Errno::NOENT) => return Ok(()),
            Err(Errno::NOTDIR) => return Err(io::Error::other("is no folder in the image")),
            source => source?,
        };
        copy::tree(&source, &open(place, flags, Mode::empty())?)
    }

    /// Removes the image volumes of an attempt that has ended.
    pub fn remove_image_volumes(
        &self,
        uid: &str,
        container: &str,
        attempt: impl ToString,
    ) -> io::Result<()> {
        remove::tree(&self.image_volumes(uid, container, attempt))
    }

    fn image_volumes(&self, uid: &str, container: &str, attempt: impl ToString) -> PathBuf {
        self.data.join(uid).join("image-volumes").join(container).join(attempt.to_string())
    }

    /// Whether any file of the pod's volumes exists.
    pub fn have_traces(&self, uid: &str) -> bool {
        [&self.data, &self.run].iter().any(|base| base.join(uid).exists())
    }

    /// Removes what the pod has below the run folder.
    ///
    /// # Errors
    ///
    /// If something cannot be removed.
    pub fn remove_from_run(&self, uid: &str) -> io::Result<()> {
        remove_from(&self.run, uid)
    }

    /// Removes what the pod has below the data folder.
    ///
    /// # Errors
    ///
    /// If something cannot be removed.
    pub fn remove_from_data(&self, uid: &str) -> io::Result<()> {
        remove_from(&self.data, uid)
    }

    /// The uids of all pods that have files here.
    pub fn pods(&self) -> Vec<String> {
        let folders =
            [&self.data, &self.run].into_iter().filter_map(|base| fs::read_dir(base).ok());
        let own = folders.flatten().flatten().filter(|entry| {
            let owner = bounded::read_text(entry.path().join(OWNER), bounded::CONFIGURATION);
            entry.file_type().is_ok_and(|kind| kind.is_dir())
                && owner.is_ok_and(|owner| owner == self.owner)
        });
        let mut uids: Vec<_> =
            own.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        uids.sort_unstable();
        uids.dedup();
        uids
    }

    fn own(&self, base: &Path, uid: &str) -> io::Result<()> {
        let folder = base.join(uid);
        let owner = folder.join(OWNER);
        if owner.exists() {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(PRIVATE).create(&folder)?;
        fs::set_permissions(base, fs::Permissions::from_mode(PRIVATE))?;
        fs::write(owner, &self.owner)
    }
}

fn failed(volume: &str, why: &str) -> String {
    format!("MountVolume.SetUp failed for volume {volume:?} : {why}")
}

/// Removes a pod's folder. A mount is never emptied: it is unmounted first, or stays.
fn remove_from(base: &Path, uid: &str) -> io::Result<()> {
    // A uid is a file name and never a path.
    if uid.is_empty() || uid.contains('/') || uid.starts_with('.') {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let folder = base.join(uid);
    if folder.exists() {
        mounts::unmount_below(&folder)?;
        remove::tree(&folder)?;
    }
    Ok(())
}

/// Makes a folder atomically: it exists with its mode and group, or not at all.
fn folder(place: &Path, mode: u32, group: Option<u32>) -> io::Result<()> {
    if place.exists() {
        return Ok(());
    }
    let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    fs::create_dir_all(parent)?;
    // Unfinished folders begin with a dot, and no volume's name does.
    let new = parent.join(format!(".{}", name.to_string_lossy()));
    match fs::create_dir(&new) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    give(&new, mode, group)?;
    fs::rename(&new, place)
}

/// Sets owner and mode. The owner is set first, because its change clears the set-group-id bit.
fn give(path: &Path, mode: u32, group: Option<u32>) -> io::Result<()> {
    if group.is_some() {
        chown(path, None, group)?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests;
