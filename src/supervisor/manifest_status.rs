//! The state of the manifest directory for views and health checks: the pods of each file, their
//! problems, and whether the directory can be read.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::clock::now;
use super::error::SupervisorError;
use super::events::EventLog;
use super::lock::Lock;
use super::pod_handle::PodHandle;
use super::registry::Registry;
use crate::domain::notice::Notice;
use crate::domain::pod::PodView;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{Origin, PodSpec};
use crate::domain::status::PodStatus;

/// The manifest directory as it was last read. Without a directory no pod is of one.
pub struct ManifestDirStatus {
    path: Option<String>,
    state: Lock<State>,
    registry: Arc<Registry>,
    events: Arc<EventLog>,
}

#[derive(Debug, Default)]
struct State {
    /// The file of each pod; None before the directory is first read.
    owners: Option<BTreeMap<PodKey, String>>,
    /// The problems by pod, or by file if its pod is unknown.
    problems: BTreeMap<PodKey, Problem>,
    /// The reason why the directory cannot be read.
    error: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Problem {
    why: String,
    since: SystemTime,
}

impl ManifestDirStatus {
    pub fn new(path: Option<&Path>, registry: Arc<Registry>, events: Arc<EventLog>) -> Self {
        let path = path.map(|path| path.display().to_string());
        Self { path, state: Lock::default(), registry, events }
    }

    /// Returns whether the manifest directory can be read; None if there is none.
    pub fn is_readable(&self) -> Option<bool> {
        self.path.as_ref().map(|_| self.state.lock().error.is_none())
    }

    /// True if the file is in the manifest directory.
    pub fn contains(&self, origin: &Origin) -> bool {
        let parent = Path::new(&origin.file).parent();
        self.path.as_ref().is_some_and(|path| parent == Some(Path::new(path)))
    }

    /// Refuses to change a pod that a file defines, because the file would undo the change.
    pub fn check_not_defined_by_file(&self, pod: &PodKey) -> Result<(), SupervisorError> {
        if self.path.is_none() {
            return Ok(());
        }
        let origin = self.registry.with(pod, |handle| handle.spec().origin.clone());
        let Some(origin) = origin.ok().flatten().filter(|origin| self.contains(origin)) else {
            return Ok(());
        };
        let file = match &self.state.lock().owners {
            Some(owners) => owners.get(pod).cloned(),
            None => Some(origin.file),
        };
        match file {
            Some(file) => Err(SupervisorError::DefinedByFile { pod: pod.to_owned(), file }),
            None => Ok(()),
        }
    }

    /// Sets or clears the error of the directory; each change is reported once.
    pub fn set_error(&self, error: Option<String>) {
        let Some(path) = &self.path else { return };
        let before = std::mem::replace(&mut self.state.lock().error, error.clone());
        if before == error {
            return;
        }
        let notice = match error {
            Some(error) => {
                let message = format!("{error}: its pods stay as they are");
                Notice::warning("ManifestDirUnreadable", message)
            }
            None => Notice::normal("ManifestDirReadable", "The manifest directory is read again"),
        };
        self.log(&PodKey::in_default(path), notice);
        self.registry.changes().notify();
    }

    /// Sets the pods that the files define, and the problems of the files. Each problem is reported
    /// once.
    pub fn update(&self, owners: BTreeMap<PodKey, String>, problems: BTreeMap<PodKey, String>) {
        if self.path.is_none() {
            return;
        }
        let wall = now().wall;
        let mut notices = Vec::new();
        let changed;
        {
            let mut state = self.state.lock();
            state.owners = Some(owners);
            let before = std::mem::take(&mut state.problems);
            for (about, why) in problems {
                let since = before.get(&about).map_or(wall, |known| known.since);
                if before.get(&about).is_none_or(|known| known.why != why) {
                    notices.push((about.clone(), Notice::warning("ManifestError", why.clone())));
                }
                state.problems.insert(about, Problem { why, since });
            }
            changed = before != state.problems;
            // A problem that ends because its file is gone is not reported as solved.
            let is_solved = |about: &PodKey| {
                let has_owner = state.owners.as_ref().is_some_and(|all| all.contains_key(about));
                has_owner && !state.problems.contains_key(about)
            };
            for about in before.into_keys().filter(is_solved) {
                let notice = Notice::normal("ManifestRight", "The manifest is valid again");
                notices.push((about, notice));
            }
        }
        if !changed {
            return;
        }
        for (about, notice) in notices {
            self.log(&about, notice);
        }
        self.registry.changes().notify();
    }

    /// Logs and records a notice for a pod, or for a problem that is listed as a pod.
    pub fn log(&self, about: &PodKey, notice: Notice) {
        let live = self.registry.with(about, PodHandle::spec);
        let spec = live.unwrap_or_else(|_| Arc::new(nameless(about)));
        self.events.log(&spec, notice);
    }

    /// Adds the problems to the views of their pods, and lists the others as pods.
    pub fn add_problems(&self, views: &mut Vec<PodView>) {
        if self.path.is_none() {
            return;
        }
        let mut problems = self.state.lock().problems.clone();
        for view in views.iter_mut() {
            view.manifest_error = problems.remove(&view.spec.key()).map(|problem| problem.why);
        }
        // The name of a pod that is being created is in the registry already.
        problems.retain(|about, _| !self.registry.contains(about));
        views.extend(problems.iter().map(|(about, problem)| row(about, problem)));
    }

    /// Returns the problem of a pod or file.
    pub fn problem(&self, name: &PodKey) -> Option<String> {
        self.state.lock().problems.get(name).map(|problem| problem.why.clone())
    }

    /// Returns the row by which a problem is listed as a pod.
    pub fn row(&self, name: &PodKey) -> Option<PodView> {
        self.state.lock().problems.get(name).map(|problem| row(name, problem))
    }
}

/// The spec of a problem that is listed as a pod: only its name is known.
fn nameless(about: &PodKey) -> PodSpec {
    PodSpec {
        namespace: about.namespace().to_owned(),
        ..PodSpec::bare(about.name().to_owned(), String::new(), Vec::new())
    }
}

fn row(about: &PodKey, problem: &Problem) -> PodView {
    let status = Arc::new(PodStatus::new(problem.since));
    let manifest_error = Some(problem.why.clone());
    PodView { generation: 1, spec: Arc::new(nameless(about)), status, manifest_error }
}
