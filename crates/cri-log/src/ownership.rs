//! Whether other users can replace the file at a path.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::geteuid;

/// Others than root and this process' user have no say in it.
fn is_ours(found: &Metadata, writers: u32) -> bool {
    [0, geteuid().as_raw()].contains(&found.uid()) && found.mode() & writers == 0
}

/// Whether nobody else can put another file, or a link, in the place of this folder or of what
/// lies in it. The error names the folder that somebody can write to.
pub fn check_folder(folder: &Path) -> Result<(), String> {
    for ancestor in folder.ancestors() {
        let found =
            fs::metadata(ancestor).map_err(|error| format!("{}: {error}", ancestor.display()))?;
        // In a sticky folder nobody can replace what is another's.
        let is_sticky = ancestor != folder && found.mode() & 0o1000 != 0;
        if !is_ours(&found, 0o002) && !is_sticky {
            return Err(format!("others than root may write to {}", ancestor.display()));
        }
    }
    Ok(())
}

/// The file at a path that only root can change, in folders that only root can.
pub(super) fn check_file(path: &Path) -> io::Result<Metadata> {
    let found = fs::symlink_metadata(path)?;
    if !found.is_file() || !is_ours(&found, 0o022) {
        return Err(io::Error::other(format!("{} is not root's alone", path.display())));
    }
    check_folder(path.parent().unwrap_or(path)).map_err(io::Error::other)?;
    Ok(found)
}
