//! One reconciliation of a workload: what `probelet-workload` decides, carried out.

use std::sync::Arc;

use jiff::Timestamp;
use probelet_kube_wire::discovery::Served;
use probelet_kube_wire::feed::Key;
use probelet_kube_wire::status::{Reason, Status};
use probelet_workload::{Action, JobFacts, Kind, Observed, PodFacts, reconcile};
use serde_json::Value;

use super::api::{Api, Part, core, served};
use super::queue::Done;
use super::recorder::Recorder;
use super::zones::zone;

/// What one reconciliation reads and writes.
pub struct Round {
    pub api: Arc<dyn Api>,
    pub recorder: Arc<Recorder>,
    pub kind: Kind,
    pub object: Arc<Value>,
    /// The pods of the namespace.
    pub pods: Vec<PodFacts>,
    /// The Jobs of the namespace.
    pub jobs: Vec<Arc<Value>>,
    /// True if the node is cordoned.
    pub is_cordoned: bool,
    pub now: Timestamp,
}

impl Round {
    pub async fn run(self) -> Done {
        let jobs: Vec<_> = self.jobs.iter().map(|job| JobFacts::of(job)).collect();
        let observed = Observed { pods: &self.pods, jobs: &jobs, is_cordoned: self.is_cordoned };
        let result = reconcile(self.kind, &self.object, observed, self.now, zone);
        let mut failed = false;
        for problem in result.problems {
            self.warn(problem.reason, problem.message).await;
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
        // Actions that failed are repeated, and their events follow then.
        for note in result.notes.into_iter().filter(|_| !failed) {
            match note.is_warning {
                true => self.warn(note.reason, note.message).await,
                false => self.note(note.reason, note.message).await,
            }
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
                self.report("FailedUpdate", "Error updating status", &status).await;
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
                self.note("SuccessfulCreate", format!("Created {what}: {name}")).await;
                true
            }
            Err(status) => {
                self.report("FailedCreate", "Error creating", &status).await;
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
                self.note("SuccessfulDelete", format!("Deleted {what}: {name}: {why}")).await;
                true
            }
            Err(status) if status.code() == 404 => true,
            Err(status) => {
                self.report("FailedDelete", "Error deleting", &status).await;
                false
            }
        }
    }

    fn text(&self, field: &str) -> &str {
        let metadata = self.object.get("metadata").and_then(|it| it.get(field));
        metadata.and_then(Value::as_str).unwrap_or_default()
    }

    fn namespace(&self) -> &str {
        self.text("namespace")
    }

    /// The controller and its object, as the cause of what a write ends.
    fn by(&self) -> String {
        format!("{}/{}", self.kind.name().to_lowercase(), self.text("name"))
    }

    async fn note(&self, reason: &str, message: String) {
        self.recorder.normal(&self.object, reason, message).await;
    }

    async fn warn(&self, reason: &str, message: String) {
        self.recorder.warning(&self.object, reason, message).await;
    }

    /// Records why an action failed. What another writer or too many writes prevented is tried again
    /// without an event.
    async fn report(&self, reason: &str, what: &str, status: &Status) {
        if matches!(status.reason(), Reason::Conflict | Reason::TooManyRequests) {
            let (object, error) = (self.text("name"), status.message());
            tracing::debug!(kind = self.kind.name(), object, error, "{what}");
            return;
        }
        self.warn(reason, format!("{what}: {}", status.message())).await;
    }
}
