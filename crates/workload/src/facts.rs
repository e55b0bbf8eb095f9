//! What a controller sees of pods and Jobs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::read::{flag, integer, list, text, texts, time};

/// The phase of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Not all containers have started.
    #[default]
    Pending,
    /// At least one container runs, or will run again.
    Running,
    /// All containers ended with 0 and will not run again.
    Succeeded,
    /// All containers ended, at least one with an error, and will not run again.
    Failed,
}

/// A pod of the namespace of the object. All pods of that namespace are facts, also other owners',
/// since a name is taken by any of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodFacts {
    /// The name.
    pub name: String,
    /// The UID.
    pub uid: String,
    /// The UID of the controller that owns the pod.
    pub owner: Option<String>,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The phase.
    pub phase: Phase,
    /// When the condition Ready became true; none if it is not.
    pub ready_since: Option<Timestamp>,
    /// True if the deletion has begun.
    pub deleting: bool,
    /// When the last container ended, if the pod is over.
    pub finished: Option<Timestamp>,
    /// Restarts of all containers.
    pub restarts: i64,
}

impl PodFacts {
    /// The facts of a `v1` Pod.
    pub fn of(pod: &Value) -> Self {
        let statuses = || {
            let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
            lists.into_iter().flat_map(|pointer| list(pod, pointer))
        };
        let phase = match text(pod, "/status/phase") {
            "Running" => Phase::Running,
            "Succeeded" => Phase::Succeeded,
            "Failed" => Phase::Failed,
            _ => Phase::Pending,
        };
        let over = matches!(phase, Phase::Succeeded | Phase::Failed);
        let ends = statuses().filter_map(|status| time(status, "/state/terminated/finishedAt"));
        let is_ready = |it: &&Value| text(it, "/type") == "Ready" && text(it, "/status") == "True";
        let ready = list(pod, "/status/conditions").iter().find(is_ready);
        let created = || time(pod, "/metadata/creationTimestamp").unwrap_or(Timestamp::UNIX_EPOCH);
        Self {
            name: text(pod, "/metadata/name").to_owned(),
            uid: text(pod, "/metadata/uid").to_owned(),
            owner: controller(pod),
            labels: texts(pod, "/metadata/labels"),
            phase,
            ready_since: ready
                .filter(|_| !over)
                .map(|it| time(it, "/lastTransitionTime").unwrap_or_else(created)),
            deleting: time(pod, "/metadata/deletionTimestamp").is_some(),
            finished: over.then(|| ends.max()).flatten(),
            restarts: statuses()
                .filter_map(|status| integer(status, "/restartCount"))
                .fold(0, i64::saturating_add),
        }
    }

    /// True if the pod is over: its containers do not run again.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }

    /// True if the pod is neither over nor being deleted.
    pub(crate) fn is_active(&self) -> bool {
        !self.is_over() && !self.deleting
    }

    pub(crate) fn label(&self, key: &str) -> &str {
        self.labels.get(key).map(String::as_str).unwrap_or_default()
    }
}

/// How a Job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// The condition Complete is true.
    Complete,
    /// The condition Failed is true.
    Failed,
}

/// A Job of the namespace of a CronJob; other owners' too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFacts {
    /// The name.
    pub name: String,
    /// The UID.
    pub uid: String,
    /// The `resourceVersion`.
    pub version: String,
    /// The UID of the CronJob that owns the Job.
    pub owner: Option<String>,
    /// How the Job ended; none if it has not.
    pub finished: Option<Finished>,
    /// `status.startTime`, or the time of creation.
    pub started: Option<Timestamp>,
    /// `status.completionTime`.
    pub completed: Option<Timestamp>,
    /// True if the deletion has begun.
    pub deleting: bool,
}

impl JobFacts {
    /// The facts of a `batch/v1` Job.
    pub fn of(job: &Value) -> Self {
        let created = time(job, "/metadata/creationTimestamp");
        Self {
            name: text(job, "/metadata/name").to_owned(),
            uid: text(job, "/metadata/uid").to_owned(),
            version: text(job, "/metadata/resourceVersion").to_owned(),
            owner: controller(job),
            finished: finished(job),
            started: time(job, "/status/startTime").or(created),
            completed: time(job, "/status/completionTime"),
            deleting: time(job, "/metadata/deletionTimestamp").is_some(),
        }
    }
}

/// How a `batch/v1` Job ended.
pub fn finished(job: &Value) -> Option<Finished> {
    let is_true = |kind: &str| {
        let holds = |it: &Value| text(it, "/type") == kind && text(it, "/status") == "True";
        list(job, "/status/conditions").iter().any(holds)
    };
    match () {
        () if is_true("Complete") => Some(Finished::Complete),
        () if is_true("Failed") => Some(Finished::Failed),
        () => None,
    }
}

/// The UID of the controller that owns an object.
fn controller(object: &Value) -> Option<String> {
    let owners = list(object, "/metadata/ownerReferences").iter();
    let owner = owners.into_iter().find(|owner| flag(owner, "/controller"))?;
    Some(text(owner, "/uid").to_owned())
}

/// What is observed in the namespace of an object.
#[derive(Debug, Clone, Copy, Default)]
pub struct Observed<'a> {
    /// All pods of the namespace. A CronJob does not need them.
    pub pods: &'a [PodFacts],
    /// All Jobs of the namespace. Only a CronJob needs them.
    pub jobs: &'a [JobFacts],
    /// True if the node is cordoned: only DaemonSets get new pods.
    pub is_cordoned: bool,
}
