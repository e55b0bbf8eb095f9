//! Files that change all at once, in Kubernetes' layout: `NAME` links to `..data/NAME`, and
//! `..data` to the folder of the current content, which is named by a hash of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{chown, symlink};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{give, remove, sub_path};
use probelet_domain::volume::File;

const DATA: &str = "..data";
const NEW_DATA: &str = "..data_tmp";
/// The file that marks content as fixed. If the content with a mount point in it were replaced, the
/// mount point would be removed, and the mounts on it in running containers too.
const FIXED: &str = "..fixed";
/// The mode of the folders in the content. With a group they also get the set-group-id bit.
const FOLDER: u32 = 0o755;
const SET_GID: u32 = 0o2000;

pub fn write(place: &Path, files: &BTreeMap<String, File>, group: Option<u32>) -> io::Result<()> {
    let current = fs::read_link(place.join(DATA)).ok();
    let fixed = current.as_deref().filter(|_| place.join(FIXED).exists());
    let name = match fixed.and_then(Path::to_str) {
        Some(name) => name.to_owned(),
        None => name_of(files, group),
    };
    if current.as_deref() != Some(name.as_ref()) {
        let folder = place.join(&name);
        // An interrupted try may have left the folder.
        remove::tree(&folder)?;
        fill(&folder, files, group)?;
        let new = place.join(NEW_DATA);
        absent(fs::remove_file(&new))?;
        symlink(&name, &new)?;
        fs::rename(&new, place.join(DATA))?;
    }
    let tops: BTreeSet<&str> = files.keys().filter_map(|path| path.split('/').next()).collect();
    for top in &tops {
        match symlink(Path::new(DATA).join(top), place.join(top)) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => other?,
        }
    }
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let own = entry.file_name();
        let Some(text) = own.to_str() else { continue };
        if text.starts_with("..") {
            if text != DATA && text != FIXED && text != name {
                remove::tree(&entry.path())?;
            }
        // An entry that is not a link is a mount point.
        } else if !tops.contains(text) && entry.file_type()?.is_symlink() {
            absent(fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}

/// Makes a mount point at `path` below the volume's part `sub_path`. If it is within the content,
/// the content is not changed any more.
pub fn mount_point(
    place: &Path,
    sub_path: Option<&str>,
    path: &str,
    is_folder: bool,
) -> io::Result<()> {
    let whole = sub_path.map_or_else(|| path.to_owned(), |sub_path| format!("{sub_path}/{path}"));
    let first = whole.split('/').find(|part| !matches!(*part, "" | ".")).unwrap_or_default();
    let in_content = fs::symlink_metadata(place.join(first)).is_ok_and(|about| about.is_symlink());
    if sub_path::make_place(place, &whole, is_folder)? && in_content {
        fs::File::create(place.join(FIXED))?;
    }
    Ok(())
}

fn fill(folder: &Path, files: &BTreeMap<String, File>, group: Option<u32>) -> io::Result<()> {
    let mode = FOLDER | group.map_or(0, |_| SET_GID);
    fs::create_dir(folder)?;
    give(folder, mode, group)?;
    for (path, file) in files {
        let path = Path::new(path);
        let mut parents: Vec<_> =
            path.ancestors().skip(1).filter(|p| *p != Path::new("")).collect();
        parents.reverse();
        for parent in parents.into_iter().map(|parent| folder.join(parent)) {
            match fs::create_dir(&parent) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                other => other?,
            }
            give(&parent, mode, group)?;
        }
        let path = folder.join(path);
        fs::write(&path, &file.bytes)?;
        if file.owner.is_some() {
            chown(&path, file.owner, None)?;
        }
        give(&path, file.mode, group)?;
    }
    Ok(())
}

fn name_of(files: &BTreeMap<String, File>, group: Option<u32>) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{group:?}"));
    for (path, File { mode, owner, bytes }) in files {
        let owner = owner.map(|owner| format!("{owner}:")).unwrap_or_default();
        hash.update(format!("{}:{path}:{mode}:{owner}{}:", path.len(), bytes.len()));
        hash.update(bytes);
    }
    let digest = hash.finalize();
    digest.iter().take(8).fold("..".to_owned(), |name, byte| format!("{name}{byte:02x}"))
}

fn absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
