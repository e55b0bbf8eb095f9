//! The state of the manifest directory for views and health checks: the pods of each file, their
//! problems, and whether the directory can be read.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::super::clock::now;
use super::super::{PodView, Supervisor, SupervisorError, lock};
use crate::domain::notice::Notice;
use crate::domain::spec::Origin;
use crate::domain::spec::PodSpec;
use crate::domain::status::{Phase, PodStatus};

#[derive(Debug)]
pub(in super::super) struct Directory {
    path: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The file of each pod; None before the directory is first read.
    owners: Option<BTreeMap<String, String>>,
    /// The problems by pod, or by file if its pod is unknown.
    problems: BTreeMap<String, Problem>,
    /// The reason why the directory cannot be read.
    error: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Problem {
    why: String,
    since: SystemTime,
}

impl Directory {
    fn state(&self) -> MutexGuard<'_, State> {
        // No update is left incomplete, so a lock that a panic has poisoned is safe to use.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    /// Sets the manifest directory. Pods from its files are changed only there.
    #[must_use]
    pub fn with_manifest_dir(mut self, path: Option<&Path>) -> Self {
        self.directory = path.map(|path| {
            let path = path.display().to_string();
            Arc::new(Directory { path, state: Mutex::default() })
        });
        self
    }

    /// Returns whether the manifest directory can be read; None if there is none.
    pub fn reads_manifest_dir(&self) -> Option<bool> {
        self.directory.as_ref().map(|directory| directory.state().error.is_none())
    }

    pub(super) fn is_here(&self, origin: &Origin) -> bool {
        let parent = Path::new(&origin.file).parent();
        self.directory.as_ref().is_some_and(|own| parent == Some(Path::new(&own.path)))
    }

    /// Refuses to change a pod that a file defines, because the file would undo the change.
    pub(in super::super) fn not_kept(&self, pod: &str) -> Result<(), SupervisorError> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let origin = self.with(pod, |handle| handle.view.borrow().spec.origin.clone());
        let Some(origin) = origin.ok().flatten().filter(|origin| self.is_here(origin)) else {
            return Ok(());
        };
        let file = match &directory.state().owners {
            Some(owners) => owners.get(pod).cloned(),
            None => Some(origin.file),
        };
        match file {
            Some(file) => Err(SupervisorError::KeptByFile { pod: pod.to_owned(), file }),
            None => Ok(()),
        }
    }

    /// Sets or clears the error of the directory; each change is reported once.
    pub(super) fn directory_is(&self, error: Option<String>) {
        let Some(directory) = &self.directory else { return };
        let before = std::mem::replace(&mut directory.state().error, error.clone());
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
        self.note_of(&directory.path, notice);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Sets the pods that the files define, and the problems of the files.
    pub(super) fn directory_says(
        &self,
        owners: BTreeMap<String, String>,
        told: BTreeMap<String, String>,
    ) {
        let Some(directory) = &self.directory else { return };
        let wall = now().wall;
        let mut notices = Vec::new();
        let changed;
        {
            let mut state = directory.state();
            state.owners = Some(owners);
            let before = std::mem::take(&mut state.problems);
            for (about, why) in told {
                let since = before.get(&about).map_or(wall, |known| known.since);
                if before.get(&about).is_none_or(|known| known.why != why) {
                    notices.push((about.clone(), Notice::warning("ManifestError", why.clone())));
                }
                state.problems.insert(about, Problem { why, since });
            }
            changed = before != state.problems;
            // A problem that ends because its file is gone is not reported as solved.
            let is_right = |about: &String| {
                let is_kept = state.owners.as_ref().is_some_and(|all| all.contains_key(about));
                is_kept && !state.problems.contains_key(about)
            };
            for about in before.into_keys().filter(is_right) {
                let notice = Notice::normal("ManifestRight", "Its manifest is right again");
                notices.push((about, notice));
            }
        }
        if !changed {
            return;
        }
        for (about, notice) in notices {
            self.note_of(&about, notice);
        }
        self.changes.send_modify(|count| *count += 1);
    }

    /// Records a notice for a pod, or for a problem that is listed as a pod.
    pub(super) fn note_of(&self, about: &str, notice: Notice) {
        let live = self.with(about, |handle| handle.view.borrow().spec.clone());
        let spec = live.unwrap_or_else(|_| Arc::new(nameless(about)));
        let container = spec.containers.first().map_or("", |container| &container.name);
        tracing::info!(about, reason = notice.reason, "{}", notice.message);
        self.events.record(&spec, container, notice, now().wall);
    }

    /// Adds the problems to the views of their pods, and lists the others as pods.
    pub(in super::super) fn with_problems(&self, views: &mut Vec<PodView>) {
        let Some(directory) = &self.directory else { return };
        let mut problems = directory.state().problems.clone();
        for view in views.iter_mut() {
            view.manifest_error = problems.remove(&view.spec.name).map(|problem| problem.why);
        }
        // The name of a pod that is being created is in the registry already.
        let registry = lock(&self.registry);
        problems.retain(|about, _| !registry.contains_key(about));
        views.extend(problems.iter().map(|(about, problem)| row(about, problem)));
    }

    pub(in super::super) fn problem_of(&self, name: &str) -> Option<String> {
        let directory = self.directory.as_ref()?;
        directory.state().problems.get(name).map(|problem| problem.why.clone())
    }

    pub(in super::super) fn row_of(&self, name: &str) -> Option<PodView> {
        let directory = self.directory.as_ref()?;
        directory.state().problems.get(name).map(|problem| row(name, problem))
    }
}

/// The spec of a problem that is listed as a pod: only its name is known.
fn nameless(about: &str) -> PodSpec {
    PodSpec::bare(about.to_owned(), String::new(), Vec::new())
}

fn row(about: &str, problem: &Problem) -> PodView {
    let status = PodStatus {
        phase: Phase::Pending,
        conditions: Vec::new(),
        created_at: problem.since,
        deletion: None,
        init_containers: Vec::new(),
        expired: None,
        network: Default::default(),
        containers: Vec::new(),
    };
    let manifest_error = Some(problem.why.clone());
    PodView { generation: 1, spec: Arc::new(nameless(about)), status, manifest_error }
}
