//! Files of one attempt's log: the current one and the rotated ones.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::format::sequence;

/// Mode of log folders. The files have mode 0640.
const FOLDER: u32 = 0o750;

/// Returns the rotated files with their numbers, the oldest first; empty if the folder is missing.
pub fn rotated(current: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let (Some(folder), Some(name)) = (current.parent(), current.file_name()) else {
        return Ok(Vec::new());
    };
    let name = name.to_string_lossy();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|file| sequence(&name, file));
        found.extend(number.map(|number| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}

/// Makes a log's folder and those above it with mode 0750, so that only root and the folder's group
/// can read the logs.
pub fn make_folders(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(FOLDER).create(folder)
}

/// Removes the current file and the rotated ones. Files that are missing already are no error.
pub fn remove(current: &Path) -> io::Result<()> {
    let rotated = rotated(current)?;
    let files = rotated.iter().map(|(_, path)| path.as_path()).chain([current]);
    files.map(remove_file).fold(Ok(()), Result::and)
}

pub fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_are_found_in_their_order_and_removed_with_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let rotated_files = (1..=20).map(|n| format!("0.log.20261124-{:06}.{n}", 100_000 - n));
        let others = ["0.log", "10.log.20261124-100000.1", "0.message"].map(str::to_owned);
        for name in rotated_files.chain(others) {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let current = folder.path().join("0.log");
        let numbers: Vec<_> = rotated(&current).unwrap().into_iter().map(|(n, _)| n).collect();
        assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
        remove(&current).unwrap();
        remove(&current).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["0.message", "10.log.20261124-100000.1"]);
    }
}
