//! One reconciliation of a workload: what `probelet-workload` decides, carried out.

use std::sync::Arc;

use jiff::Timestamp;
use probelet_kube_wire::discovery::Served;
use probelet_kube_wire::feed::Key;
use probelet_kube_wire::status::{Reason, Status};
use probelet_workload::{
    Action, Deletion, JobFacts, Kind, Observed, PodFacts, reconcile, released,
};
use serde_json::Value;

use super::api::{Api, Part, core, served};
use super::collector::dependent;
use super::pods::Dependent;
use super::queue::Done;
use super::recorder::Recorder;
use super::zones::zone;
use crate::kube_objects::Store;

/// What one reconciliation reads and writes.
pub struct Round {
    pub api: Arc<dyn Api>,
    pub recorder: Arc<Recorder>,
    pub store: Store,
    pub kind: Kind,
    pub object: Arc<Value>,
    /// The pods of the namespace.
    pub pods: Vec<PodFacts>,
    /// The Jobs of the namespace.
    pub jobs: Vec<Arc<Value>>,
    /// The pods that the object owns.
    pub owned: Vec<Dependent>,
    pub now: Timestamp,
}

impl Round {
    pub async fn run(self) -> Done {
        match Deletion::of(&self.object) {
            Some(deletion) => self.unwind(deletion).await,
            None => self.reconcile().await,
        }
    }

    async fn reconcile(self) -> Done {
        let jobs: Vec<_> = self.jobs.iter().map(|job| JobFacts::of(job)).collect();
        let observed = Observed { pods: &self.pods, jobs: &jobs };
        let result = reconcile(self.kind, &self.object, observed, self.now, zone);
        let mut failed = false;
        for problem in result.problems {
            self.warn(problem.reason, problem.message);
        }
        let (first, then): (Vec<_>, Vec<_>) =
            result.actions.into_iter().partition(Action::before_status);
        for action in first {
            failed |= !self.act(action).await;
        }
        // The time of a schedule counts as used only when its Job exists.
        if failed || !self.store_status(result.status).await {
            return Done { failed: true, next: None };
        }
        for action in then {
            failed |= !self.act(action).await;
        }
        Done { failed, next: result.next }
    }

    /// Stores the status if it differs. Returns false if that failed.
    async fn store_status(&self, status: Value) -> bool {
        let before = self.object.get("status");
        let is_empty = |value: &Value| value.as_object().is_none_or(serde_json::Map::is_empty);
        if before == Some(&status) || (before.is_none() && is_empty(&status)) {
            return true;
        }
        let Some(served) = served(self.kind) else { return true };
        let mut object = Value::clone(&self.object);
        if let Some(fields) = object.as_object_mut() {
            fields.insert("status".to_owned(), status);
        }
        match self.api.replace(served, object, Part::Status, &self.by()).await {
            // The Job was deleted when its time to live was over.
            Err(status) if status.code() == 404 => true,
            Err(status) => {
                self.report("FailedUpdate", "Error updating status", &status);
                false
            }
            Ok(()) => true,
        }
    }

    /// Carries an action out. Returns false if it is to be tried again.
    async fn act(&self, action: Action) -> bool {
        let (namespace, by) = (self.namespace(), self.by());
        match action {
            Action::CreatePod(pod) => {
                let (name, object) = (pod.name.clone(), pod.object(namespace));
                self.create("pods", name, object).await
            }
            Action::CreateJob(job) => {
                let (name, object) = (job.name.clone(), job.object(namespace));
                self.create("jobs", name, object).await
            }
            Action::DeletePod { name, uid, why } => {
                let Some(pods) = core("pods") else { return true };
                self.delete(pods, "pod", (name, uid), (why, &by)).await
            }
            Action::DeleteJob { name, uid, why } => {
                let Some(jobs) = served(Kind::Job) else { return true };
                self.delete(jobs, "job", (name, uid), (why, &by)).await
            }
        }
    }

    async fn create(&self, resource: &str, name: String, object: Value) -> bool {
        let (row, what) = match resource {
            "jobs" => (served(Kind::Job), "job"),
            _ => (core("pods"), "pod"),
        };
        let Some(row) = row else { return true };
        match self.api.create(row, object, &self.by()).await {
            Ok(()) => {
                self.note("SuccessfulCreate", format!("Created {what}: {name}"));
                true
            }
            Err(status) => {
                self.report("FailedCreate", "Error creating", &status);
                false
            }
        }
    }

    async fn delete(
        &self,
        row: &'static Served,
        what: &str,
        (name, uid): (String, String),
        (why, by): (String, &str),
    ) -> bool {
        let key = Key::new(self.namespace(), &*name);
        match self.api.delete(row, (&key, &uid), false, by).await {
            Ok(()) => {
                self.note("SuccessfulDelete", format!("Deleted {what}: {name}: {why}"));
                true
            }
            Err(status) if status.code() == 404 => true,
            Err(status) => {
                self.report("FailedDelete", "Error deleting", &status);
                false
            }
        }
    }

    /// Handles the dependents of an object that is being deleted, and lets it go when none is left.
    async fn unwind(self, deletion: Deletion) -> Done {
        let uid = self.uid().to_owned();
        let mut left = false;
        let mut failed = false;
        let jobs = self.jobs.iter().filter_map(|job| dependent(job));
        let is_mine = |it: &Dependent| it.owners.iter().any(|owner| owner.uid == uid);
        let jobs = jobs.filter(is_mine).map(|it| (served(Kind::Job), it));
        let pods = self.owned.iter().map(|it| (core("pods"), it.clone()));
        for (row, dependent) in pods.chain(jobs) {
            let Some(row) = row else { continue };
            let done = match deletion {
                Deletion::Orphan => self.release(row, &dependent, &uid).await,
                Deletion::Foreground => {
                    left = true;
                    let object = (&dependent.key, dependent.uid.as_str());
                    let foreground = row.name == Kind::Job.plural();
                    match dependent.deleting {
                        true => Ok(()),
                        false => self.api.delete(row, object, foreground, &self.by()).await,
                    }
                }
            };
            if let Err(status) = done.or_else(found) {
                self.report("FailedDelete", "Error deleting", &status);
                failed = true;
            }
        }
        let Some(row) = served(self.kind).filter(|_| !left && !failed) else {
            return Done { failed, next: None };
        };
        let object = deletion.finished(&self.object);
        let finished = self.api.replace(row, object, Part::Object, &self.by()).await;
        Done { failed: finished.or_else(found).is_err(), next: None }
    }

    /// Removes the references to this object from a dependent.
    async fn release(&self, row: &'static Served, of: &Dependent, uid: &str) -> Result<(), Status> {
        let stored = probelet_kube_wire::feed::Stored::of(row);
        let Some(live) = self.store.read(|feed| feed.get(stored, &of.key)) else { return Ok(()) };
        let free = released(&live, uid);
        if free == *live {
            return Ok(());
        }
        self.api.replace(row, free, Part::Object, &self.by()).await
    }

    fn text(&self, field: &str) -> &str {
        let metadata = self.object.get("metadata").and_then(|it| it.get(field));
        metadata.and_then(Value::as_str).unwrap_or_default()
    }

    fn namespace(&self) -> &str {
        self.text("namespace")
    }

    fn uid(&self) -> &str {
        self.text("uid")
    }

    /// The controller and its object, as the cause of what a write ends.
    fn by(&self) -> String {
        format!("{}/{}", self.kind.name().to_lowercase(), self.text("name"))
    }

    fn note(&self, reason: &str, message: String) {
        self.recorder.normal(self.kind, &self.object, reason, message);
    }

    fn warn(&self, reason: &str, message: String) {
        self.recorder.warning(self.kind, &self.object, reason, message);
    }

    /// Records why an action failed. What another writer or too many writes prevented is tried again
    /// without an event.
    fn report(&self, reason: &str, what: &str, status: &Status) {
        if matches!(status.reason(), Reason::Conflict | Reason::TooManyRequests) {
            let (object, error) = (self.text("name"), status.message());
            tracing::debug!(kind = self.kind.name(), object, error, "{what}");
            return;
        }
        self.warn(reason, format!("{what}: {}", status.message()));
    }
}

/// An object that does not exist any more needs nothing.
fn found(status: Status) -> Result<(), Status> {
    if status.code() == 404 { Ok(()) } else { Err(status) }
}
