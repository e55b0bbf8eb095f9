//! Static pods, defined by the files of the manifest directory. The directory is read after each
//! change and at an interval, and the pods are applied as by `apply`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::applier::{Applied, Applier};
use super::clock::now;
use super::error::SupervisorError;
use super::manifest_status::ManifestDirStatus;
use super::pod_requests::PodRequests;
use super::registry::Registry;
use crate::domain::Now;
use crate::domain::link::retry_after;
use crate::domain::notice::Notice;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{PodSpec, Validated};
use crate::domain::static_pods::{Kept, ManifestStore, Missing, Plan, Reading, Text};
use crate::manifest_dir::{ManifestDir, ManifestDirError, Scan};

#[cfg(test)]
mod tests;

/// The interval at which the directory is read, whether or not changes are reported.
const INTERVAL: Duration = Duration::from_secs(10);
/// The pause before an unreadable directory is read again.
const RETRY: Duration = Duration::from_secs(2);
/// The minimum pause between two reads of the directory.
const PAUSE: Duration = Duration::from_millis(50);

/// Parses a file's text; the last argument makes the uids of new pods.
pub type ReadManifest = fn(&str, &Text, fn() -> String) -> Reading;

pub struct StaticPods {
    registry: Arc<Registry>,
    manifests: Arc<ManifestDirStatus>,
    applier: Arc<Applier>,
    requests: Arc<PodRequests>,
    dir: Box<dyn ManifestDir>,
    read: ReadManifest,
    manifest_store: ManifestStore,
    missing: Missing,
    /// The reading of each file, with the text that it was made from.
    readings: BTreeMap<String, (Text, Reading)>,
    jobs: JoinSet<JobResult>,
    /// The pods with a job in progress.
    busy: BTreeMap<PodKey, Id>,
    failures: BTreeMap<PodKey, Failure>,
}

/// The result of a job that creates or changes a pod.
struct JobResult {
    spec: Validated<PodSpec>,
    outcome: Result<Applied, SupervisorError>,
}

/// A pod that could not be applied or deleted yet.
struct Failure {
    spec: Validated<PodSpec>,
    /// The reason; None if the pod only has to wait.
    why: Option<String>,
    tries: u32,
    retry_at: Instant,
}

impl StaticPods {
    /// Applies the pods of `dir`, which is the directory of `manifests`.
    pub fn new(
        (registry, manifests): (Arc<Registry>, Arc<ManifestDirStatus>),
        (applier, requests): (Arc<Applier>, Arc<PodRequests>),
        dir: Box<dyn ManifestDir>,
        read: ReadManifest,
    ) -> Self {
        Self {
            registry,
            manifests,
            applier,
            requests,
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
            () = self.apply_each_change() => {}
        }
    }

    async fn apply_each_change(&mut self) {
        loop {
            let files = self.dir.scan().await;
            let wake = self.apply_files(files);
            let (dir, jobs) = (&mut self.dir, &mut self.jobs);
            let result = tokio::select! {
                () = dir.changed() => None,
                () = tokio::time::sleep(wake) => None,
                Some(result) = jobs.join_next() => Some(result),
            };
            if let Some(result) = result {
                self.on_result(result);
            }
        }
    }

    /// Handles one read of the directory. Returns how long to wait if nothing changes.
    fn apply_files(&mut self, files: Result<Scan, ManifestDirError>) -> Duration {
        let now = now();
        let Scan { directory, files } = match files {
            Ok(scan) => scan,
            Err(error) => {
                self.missing.forget();
                self.manifests.set_error(Some(error.to_string()));
                return RETRY;
            }
        };
        self.manifests.set_error(None);
        self.manifest_store.record_scan(files, now);
        self.read_changed_files();
        let readings: Vec<_> = self.readings.values().map(|(_, reading)| reading).collect();
        let (existing, unknown) = (self.existing(), self.manifest_store.has_unknown());
        let all = (directory, readings.as_slice());
        let plan = Plan::new(all, &existing, unknown, &mut self.missing, now);
        let wanted = |name: &PodKey| plan.keep.iter().any(|spec| spec.key() == *name);
        self.failures.retain(|name, _| wanted(name));
        for spec in plan.keep {
            self.apply(spec, now);
        }
        for pod in &plan.remove {
            self.remove(pod);
        }
        let mut problems = BTreeMap::<PodKey, Vec<String>>::new();
        for problem in plan.problems {
            problems.entry(problem.about).or_default().push(problem.why);
        }
        for (pod, failure) in &self.failures {
            problems.entry(pod.clone()).or_default().extend(failure.why.clone());
        }
        problems.retain(|_, why| !why.is_empty());
        let problems = problems.into_iter().map(|(about, why)| (about, why.join("; "))).collect();
        self.manifests.update(plan.owners, problems);
        let retries = self.failures.values().map(|failure| failure.retry_at);
        let wakes = [plan.wake, self.manifest_store.wake()].into_iter().flatten().chain(retries);
        let wake = wakes.min().map(|wake| wake.saturating_duration_since(now.mono));
        wake.unwrap_or(INTERVAL).clamp(PAUSE, INTERVAL)
    }

    /// Parses the files whose text has changed.
    fn read_changed_files(&mut self) {
        let mut before = std::mem::take(&mut self.readings);
        for (file, text) in self.manifest_store.settled() {
            let unchanged = before.remove(file).filter(|(before, _)| before == text);
            let read = || (text.clone(), (self.read)(file, text, new_uid));
            self.readings.insert(file.to_owned(), unchanged.unwrap_or_else(read));
        }
    }

    /// Starts a job that creates or changes the pod, if the pod differs from its file.
    fn apply(&mut self, spec: Validated<PodSpec>, now: Now) {
        let name = spec.key();
        if self.busy.contains_key(&name) {
            return;
        }
        if self.is_up_to_date(&spec) {
            self.failures.remove(&name);
            return;
        }
        let waits = |failure: &Failure| failure.spec == spec && failure.retry_at > now.mono;
        if self.failures.get(&name).is_some_and(waits) {
            return;
        }
        let applier = self.applier.clone();
        let job = self.jobs.spawn(async move {
            let applied = applier.apply_or_replace(spec.clone(), None).await;
            JobResult { spec, outcome: applied.map(|(_, applied)| applied) }
        });
        self.busy.insert(name, job.id());
    }

    fn on_result(&mut self, result: Result<JobResult, JoinError>) {
        let JobResult { spec, outcome } = match result {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(%error, "a job of the manifest directory failed");
                self.busy.retain(|_, id| *id != error.id());
                return;
            }
        };
        self.busy.remove(&spec.key());
        let file = spec.origin.as_ref().map(|origin| origin.file.clone()).unwrap_or_default();
        let error = match outcome {
            Ok(applied) => {
                self.failures.remove(&spec.key());
                self.report(&spec, &file, &applied);
                return;
            }
            Err(error) => error,
        };
        let is_temporary = matches!(
            error,
            SupervisorError::BeingDeleted(_)
                | SupervisorError::AlreadyExists(_)
                | SupervisorError::BeingCreated(_)
                | SupervisorError::Busy(_)
                | SupervisorError::Timeout { .. }
        );
        let before = self.failures.get(&spec.key()).filter(|failure| failure.spec == spec);
        let tries = before.map_or(0, |failure| failure.tries).saturating_add(1);
        let mono = now().mono;
        let retry_at = mono.checked_add(retry_after(tries)).unwrap_or(mono);
        let why = (!is_temporary).then(|| format!("{file}: {error}"));
        self.failures.insert(spec.key(), Failure { spec, why, tries, retry_at });
    }

    /// Logs what was done, and records the file's warnings.
    fn report(&self, spec: &PodSpec, file: &str, applied: &Applied) {
        let (applied, fields) = match applied {
            Applied::Created => ("created", String::new()),
            Applied::Configured => ("configured", String::new()),
            Applied::Unchanged => return,
            Applied::Replaced(fields) => ("replaced", fields.join(", ")),
        };
        tracing::info!(pod = %spec.key(), file, applied, fields, "the pod was applied from its file");
        let warnings = self.readings.get(file).map(|(_, reading)| reading.warnings.as_slice());
        for warning in warnings.unwrap_or_default() {
            self.manifests.log(&spec.key(), Notice::warning("ManifestWarning", warning));
        }
    }

    /// Returns the pods that files of the directory have created and that are not being removed.
    fn existing(&self) -> Vec<Kept> {
        let mut existing = Vec::new();
        self.registry.for_each(|_, entry| {
            let Some(handle) = entry.pod().filter(|handle| !handle.is_being_deleted()) else {
                return;
            };
            let spec = handle.spec();
            let origin = spec.origin.clone().filter(|origin| self.manifests.contains(origin));
            existing.extend(origin.map(|origin| Kept { pod: spec.key(), origin }));
        });
        existing
    }

    /// True if nothing of the pod has to be changed.
    fn is_up_to_date(&self, wanted: &PodSpec) -> bool {
        let same = self.registry.with(&wanted.key(), |handle| {
            let spec = handle.spec();
            !handle.is_being_deleted() && *spec == wanted.clone().in_place_of(&spec)
        });
        same.unwrap_or_default()
    }

    fn remove(&self, pod: &PodKey) {
        let notice = Notice::normal("ManifestRemoved", "No manifest names the pod any more");
        self.manifests.log(pod, notice);
        if let Err(error) = self.requests.remove_static(pod) {
            tracing::warn!(%pod, %error, "the pod is not deleted yet");
        }
    }
}

fn new_uid() -> String {
    uuid::Uuid::new_v4().to_string()
}
