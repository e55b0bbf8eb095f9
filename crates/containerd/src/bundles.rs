//! Cleanup of a bundle that a killed containerd left and cannot remove itself. Without it, the
//! task's name would be unusable until the host restarts.

use std::fs;
use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

/// The folder of all bundles in containerd's state.
const PLUGIN: &str = "io.containerd.runtime.v2.task";
/// Limit for unmounts of one rootfs. It is mounted more than once only after two creations.
const STACKED: usize = 8;

/// True if the folder is the bundle of this task.
pub fn is_bundle(path: &Path, namespace: &str, id: &str) -> bool {
    path.is_absolute() && path.ends_with(Path::new(PLUGIN).join(namespace).join(id))
}

/// Removes the bundle and the hidden folder beside it, which containerd creates by renaming a
/// bundle before it deletes it.
pub fn remove(bundle: &Path) -> io::Result<()> {
    let name = bundle.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for folder in [bundle.with_file_name(format!(".{name}")), bundle.to_owned()] {
        let rootfs = folder.join("rootfs");
        for _ in 0..STACKED {
            match unmount(&rootfs, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
                Ok(()) => {}
                // There is no mount, or no such path.
                Err(Errno::INVAL | Errno::NOENT) => break,
                Err(error) => return Err(error.into()),
            }
        }
        // This fails if the rootfs is not empty, which keeps the bundle: files of a root filesystem
        // that is still mounted must never be deleted.
        missing_is_fine(fs::remove_dir(&rootfs))?;
        missing_is_fine(fs::remove_dir_all(&folder))?;
    }
    Ok(())
}

fn missing_is_fine(result: io::Result<()>) -> io::Result<()> {
    result
        .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bundle_of_the_task_itself_is_named() {
        let own = Path::new("/run/containerd/io.containerd.runtime.v2.task/probelet/web_0");
        assert!(is_bundle(own, "probelet", "web_0"));
        assert!(!is_bundle(own, "probelet", "web_1"));
        assert!(!is_bundle(own, "default", "web_0"));
        assert!(!is_bundle(Path::new("/etc/web_0"), "probelet", "web_0"));
    }

    #[test]
    fn a_bundle_goes_with_its_hidden_twin_and_no_root_filesystem_does() {
        let dir = tempfile::tempdir().unwrap();
        let (bundle, hidden) = (dir.path().join("web_0"), dir.path().join(".web_0"));
        for folder in [&bundle, &hidden] {
            fs::create_dir_all(folder.join("rootfs")).unwrap();
            fs::write(folder.join("config.json"), "").unwrap();
        }
        remove(&bundle).unwrap();
        remove(&bundle).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        fs::create_dir_all(bundle.join("rootfs/etc")).unwrap();
        assert!(remove(&bundle).is_err() && bundle.join("rootfs/etc").exists());
    }
}
