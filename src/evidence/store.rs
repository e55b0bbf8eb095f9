//! Evidence as files beside the logs: `POD/CONTAINER/ATTEMPT.evidence.json`.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::domain::evidence::{Evidence, KEPT, MOST};
use crate::files as bounded;

const ENDING: &str = ".evidence.json";
const UNFINISHED: &str = ".evidence.new";

/// Stores the evidence and removes the oldest beyond the limit. Only the folder of an adopted
/// container is created, because its log is elsewhere; if another container's folder is missing,
/// the container was deleted.
pub fn write(folder: &Path, evidence: Evidence) -> Result<(), String> {
    let attempt = evidence.attempt;
    if evidence.pod_key().is_adopted() {
        let made = DirBuilder::new().recursive(true).mode(0o750).create(folder);
        made.map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let json = evidence.fit()?;
    let unfinished = folder.join(format!("{attempt}{UNFINISHED}"));
    let path = folder.join(format!("{attempt}{ENDING}"));
    let written = put(&unfinished, &json).and_then(|()| fs::rename(&unfinished, &path));
    if let Err(error) = written {
        // An incomplete file would only take space.
        let _ = fs::remove_file(&unfinished);
        return Err(format!("{}: {error}", path.display()));
    }
    prune(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn put(path: &Path, json: &[u8]) -> io::Result<()> {
    // Only root may read it: the evidence has the last lines of the log.
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(json)
}

/// Removes the oldest files by modification time. Attempt numbers do not say which is older,
/// because an earlier pod of the same name may have left files.
fn prune(folder: &Path) -> io::Result<()> {
    let mut all = Vec::new();
    for path in files(folder, ENDING)? {
        all.push((fs::metadata(&path)?.modified()?, path));
    }
    all.sort();
    let old = all.len().saturating_sub(KEPT);
    all.iter().take(old).try_for_each(|(_, path)| fs::remove_file(path))
}

/// The evidence of the pod `uid`, the newest first. A file that cannot be parsed is logged and
/// skipped.
pub fn read(folder: &Path, uid: &str) -> Vec<Evidence> {
    let mut kept: Vec<Evidence> = Vec::new();
    for path in files(folder, ENDING).unwrap_or_default() {
        match parse(&path) {
            Ok(evidence) if evidence.uid == uid => kept.push(evidence),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "an evidence file cannot be read")
            }
        }
    }
    kept.sort_by_key(|evidence| std::cmp::Reverse(evidence.attempt));
    kept
}

fn parse(path: &Path) -> io::Result<Evidence> {
    Ok(serde_json::from_slice(&bounded::read(path, MOST)?)?)
}

pub fn remove(folder: &Path) -> io::Result<()> {
    for ending in [ENDING, UNFINISHED] {
        files(folder, ending)?.iter().try_for_each(fs::remove_file)?;
    }
    // Fails, as it should, while there are logs in the folder.
    let _ = fs::remove_dir(folder);
    Ok(())
}

fn files(folder: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let named = |path: &PathBuf| path.to_str().is_some_and(|path| path.ends_with(ending));
    paths.filter(|path| path.as_ref().map_or(true, named)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::domain::Incarnation;

    fn evidence(attempt: u32, uid: &str) -> Evidence {
        Evidence { attempt: Incarnation(attempt), uid: uid.into(), ..Evidence::default() }
    }

    fn write_at(folder: &Path, attempt: u32, uid: &str, second: u64) {
        write(folder, evidence(attempt, uid)).unwrap();
        let file = File::options().write(true).open(folder.join(format!("{attempt}{ENDING}")));
        file.unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(second)).unwrap();
    }

    #[test]
    fn the_last_three_of_a_pod_are_kept_and_removal_deletes_all() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::write(at.join("0.log"), "x").unwrap();
        write_at(at, 99, "earlier", 1);
        for attempt in 0..5 {
            write_at(at, attempt, "u", 10 + u64::from(attempt));
        }
        let kept: Vec<_> = read(at, "u").iter().map(|evidence| evidence.attempt.0).collect();
        assert_eq!(kept, [4, 3, 2]);
        assert_eq!(read(at, "other"), []);
        fs::write(at.join(format!("5{UNFINISHED}")), "{").unwrap();
        fs::write(at.join(format!("6{ENDING}")), "{").unwrap();
        assert_eq!(read(at, "u").len(), 3, "what is broken is skipped");
        remove(at).unwrap();
        let left: Vec<_> = fs::read_dir(at).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["0.log"]);
    }

    #[test]
    fn nothing_is_stored_in_a_missing_folder() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        write(&gone, evidence(0, "u")).unwrap_err();
        assert!(!gone.exists());
        assert_eq!(read(&gone, "u"), []);
        remove(&gone).unwrap();
    }

    #[test]
    fn the_folder_of_an_adopted_container_is_created_and_removed_with_its_evidence() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("_adopted/default/web");
        let adopted = || Evidence { pod: "default/web".into(), ..evidence(0, "u") };
        write(&at, adopted()).unwrap();
        assert_eq!(read(&at, "u").len(), 1);
        remove(&at).unwrap();
        assert!(!at.exists());
        write(&at, adopted()).unwrap();
        fs::write(at.join("0.log"), "x").unwrap();
        remove(&at).unwrap();
        assert!(at.join("0.log").exists());
    }
}
