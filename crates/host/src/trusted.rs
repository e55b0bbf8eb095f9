//! Checks of files and folders that decide what runs as root. A user that can write to one of them,
//! or to a folder on the way to it, can become root. So all of them must belong to root and not be
//! writable by everyone. A folder on the way may be writable if the sticky bit (`/tmp`) protects
//! the files in it.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::files::{self, parts};

const WRITABLE_BY_ALL: u32 = 0o002;
const STICKY: u32 = 0o1000;
/// Most symbolic links in a path; the kernel has the same limit.
const LINKS: usize = 40;

/// Why a path is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Everyone can write to this path.
    #[error("{0}: is writable by everyone")]
    Writable(String),
    /// The path is another user's.
    #[error("{path}: belongs to user {owner}, not to root")]
    NotRoots {
        /// The file or folder.
        path: String,
        /// The uid of its owner.
        owner: u32,
    },
    /// The path cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: String,
        /// The error of the operating system.
        error: io::Error,
    },
}

impl From<TrustError> for io::Error {
    fn from(error: TrustError) -> Self {
        Self::new(ErrorKind::PermissionDenied, error)
    }
}

/// Checks the file or folder, and each folder and symbolic link that leads to it. A missing one is
/// no error.
pub fn check(path: &Path) -> Result<(), TrustError> {
    let failed = |path: &Path, error| TrustError::Io { path: path.display().to_string(), error };
    let whole = std::path::absolute(path).map_err(|error| failed(path, error))?;
    let (mut rest, mut here, mut links) = (parts(&whole), PathBuf::from("/"), 0);
    while let Some(part) = rest.pop() {
        if part == ".." {
            here.pop();
            continue;
        }
        here.push(part);
        let about = match fs::symlink_metadata(&here) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            about => about.map_err(|error| failed(&here, error))?,
        };
        if about.is_symlink() {
            check_owner(&here, &about)?;
            links += 1;
            if links > LINKS {
                return Err(failed(&here, rustix::io::Errno::LOOP.into()));
            }
            let target = fs::read_link(&here).map_err(|error| failed(&here, error))?;
            here.pop();
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            rest.extend(parts(&target));
        } else if about.is_dir() && !rest.is_empty() && about.mode() & STICKY != 0 {
            check_owner(&here, &about)?;
        } else {
            check_one(&here, &about)?;
        }
    }
    Ok(())
}

/// Checks one open file or folder, without the folders above it.
pub fn check_one(path: &Path, about: &Metadata) -> Result<(), TrustError> {
    check_owner(path, about)?;
    match about.mode() & WRITABLE_BY_ALL {
        0 => Ok(()),
        _ => Err(TrustError::Writable(path.display().to_string())),
    }
}

/// Reads the text of a file, and checks the file and its path.
pub async fn read_text(path: PathBuf, limit: usize) -> io::Result<String> {
    let read =
        move || check(&path).map_err(Into::into).and_then(|()| files::read_text(path, limit));
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

/// Checks that the owner is root or the user that runs the daemon.
fn check_owner(path: &Path, about: &Metadata) -> Result<(), TrustError> {
    let owner = about.uid();
    if owner == 0 || owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(TrustError::NotRoots { path: path.display().to_string(), owner })
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn said(path: &Path) -> String {
        check(path).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn each_folder_on_the_way_counts() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::write(at("a/b/file"), "").unwrap();
        let mode = |path: &str, mode| {
            fs::set_permissions(at(path), Permissions::from_mode(mode)).unwrap();
        };
        assert_eq!(said(&at("a/b/file")), "");
        assert_eq!(said(&at("a/b/none/file")), "", "what does not exist harms nobody");
        for (path, bad, good) in [("a/b/file", 0o646, 0o664), ("a", 0o777, 0o1777)] {
            mode(path, bad);
            assert_eq!(
                said(&at("a/b/file")),
                format!("{}: is writable by everyone", at(path).display())
            );
            mode(path, good);
            assert_eq!(said(&at("a/b/file")), "", "{path}");
        }
        // All users may add files to this folder.
        assert_eq!(said(&at("a")), format!("{}: is writable by everyone", at("a").display()));
        chown(at("a/b"), Some(4711), None).unwrap();
        let owner = format!("{}: belongs to user 4711, not to root", at("a/b").display());
        assert_eq!(said(&at("a/b/file")), owner);
        symlink("a/../a/b", at("link")).unwrap();
        assert_eq!(said(&at("link/file")), owner, "a link is looked behind");
    }

    #[test]
    fn a_link_that_others_can_change_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        symlink("/etc", &link).unwrap();
        assert_eq!(said(&link), "");
        std::os::unix::fs::lchown(&link, Some(4711), None).unwrap();
        assert!(said(&link).contains("belongs to user 4711"));
        symlink("loop", dir.path().join("loop")).unwrap();
        assert!(!said(&dir.path().join("loop")).is_empty());
    }
}
