//! What follows from a reconciliation.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kind::Kind;
use crate::read::text;

/// The owner of a created object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The kind.
    pub kind: Kind,
    /// The name.
    pub name: String,
    /// The UID.
    pub uid: String,
}

impl Owner {
    pub(crate) fn of(kind: Kind, object: &Value) -> Self {
        let field = |pointer| text(object, pointer).to_owned();
        Self { kind, name: field("/metadata/name"), uid: field("/metadata/uid") }
    }

    /// The item of `metadata.ownerReferences`.
    pub fn reference(&self) -> Value {
        json!({
            "apiVersion": self.kind.api_version(), "kind": self.kind.name(), "name": self.name,
            "uid": self.uid, "controller": true, "blockOwnerDeletion": true,
        })
    }
}

/// A pod to create in the namespace of its owner.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPod {
    /// The name.
    pub name: String,
    /// The template's labels and the controller's.
    pub labels: BTreeMap<String, String>,
    /// The template's annotations.
    pub annotations: BTreeMap<String, String>,
    /// The controller.
    pub owner: Owner,
    /// The template's `spec`.
    pub spec: Value,
}

impl NewPod {
    /// The `v1` Pod in this namespace.
    pub fn object(&self, namespace: &str) -> Value {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": self.name, "namespace": namespace, "labels": self.labels,
                "annotations": self.annotations, "ownerReferences": [self.owner.reference()],
            },
        });
        crate::read::below(&mut pod, &[], |pod| {
            pod.insert("spec".to_owned(), self.spec.clone());
        });
        pod
    }
}

/// A Job to create in the namespace of its CronJob.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// The name, which follows from the time of the schedule.
    pub name: String,
    /// The labels of the Job's template.
    pub labels: BTreeMap<String, String>,
    /// The annotations of the Job's template, and the time of the schedule.
    pub annotations: BTreeMap<String, String>,
    /// The CronJob.
    pub owner: Owner,
    /// The `spec` of the Job's template.
    pub spec: Value,
}

impl NewJob {
    /// The `batch/v1` Job in this namespace. The caller gives it a UID, then calls
    /// [`default`](crate::default), which needs one.
    pub fn object(&self, namespace: &str) -> Value {
        let mut job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {
                "name": self.name, "namespace": namespace, "labels": self.labels,
                "annotations": self.annotations, "ownerReferences": [self.owner.reference()],
            },
        });
        crate::read::below(&mut job, &[], |job| {
            job.insert("spec".to_owned(), self.spec.clone());
        });
        job
    }
}

/// One thing to do. Names are in the namespace of the object.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Create a pod.
    CreatePod(NewPod),
    /// Delete a pod that the object owns, with its grace.
    DeletePod {
        /// The name.
        name: String,
        /// The UID, a precondition.
        uid: String,
        /// The cause, for people.
        why: String,
    },
    /// Create a Job.
    CreateJob(NewJob),
    /// Delete a Job and its pods: a CronJob's, or the Job itself when its time is over.
    DeleteJob {
        /// The name.
        name: String,
        /// The UID, a precondition.
        uid: String,
        /// The cause, for people.
        why: String,
    },
}

impl Action {
    /// True if the action comes before the status is stored. A Job's name follows from its
    /// schedule, so a repetition finds the Job, or finds it deleted, and changes nothing.
    pub fn before_status(&self) -> bool {
        matches!(self, Self::CreateJob(_) | Self::DeleteJob { .. })
    }
}

/// A warning event on the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The reason of the event.
    pub reason: &'static str,
    /// Its message.
    pub message: String,
}

impl Problem {
    /// The scheduler's event for a pod that no node takes, in Kubernetes' text.
    pub(crate) fn cordoned() -> Self {
        let message = "0/1 nodes are available: 1 node(s) were unschedulable.".to_owned();
        Self { reason: "FailedScheduling", message }
    }
}

/// An event on the object that is recorded when all actions have succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// True if it is a warning.
    pub is_warning: bool,
    /// The reason of the event.
    pub reason: &'static str,
    /// Its message.
    pub message: String,
}

/// What follows from an object and what is observed.
///
/// The caller carries out the actions that are [`before_status`](Action::before_status), then stores
/// the status if it has changed, then carries out the others. An end of the daemon in between loses
/// nothing: the next reconciliation returns what is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconciliation {
    /// What to do, in order.
    pub actions: Vec<Action>,
    /// The new status of the object.
    pub status: Value,
    /// When to reconcile again if nothing changes before.
    pub next: Option<Timestamp>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What has been reached.
    pub notes: Vec<Note>,
}

impl Reconciliation {
    pub(crate) fn new(status: Value) -> Self {
        let (actions, problems, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { actions, status, next: None, problems, notes }
    }

    /// Notes an event of type `Normal`.
    pub(crate) fn note(&mut self, reason: &'static str, message: impl Into<String>) {
        self.notes.push(Note { is_warning: false, reason, message: message.into() });
    }

    /// Asks for another reconciliation at this time, or earlier.
    pub(crate) fn wake(&mut self, at: Timestamp) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}
