//! What the containers of a pod share as files: `hosts`, `resolv.conf` and `/dev/shm`, below
//! `RUN_DIR/pods/POD-UID`, and bound into each.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::claims::Claim;

const HOSTS: &str = "hosts";
const RESOLVER: &str = "resolv.conf";
const SHM: &str = "shm";
/// More than one only after two daemons mounted it at once.
const STACKED: usize = 8;

#[derive(Debug, Clone)]
pub struct PodFiles {
    dir: PathBuf,
}

/// What goes into them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    pub hosts: String,
    pub resolver: String,
}

impl PodFiles {
    pub fn new(run_dir: &Path) -> Self {
        Self { dir: run_dir.join("pods") }
    }

    /// Where a pod's files are or will be.
    pub fn folder(&self, uid: &str) -> PathBuf {
        self.dir.join(uid)
    }

    pub fn shm(&self, uid: &str) -> PathBuf {
        self.folder(uid).join(SHM)
    }

    /// Makes what is missing and writes what differs: in place, where containers have it bound.
    pub fn make(&self, claim: &Claim, texts: &Texts, with_shm: bool) -> io::Result<()> {
        let uid = claim.uid();
        let folder = self.folder(uid);
        fs::create_dir_all(&folder)?;
        for (name, text) in [(HOSTS, &texts.hosts), (RESOLVER, &texts.resolver)] {
            let file = folder.join(name);
            if !fs::read(&file).is_ok_and(|old| old == text.as_bytes()) {
                fs::write(&file, text)?;
            }
        }
        let shm = self.shm(uid);
        if with_shm && !is_mounted(&shm) {
            fs::create_dir_all(&shm)?;
            let flags = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
            let data = CString::new("mode=1777,size=65536k")?;
            mount("shm", &shm, "tmpfs", flags, data.as_c_str())?;
        }
        Ok(())
    }

    pub fn have_traces(&self, uid: &str) -> bool {
        self.folder(uid).exists()
    }

    /// Nothing that is mounted is emptied: it is unmounted first, or the folder stays.
    pub fn remove(&self, uid: &str) -> io::Result<()> {
        let (folder, shm) = (self.folder(uid), self.shm(uid));
        for _ in 0..STACKED {
            match unmount(&shm, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
                Ok(()) => {}
                // No mount there, or nothing at all.
                Err(Errno::INVAL | Errno::NOENT) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let files = [HOSTS, RESOLVER].map(|name| fs::remove_file(folder.join(name)));
        let folders = [&shm, &folder].map(fs::remove_dir);
        for result in files.into_iter().chain(folders) {
            match result {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn is_mounted(folder: &Path) -> bool {
    let device = |path: &Path| fs::symlink_metadata(path).ok().map(|found| found.dev());
    let parent = folder.parent().and_then(device);
    device(folder).is_some_and(|own| Some(own) != parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_made_once_and_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let files = PodFiles::new(dir.path());
        let texts = Texts { hosts: "127.0.0.1 web\n".into(), resolver: String::new() };
        assert!(!files.have_traces("u"));
        files.make(&Claim::of("u"), &texts, true).unwrap();
        fs::write(files.shm("u").join("kept"), "").unwrap();
        let inode = fs::metadata(files.folder("u").join(HOSTS)).unwrap().ino();
        let texts = Texts { hosts: "127.0.0.1 other\n".into(), ..texts };
        files.make(&Claim::of("u"), &texts, true).unwrap();
        assert!(files.shm("u").join("kept").exists(), "another was mounted over it");
        let hosts = files.folder("u").join(HOSTS);
        assert_eq!(fs::metadata(&hosts).unwrap().ino(), inode, "bound files are not replaced");
        assert_eq!(fs::read_to_string(hosts).unwrap(), texts.hosts);
        files.remove("u").unwrap();
        files.remove("u").unwrap();
        assert!(!files.have_traces("u"));
    }
}
