//! Checks whether users other than root and the daemon's own can replace a file.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::geteuid;

/// True if root or this process' user owns the file, and the mode has none of the `writers` bits.
fn is_ours(found: &Metadata, writers: u32) -> bool {
    [0, geteuid().as_raw()].contains(&found.uid()) && found.mode() & writers == 0
}

/// Checks that no other user can replace this folder, a folder above it, or a file in it.
///
/// # Errors
///
/// The text names the folder that another user can write to.
pub fn check_folder(folder: &Path) -> Result<(), String> {
    for ancestor in folder.ancestors() {
        let found =
            fs::metadata(ancestor).map_err(|error| format!("{}: {error}", ancestor.display()))?;
        // In a folder with the sticky bit, users cannot replace files of others.
        let is_sticky = ancestor != folder && found.mode() & 0o1000 != 0;
        if !is_ours(&found, 0o002) && !is_sticky {
            return Err(format!("others than root may write to {}", ancestor.display()));
        }
    }
    Ok(())
}

/// Returns the metadata of a regular file that, like its folders, only root and this process' user
/// can change.
pub fn check_file(path: &Path) -> io::Result<Metadata> {
    let found = fs::symlink_metadata(path)?;
    if !found.is_file() || !is_ours(&found, 0o022) {
        return Err(io::Error::other(format!("{} is not root's alone", path.display())));
    }
    check_folder(path.parent().unwrap_or(path)).map_err(io::Error::other)?;
    Ok(found)
}
