//! Files that the containers of a pod have mounted: `hosts`, `resolv.conf`, termination messages,
//! and the `/dev/shm` that several share.
//!
//! A container may write to each of them without end. So none is on a file system of the host:
//! they are in separate tmpfs mounts, which have a limit. These mounts are below
//! `DATA_DIR/pods/POD-UID`, which is removed with the pod's volumes. `shm` is in
//! `RUN_DIR/pods/POD-UID`, where earlier versions had `hosts` and `resolv.conf` as well.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{
    DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, symlink,
};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

use crate::claims::Claim;
use crate::files as bounded;

const HOSTS: &str = "hosts";
const RESOLVER: &str = "resolv.conf";
const SHM: &str = "shm";
const ETC: &str = "etc";
const MESSAGES: &str = "messages";
/// The mode of folders that only root may enter on the host. Files that are mounted in containers
/// have other modes.
const PRIVATE: u32 = 0o700;
const READABLE: u32 = 0o644;
/// The mode of termination messages: the container may run as any user.
const WRITABLE: u32 = 0o666;
/// Least size of the tmpfs with `hosts` and `resolv.conf`, in bytes. It has twice the size that
/// these files need.
const ETC_SIZE: usize = 256 << 10;
/// Size of the tmpfs with one container's messages, in bytes. The last 4 KiB of a message are read.
const MESSAGES_SIZE: usize = 64 << 10;
/// Most files and folders in each tmpfs.
const INODES: u32 = 64;
/// Most mounts on one folder. There is more than one only if two daemons mounted it at once.
const STACKED: usize = 8;
const FLAGS: MountFlags = MountFlags::NOSUID.union(MountFlags::NOEXEC).union(MountFlags::NODEV);

/// The files of pods that containers get as binds: `hosts`, `resolv.conf`, termination messages.
#[derive(Debug, Clone)]
pub struct PodFiles {
    data: PathBuf,
    run: PathBuf,
}

/// The contents of a pod's `hosts` and `resolv.conf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// `/etc/hosts`.
    pub hosts: String,
    /// `/etc/resolv.conf`.
    pub resolver: String,
}

impl PodFiles {
    /// Returns the files below the data folder and the `/dev/shm` below the run folder.
    pub fn new(data_dir: &Path, run_dir: &Path) -> Self {
        Self { data: data_dir.join("pods"), run: run_dir.join("pods") }
    }

    /// The folder of a pod's `hosts` and `resolv.conf`, which may not exist yet.
    pub fn folder(&self, uid: &str) -> PathBuf {
        self.data.join(uid).join(ETC)
    }

    /// The path of an attempt's termination message, which may not exist yet.
    pub fn message(&self, uid: &str, container: &str, attempt: impl ToString) -> PathBuf {
        self.data.join(uid).join(MESSAGES).join(container).join(attempt.to_string())
    }

    /// The `/dev/shm` that the containers of a pod share.
    pub fn shm(&self, uid: &str) -> PathBuf {
        self.run.join(uid).join(SHM)
    }

    /// Makes missing files and rewrites those that differ, in place: containers have them bound.
    pub fn make(&self, claim: &Claim, texts: &Texts, with_shm: bool) -> io::Result<()> {
        let uid = claim.uid();
        let folder = self.folder(uid);
        let size = ETC_SIZE.max(texts.hosts.len().saturating_add(texts.resolver.len()) * 2);
        memory(&folder, size, READABLE | 0o111)?;
        let all = [(HOSTS, &texts.hosts), (RESOLVER, &texts.resolver)];
        let differs = |(name, text): &(&str, &String)| {
            let limit = text.len();
            !bounded::read(folder.join(name), limit).is_ok_and(|old| old == text.as_bytes())
        };
        let changed: Vec<_> = all.into_iter().filter(differs).collect();
        if !changed.is_empty() {
            let data = CString::new(format!("size={size}"))?;
            mount_remount(&folder, FLAGS, data.as_c_str())?;
        }
        // All are emptied first: a container may have filled the space with any of them.
        let opened =
            changed.into_iter().map(|(name, text)| Ok((emptied(&folder.join(name))?, text)));
        for (mut file, text) in opened.collect::<io::Result<Vec<_>>>()? {
            file.write_all(text.as_bytes())?;
        }
        let shm = self.shm(uid);
        if with_shm && !is_mounted(&shm) {
            // Users of the host must not reach a container's shared memory.
            DirBuilder::new().recursive(true).mode(PRIVATE).create(&shm)?;
            let data = CString::new("mode=1777,size=65536k")?;
            mount("shm", &shm, "tmpfs", FLAGS, data.as_c_str())?;
        }
        Ok(())
    }

    /// Makes an empty message of the attempt, and a link to it at `link`. The messages of earlier
    /// attempts, which have been read, are emptied to free their space.
    pub fn make_message(&self, message: &Path, link: &Path) -> io::Result<()> {
        let folder = message.parent().unwrap_or(message);
        memory(folder, MESSAGES_SIZE, PRIVATE)?;
        for entry in fs::read_dir(folder)? {
            fs::remove_file(entry?.path())?;
        }
        let file = OpenOptions::new().write(true).create_new(true).open(message)?;
        file.set_permissions(Permissions::from_mode(WRITABLE))?;
        match fs::remove_file(link) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => symlink(message, link),
        }
    }

    /// Whether the run folder has any file of the pod.
    pub fn have_traces(&self, uid: &str) -> bool {
        self.run.join(uid).exists()
    }

    /// Removes the pod's files in the run folder. A mount is never emptied: it is unmounted first,
    /// or the folder stays.
    pub fn remove(&self, uid: &str) -> io::Result<()> {
        let (folder, shm) = (self.run.join(uid), self.shm(uid));
        for _ in 0..STACKED {
            match unmount(&shm, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
                Ok(()) => {}
                // The path is no mount point, or does not exist.
                Err(Errno::INVAL | Errno::NOENT) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let files = [HOSTS, RESOLVER].map(|name| fs::remove_file(folder.join(name)));
        let folders = [&shm, &folder].map(fs::remove_dir);
        for result in files.into_iter().chain(folders) {
            match result {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Opens a file, or makes it, and empties it. Its owner and mode, which a container may have
/// changed, are set again, so that the containers' other users can read it.
fn emptied(file: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).custom_flags(flags);
    let file = options.open(file)?;
    fchown(&file, Some(0), Some(0))?;
    file.set_permissions(Permissions::from_mode(READABLE))?;
    Ok(file)
}

/// Mounts a tmpfs of `size` bytes, unless one is mounted already.
fn memory(folder: &Path, size: usize, mode: u32) -> io::Result<()> {
    if is_mounted(folder) {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(PRIVATE).create(folder)?;
    let data = CString::new(format!("mode={mode:o},size={size},nr_inodes={INODES}"))?;
    Ok(mount("probelet", folder, "tmpfs", FLAGS, data.as_c_str())?)
}

fn is_mounted(folder: &Path) -> bool {
    let device = |path: &Path| fs::symlink_metadata(path).ok().map(|found| found.dev());
    let parent = folder.parent().and_then(device);
    device(folder).is_some_and(|own| Some(own) != parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pods' folder of a test, without mounts at its end.
    struct Place(tempfile::TempDir);

    impl Place {
        fn files(&self) -> PodFiles {
            PodFiles::new(&self.0.path().join("data"), &self.0.path().join("run"))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let files = self.files();
            for place in [files.folder("u"), files.message("u", "c", ""), files.shm("u")] {
                while unmount(&place, UnmountFlags::DETACH).is_ok() {}
            }
        }
    }

    fn place() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn texts() -> Texts {
        Texts { hosts: "127.0.0.1 web\n".into(), resolver: "nameserver 10.0.0.1\n".into() }
    }

    #[test]
    fn they_are_made_once_and_leave_nothing_in_the_run_folder() {
        let place = place();
        let files = place.files();
        files.make(&Claim::of("u"), &texts(), true).unwrap();
        assert!(files.have_traces("u"));
        fs::write(files.shm("u").join("kept"), "").unwrap();
        let hosts = files.folder("u").join(HOSTS);
        let inode = fs::metadata(&hosts).unwrap().ino();
        let changed = Texts { hosts: "127.0.0.1 other\n".into(), ..texts() };
        files.make(&Claim::of("u"), &changed, true).unwrap();
        assert!(files.shm("u").join("kept").exists(), "another was mounted over it");
        assert_eq!(fs::metadata(&hosts).unwrap().ino(), inode, "bound files are not replaced");
        assert_eq!(fs::read_to_string(hosts).unwrap(), changed.hosts);
        files.remove("u").unwrap();
        files.remove("u").unwrap();
        assert!(!files.have_traces("u"));
    }

    #[test]
    fn a_container_can_neither_fill_the_disk_nor_make_them_unreadable() {
        let place = place();
        let files = place.files();
        files.make(&Claim::of("u"), &texts(), false).unwrap();
        let at = |name: &str| files.folder("u").join(name);
        // A container that has the files bound can write like this.
        let error = fs::write(at(RESOLVER), vec![b'x'; 8 << 20]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        File::options().write(true).open(at(HOSTS)).unwrap().set_len(20 << 30).unwrap();
        fs::set_permissions(at(HOSTS), Permissions::from_mode(0o000)).unwrap();
        files.make(&Claim::of("u"), &texts(), false).unwrap();
        assert_eq!(fs::read_to_string(at(HOSTS)).unwrap(), texts().hosts);
        assert_eq!(fs::read_to_string(at(RESOLVER)).unwrap(), texts().resolver);
        assert_eq!(fs::metadata(at(HOSTS)).unwrap().mode() & 0o777, READABLE);
        // The list is longer than the space in the tmpfs.
        let long = Texts { hosts: "#".repeat(1 << 20), ..texts() };
        files.make(&Claim::of("u"), &long, false).unwrap();
        assert_eq!(fs::read_to_string(at(HOSTS)).unwrap(), long.hosts);
    }

    #[test]
    fn messages_have_a_limit_and_the_next_attempt_has_all_of_it() {
        let place = place();
        let files = place.files();
        let link = place.0.path().join("0.message");
        let message = |attempt: u32| files.message("u", "c", attempt);
        files.make_message(&message(0), &link).unwrap();
        let error = fs::write(message(0), vec![b'x'; 1 << 20]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        files.make_message(&message(1), &link).unwrap();
        fs::write(message(1), "said").unwrap();
        assert_eq!(fs::read_to_string(&link).unwrap(), "said");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&message(1)), mode(message(1).parent().unwrap())), (WRITABLE, PRIVATE));
    }
}
