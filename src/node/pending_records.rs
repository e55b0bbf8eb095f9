//! State that could not be written to a record: a file for each container in the run folder, which
//! a reboot empties as it ends the tasks. As long as the file exists it is at least as new as the
//! record: a newer write goes there first, and the file is removed when the record has it. The
//! files of adopted containers are in a separate folder, and are removed when the container is
//! released.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use probelet_runtime::Extension;
use prost::Message;
use prost_types::Any;

use crate::domain::adopt::{ContainerRef, Remembered};
use crate::domain::container::Memory;
use crate::domain::spec::PodSpec;
use crate::files;

use super::attempt::{AttemptId, PendingRecord};
use super::error::NodeError;
use super::record;

/// Mode of the folders: environments may contain secrets.
const PRIVATE_FOLDER: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;
/// Limit for one file, in bytes: several times the size of a record.
const LARGEST: usize = 64 << 20;
/// Folder of unreadable files; no container has this name.
const ASIDE: &str = "_aside";
/// Folder of the files of adopted containers, by namespace.
const ADOPTED: &str = "_adopted";

/// The numbers of pending records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PendingCounts {
    /// Those that are written when containerd takes them.
    pub waiting: usize,
    /// Those that could not be read.
    pub set_aside: usize,
}

/// Counts the pending records of a namespace. Changes nothing.
pub fn count(run_dir: &Path, namespace: &str) -> PendingCounts {
    let folder = Files::new(run_dir, namespace).folder;
    let files_in = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let is_whole = |entry: &fs::DirEntry| {
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            is_file && !entry.file_name().to_string_lossy().starts_with('.')
        };
        entries.filter(is_whole).count()
    };
    let namespaces = fs::read_dir(folder.join(ADOPTED)).into_iter().flatten().flatten();
    let adopted: usize = namespaces.map(|entry| files_in(&entry.path())).sum();
    PendingCounts {
        waiting: files_in(&folder).saturating_add(adopted),
        set_aside: files_in(&folder.join(ASIDE)),
    }
}

/// The files of one containerd namespace.
#[derive(Debug, Clone)]
struct Files {
    folder: PathBuf,
    turn: Arc<Mutex<()>>,
}

impl Files {
    fn new(run_dir: &Path, namespace: &str) -> Self {
        Self { folder: run_dir.join("unwritten").join(namespace), turn: Arc::default() }
    }

    fn path(&self, id: &AttemptId) -> PathBuf {
        match ContainerRef::of_pod(&id.pod) {
            Some(place) => self.path_of(&place),
            None => self.folder.join(id.stem()),
        }
    }

    fn path_of(&self, place: &ContainerRef) -> PathBuf {
        self.folder.join(ADOPTED).join(&place.namespace).join(&place.id)
    }

    /// Writes the file, unless it holds a later attempt.
    fn put(&self, id: &AttemptId, uid: &str, extension: Extension) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(id);
        let is_older =
            |(pod, memory): (PodSpec, Memory)| pod.uid == uid && memory.attempt > id.attempt;
        if read(&path).is_ok_and(is_older) {
            return Ok(());
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let new = path.with_file_name(format!(".{name}"));
        let folder = path.parent().unwrap_or(&self.folder);
        fs::DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(folder)?;
        let mut options = File::options();
        let options = options.create(true).truncate(true).write(true).mode(PRIVATE_FILE);
        let Extension { type_url, value } = extension;
        options.open(&new)?.write_all(&Any { type_url, value }.encode_to_vec())?;
        fs::rename(new, path)
    }

    /// Removes the file, unless it holds a later attempt.
    fn remove(&self, id: &AttemptId) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(id);
        match read(&path) {
            Ok((_, memory)) if memory.attempt > id.attempt => Ok(()),
            _ if !path.exists() => Ok(()),
            _ => fs::remove_file(path),
        }
    }

    /// Returns the pending record of an adopted container, if it is newer than `written`.
    fn newer_than(&self, written: &Remembered, place: &ContainerRef) -> Option<Remembered> {
        let Remembered::Supervised(cared) = written else { return None };
        let (pod, memory) = self.read_of(place)?;
        let is_newer = pod.uid == cared.0.uid && memory.outdates(cared.1.attempt);
        is_newer.then(|| Remembered::Supervised(Box::new((pod, memory))))
    }

    fn read_of(&self, place: &ContainerRef) -> Option<(PodSpec, Memory)> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path_of(place);
        if !path.exists() {
            return None;
        }
        read(&path).map_err(|reason| self.set_aside(&path, &place.id, &reason)).ok()
    }

    /// Removes the files of containers that are not adopted any more.
    fn keep_only(&self, cared: &[ContainerRef]) -> io::Result<()> {
        let kept: Vec<_> = cared.iter().map(|place| self.path_of(place)).collect();
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let namespaces = fs::read_dir(self.folder.join(ADOPTED)).into_iter().flatten().flatten();
        let files = namespaces.filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten();
        let paths = files.flatten().map(|file| file.path());
        paths.filter(|path| !kept.contains(path)).try_for_each(fs::remove_file)
    }

    fn remove_of(&self, place: &ContainerRef) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        match fs::remove_file(self.path_of(place)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads all files, and sets the unreadable ones aside.
    fn all(&self) -> Vec<(PathBuf, PendingRecord)> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
        let mut all = Vec::new();
        for path in files.map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // A write was cut off.
            if name.starts_with('.') {
                continue;
            }
            let found = read(&path).and_then(|(pod, memory)| {
                let container = pod
                    .all()
                    .find(|own| AttemptId::of(&pod, &own.name, memory.attempt).stem() == name);
                match container.map(|own| own.name.clone()) {
                    Some(container) => Ok(PendingRecord { container, pod, memory }),
                    None => Err(format!("it is of pod {}", pod.name)),
                }
            });
            match found {
                Ok(pending_record) => all.push((path, pending_record)),
                Err(reason) => self.set_aside(&path, &name, &reason),
            }
        }
        all
    }

    fn set_aside(&self, path: &Path, name: &str, reason: &str) {
        let aside = self.folder.join(ASIDE);
        let moved = fs::create_dir_all(&aside).and_then(|()| fs::rename(path, aside.join(name)));
        let (file, aside) = (path.display(), aside.display());
        match moved {
            Ok(()) => tracing::warn!(%file, %aside, reason, "a pending record is set aside"),
            Err(error) => tracing::warn!(
                %file, %aside, reason, %error, "a pending record cannot be read nor set aside"
            ),
        }
    }
}

fn read(path: &Path) -> Result<(PodSpec, Memory), String> {
    let bytes = files::read(path, LARGEST).map_err(|error| error.to_string())?;
    let Any { type_url, value } = Any::decode(&*bytes).map_err(|error| error.to_string())?;
    record::decode(&Extension { type_url, value }).map_err(|error| error.to_string())
}

/// The pending records of one namespace, read and written off the runtime's threads.
#[derive(Debug, Clone)]
pub struct PendingRecords(Files);

impl PendingRecords {
    pub fn new(run_dir: &Path, namespace: &str) -> Self {
        Self(Files::new(run_dir, namespace))
    }

    /// Saves state that could not be written to the record.
    pub async fn keep(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), NodeError> {
        let extension = record::encode(pod, memory)?;
        let (id, uid) = (id.clone(), pod.uid.clone());
        self.with_files(move |files| files.put(&id, &uid, extension)).await
    }

    /// Updates a pending record that exists: an older one must not outlive the next write.
    pub async fn renew(
        &self,
        id: &AttemptId,
        pod: &PodSpec,
        memory: &Memory,
    ) -> Result<(), NodeError> {
        if !self.exists(id) {
            return Ok(());
        }
        match self.keep(id, pod, memory).await {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::warn!(%id, %error, "a pending record cannot be renewed and is removed");
                self.remove(id).await
            }
        }
    }

    fn exists(&self, id: &AttemptId) -> bool {
        self.0.path(id).exists()
    }

    /// Removes a pending record that is in the record by now, or is not needed any more.
    pub async fn remove(&self, id: &AttemptId) -> Result<(), NodeError> {
        if !self.exists(id) {
            return Ok(());
        }
        let id = id.clone();
        self.with_files(move |files| files.remove(&id)).await
    }

    /// Lists the pending records of pods that have a record, and removes the others.
    pub async fn list(
        &self,
        is_known: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<Vec<PendingRecord>, NodeError> {
        self.with_files(move |files| {
            let (known, stray): (Vec<_>, Vec<_>) =
                files.all().into_iter().partition(|(_, it)| is_known(&it.pod.uid));
            for (path, _) in stray {
                fs::remove_file(path)?;
            }
            Ok(known.into_iter().map(|(_, it)| it).collect())
        })
        .await
    }

    /// Returns the saved state of an adopted container: its pending record if that is newer, or
    /// else its record.
    pub async fn newest_of(
        &self,
        container: &ContainerRef,
        written: Option<Remembered>,
    ) -> Option<Remembered> {
        let (its, asked) = (container.clone(), written.clone()?);
        match self.with_files(move |files| Ok(files.newer_than(&asked, &its))).await {
            Ok(newer) => newer.or(written),
            Err(error) => {
                tracing::warn!(%container, %error, "a pending record cannot be read");
                written
            }
        }
    }

    /// Removes the pending records of adopted containers that are not in `adopted`, the complete
    /// list.
    pub async fn keep_only(&self, adopted: Vec<ContainerRef>) -> Result<(), NodeError> {
        self.with_files(move |files| files.keep_only(&adopted)).await
    }

    /// Removes the pending record of a container that was released.
    pub async fn remove_of(&self, container: &ContainerRef) -> Result<(), NodeError> {
        let container = container.clone();
        self.with_files(move |files| files.remove_of(&container)).await
    }

    async fn with_files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> io::Result<T> + Send + 'static,
    ) -> Result<T, NodeError> {
        let files = self.0.clone();
        let failed = |error: &dyn std::fmt::Display| {
            NodeError::Internal(format!("{}: {error}", self.0.folder.display()))
        };
        let done = tokio::task::spawn_blocking(move || work(&files)).await;
        done.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Incarnation;
    use crate::node::record::tests::{memory, pod};

    fn id(attempt: u32) -> AttemptId {
        let container = pod().containers[0].name.clone();
        AttemptId::of(&pod(), container, Incarnation(attempt))
    }

    fn put(files: &Files, attempt: u32, uid: &str) {
        let pod = PodSpec { uid: uid.to_owned(), ..pod() };
        let memory = Memory { attempt: Incarnation(attempt), ..memory() };
        files.put(&id(attempt), uid, record::encode(&pod, &memory).unwrap()).unwrap();
    }

    fn attempts(files: &Files) -> Vec<u32> {
        files.all().iter().map(|(_, it)| it.memory.attempt.0).collect()
    }

    #[test]
    fn what_is_kept_is_found_until_its_attempt_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path(), "probelet");
        assert_eq!(attempts(&files), [0; 0]);
        put(&files, 3, "u");
        let [(_, found)] = &files.all()[..] else { panic!("one") };
        assert_eq!((&found.container, &found.pod.name), (&id(3).container, &pod().name));
        files.remove(&id(2)).unwrap();
        assert_eq!(attempts(&files), [3]);
        files.remove(&id(3)).unwrap();
        files.remove(&id(3)).unwrap();
        assert_eq!(attempts(&files), [0; 0]);
    }

    #[test]
    fn a_later_attempt_of_the_same_pod_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path(), "probelet");
        put(&files, 3, "u");
        put(&files, 2, "u");
        assert_eq!(attempts(&files), [3]);
        put(&files, 0, "another");
        assert_eq!(attempts(&files), [0]);
    }

    #[test]
    fn an_adopted_containers_is_apart_and_counts_for_the_same_care_alone() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path(), "probelet");
        let place = ContainerRef { namespace: "default".into(), id: "web".into() };
        let cared = |attempt, uid: &str| {
            let pod = PodSpec { name: place.to_string(), uid: uid.to_owned(), ..pod() };
            (pod, Memory { attempt: Incarnation(attempt), ..memory() })
        };
        let written = |attempt, uid| Remembered::Supervised(Box::new(cared(attempt, uid)));
        assert!(files.newer_than(&written(1, "u"), &place).is_none());
        let (pod, memory) = cared(2, "u");
        let id = AttemptId::new(place.pod(), "web", memory.attempt);
        files.put(&id, "u", record::encode(&pod, &memory).unwrap()).unwrap();
        assert_eq!(attempts(&files), [0; 0], "of our own");
        let newer = |attempt, uid| files.newer_than(&written(attempt, uid), &place);
        assert!(matches!(newer(1, "u"), Some(Remembered::Supervised(it)) if it.1.attempt.0 == 2));
        assert!(newer(3, "u").is_none() && newer(1, "another").is_none());
        assert!(files.newer_than(&Remembered::Released(Default::default()), &place).is_none());
        files.keep_only(std::slice::from_ref(&place)).unwrap();
        assert!(newer(1, "u").is_some());
        files.keep_only(&[]).unwrap();
        files.remove_of(&place).unwrap();
        assert!(newer(1, "u").is_none());
    }

    #[test]
    fn what_cannot_be_read_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path(), "probelet");
        put(&files, 3, "u");
        fs::write(files.folder.join("broken_app"), [0xff]).unwrap();
        fs::copy(files.path(&id(3)), files.folder.join("other_app")).unwrap();
        fs::write(files.folder.join(".half_app"), [0xff]).unwrap();
        assert_eq!(attempts(&files), [3]);
        let aside = fs::read_dir(files.folder.join(ASIDE)).unwrap();
        let mut names: Vec<_> = aside.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["broken_app", "other_app"]);
    }
}
