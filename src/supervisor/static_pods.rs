//! Static pods, defined by the files of the manifest directory. The directory is read after each
//! change and at an interval, and the pods are applied as by `apply`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::clock::now;
use super::{Applied, Entry, Supervisor, SupervisorError, lock};
use crate::domain::Now;
use crate::domain::container::Wanted;
use crate::domain::link::retry_after;
use crate::domain::notice::Notice;
use crate::domain::spec::{PodSpec, Validated};
use crate::domain::static_pods::{Kept, ManifestStore, Missing, Plan, Reading, Text};
use crate::manifest_dir::{Look, ManifestDir, ManifestDirError};

pub(super) mod shown;
#[cfg(test)]
mod tests;

/// The interval at which the directory is read, whatever changes are reported.
const LOOK: Duration = Duration::from_secs(10);
/// The pause before an unreadable directory is read again.
const RETRY: Duration = Duration::from_secs(2);
/// The minimum pause between two reads of the directory.
const PAUSE: Duration = Duration::from_millis(50);

/// Parses a file's text; the last argument makes the uids of new pods.
pub(super) type ReadManifest = fn(&str, &Text, fn() -> String) -> Reading;

pub struct StaticPods {
    supervisor: Supervisor,
    dir: Box<dyn ManifestDir>,
    read: ReadManifest,
    manifest_store: ManifestStore,
    missing: Missing,
    /// The reading of each file, with the text that it was made from.
    readings: BTreeMap<String, (Text, Reading)>,
    jobs: JoinSet<Done>,
    /// The pods with a job in progress.
    busy: BTreeMap<String, Id>,
    failures: BTreeMap<String, Failure>,
}

struct Done {
    spec: Validated<PodSpec>,
    outcome: Result<Applied, SupervisorError>,
}

/// A pod that could not be applied or deleted yet.
struct Failure {
    spec: Validated<PodSpec>,
    /// The reason; None if the pod only has to wait.
    why: Option<String>,
    tries: u32,
    again: Instant,
}

impl StaticPods {
    /// Keeps the pods of the supervisor's manifest directory.
    pub fn new(supervisor: Supervisor, dir: Box<dyn ManifestDir>, read: ReadManifest) -> Self {
        Self {
            supervisor,
            dir,
            read,
            manifest_store: ManifestStore::default(),
            missing: Missing::default(),
            readings: BTreeMap::new(),
            jobs: JoinSet::new(),
            busy: BTreeMap::new(),
            failures: BTreeMap::new(),
        }
    }

    /// Runs until cancelled. The next daemon completes or repeats the jobs in progress.
    pub async fn run(mut self, cancel: CancellationToken) {
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.keep_up() => {}
        }
    }

    async fn keep_up(&mut self) {
        loop {
            let look = self.dir.look().await;
            let wake = self.turn(look);
            let (dir, jobs) = (&mut self.dir, &mut self.jobs);
            let done = tokio::select! {
                () = dir.changed() => None,
                () = tokio::time::sleep(wake) => None,
                Some(done) = jobs.join_next() => Some(done),
            };
            if let Some(done) = done {
                self.done(done);
            }
        }
    }

    /// Handles one read of the directory. Returns how long to wait if nothing changes.
    fn turn(&mut self, look: Result<Look, ManifestDirError>) -> Duration {
        let now = now();
        let look = match look {
            Ok(look) => look,
            Err(error) => {
                self.missing.forget();
                self.supervisor.directory_is(Some(error.to_string()));
                return RETRY;
            }
        };
        self.supervisor.directory_is(None);
        self.manifest_store.look(look.files, now);
        self.read_anew();
        let readings: Vec<_> = self.readings.values().map(|(_, reading)| reading).collect();
        let (kept, unknown) = (self.supervisor.kept(), self.manifest_store.has_unknown());
        let all = (look.directory, readings.as_slice());
        let plan = Plan::new(all, &kept, unknown, &mut self.missing, now);
        let wanted = |name: &String| plan.keep.iter().any(|spec| spec.name == *name);
        self.failures.retain(|name, _| wanted(name));
        for spec in plan.keep {
            self.keep(spec, now);
        }
        for pod in &plan.remove {
            self.supervisor.remove_static(pod);
        }
        let mut problems = BTreeMap::<String, Vec<String>>::new();
        for problem in plan.problems {
            problems.entry(problem.about).or_default().push(problem.why);
        }
        for (pod, failure) in &self.failures {
            problems.entry(pod.clone()).or_default().extend(failure.why.clone());
        }
        problems.retain(|_, why| !why.is_empty());
        let problems = problems.into_iter().map(|(about, why)| (about, why.join("; "))).collect();
        self.supervisor.directory_says(plan.owners, problems);
        let again = self.failures.values().map(|failure| failure.again);
        let wakes = [plan.wake, self.manifest_store.wake()].into_iter().flatten().chain(again);
        let wake = wakes.min().map(|wake| wake.saturating_duration_since(now.mono));
        wake.unwrap_or(LOOK).clamp(PAUSE, LOOK)
    }

    fn read_anew(&mut self) {
        let mut before = std::mem::take(&mut self.readings);
        for (file, text) in self.manifest_store.settled() {
            let known = before.remove(file).filter(|(known, _)| known == text);
            let read = || (text.clone(), (self.read)(file, text, new_uid));
            self.readings.insert(file.to_owned(), known.unwrap_or_else(read));
        }
    }

    /// Starts a job that creates or changes the pod, if the pod differs from its file.
    fn keep(&mut self, spec: Validated<PodSpec>, now: Now) {
        let name = spec.name.clone();
        if self.busy.contains_key(&name) {
            return;
        }
        if self.supervisor.is_as(&spec) {
            self.failures.remove(&name);
            return;
        }
        let waits = |failure: &Failure| failure.spec == spec && failure.again > now.mono;
        if self.failures.get(&name).is_some_and(waits) {
            return;
        }
        let supervisor = self.supervisor.clone();
        let job = self.jobs.spawn(async move {
            let applied = supervisor.apply_or_replace(spec.clone(), None).await;
            Done { spec, outcome: applied.map(|(_, applied)| applied) }
        });
        self.busy.insert(name, job.id());
    }

    fn done(&mut self, done: Result<Done, JoinError>) {
        let Done { spec, outcome } = match done {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "a pod of the manifest directory was not brought about");
                self.busy.retain(|_, id| *id != error.id());
                return;
            }
        };
        self.busy.remove(&spec.name);
        let file = spec.origin.as_ref().map(|origin| origin.file.clone()).unwrap_or_default();
        let error = match outcome {
            Ok(applied) => {
                self.failures.remove(&spec.name);
                self.tell(&spec, &file, &applied);
                return;
            }
            Err(error) => error,
        };
        let passes = matches!(
            error,
            SupervisorError::Leaving(_)
                | SupervisorError::AlreadyExists(_)
                | SupervisorError::Busy(_)
                | SupervisorError::Timeout { .. }
        );
        let before = self.failures.get(&spec.name).filter(|failure| failure.spec == spec);
        let tries = before.map_or(0, |failure| failure.tries).saturating_add(1);
        let mono = now().mono;
        let again = mono.checked_add(retry_after(tries)).unwrap_or(mono);
        let why = (!passes).then(|| format!("{file}: {error}"));
        self.failures.insert(spec.name.clone(), Failure { spec, why, tries, again });
    }

    fn tell(&self, spec: &PodSpec, file: &str, applied: &Applied) {
        let (applied, fields) = match applied {
            Applied::Created => ("created", String::new()),
            Applied::Configured => ("configured", String::new()),
            Applied::Unchanged => return,
            Applied::Replaced(fields) => ("replaced", fields.join(", ")),
        };
        tracing::info!(pod = spec.name, file, applied, fields, "the pod is as its file says");
        let warnings = self.readings.get(file).map(|(_, reading)| reading.warnings.as_slice());
        for warning in warnings.unwrap_or_default() {
            self.supervisor.note_of(&spec.name, Notice::warning("ManifestWarning", warning));
        }
    }
}

fn new_uid() -> String {
    uuid::Uuid::new_v4().to_string()
}

impl Supervisor {
    /// Returns the pods that files of the directory have created and that are not being removed.
    fn kept(&self) -> Vec<Kept> {
        let registry = lock(&self.registry);
        let kept = registry.values().filter_map(|entry| match entry {
            Entry::Pod(handle) => {
                let view = handle.view.borrow();
                let origin = view.spec.origin.clone().filter(|origin| self.is_here(origin))?;
                let stays = view.status.deletion.is_none();
                stays.then(|| Kept { pod: view.spec.name.clone(), origin })
            }
            Entry::LeftAlone(..) | Entry::Reserved => None,
        });
        kept.collect()
    }

    /// True if nothing of the pod has to be changed.
    fn is_as(&self, wanted: &PodSpec) -> bool {
        let same = self.with(&wanted.name, |handle| {
            let view = handle.view.borrow();
            let as_wanted = wanted.clone().in_place_of(&view.spec);
            view.status.deletion.is_none() && *view.spec == as_wanted
        });
        same.unwrap_or_default()
    }

    fn remove_static(&self, pod: &str) {
        let notice = Notice::normal("ManifestRemoved", "No manifest names the pod any more");
        self.note_of(pod, notice);
        if let Err(error) = self.set_wanted(pod, Wanted::Removed, None, None) {
            tracing::warn!(pod, %error, "not deleted yet");
        }
    }
}
