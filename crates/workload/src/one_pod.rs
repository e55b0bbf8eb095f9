//! The one pod of a Deployment, DaemonSet or StatefulSet.

use jiff::Timestamp;
use serde_json::Value;

use crate::action::{Action, NewPod, Owner, Problem, Reconciliation};
use crate::facts::PodFacts;
use crate::kind::Kind;
use crate::read::{integer, later, present, texts};

/// Seconds between the end of a pod that has failed as a whole, such as by eviction, and its
/// replacement.
const FAILED_POD_DELAY: i64 = 10;

/// The pod that an object wants.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The kind of the object.
    pub kind: Kind,
    /// The object.
    pub object: &'a Value,
    /// The name of the pod.
    pub name: String,
    /// The labels that the controller adds.
    pub labels: Vec<(&'static str, String)>,
    /// The key of the label among them that says which template the pod has.
    pub revision: &'static str,
    /// False if the object wants no pod.
    pub exists: bool,
    /// False if a pod of another template stays, and none is created.
    pub replaces: bool,
    /// False if no pod is created at present.
    pub creates: bool,
    /// True if the node is cordoned, and the object's pods do not tolerate that.
    pub is_cordoned: bool,
}

/// The numbers of a status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pods that are not over and not being deleted.
    pub active: i64,
    /// Pods that exist, also while they are being deleted.
    pub created: i64,
    /// Active pods of the present template.
    pub updated: i64,
    /// Active pods that are ready.
    pub ready: i64,
    /// Active pods that have been ready for `minReadySeconds`.
    pub available: i64,
    /// Pods that are being deleted.
    pub terminating: i64,
}

/// The pods that an object owns.
pub fn owned<'a>(object: &Value, pods: &'a [PodFacts]) -> Vec<&'a PodFacts> {
    let uid = crate::read::text(object, "/metadata/uid");
    pods.iter().filter(|pod| !uid.is_empty() && pod.owner.as_deref() == Some(uid)).collect()
}

impl Wanted<'_> {
    /// The value of the label that says which template the pod has.
    pub fn revision(&self) -> &str {
        let found = self.labels.iter().find(|(key, _)| *key == self.revision);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    fn is_updated(&self, pod: &PodFacts) -> bool {
        pod.label(self.revision) == self.revision()
    }

    /// Counts the pods, and wakes the object when one becomes available.
    pub fn counts(
        &self,
        pods: &[&PodFacts],
        now: Timestamp,
        result: &mut Reconciliation,
    ) -> Counts {
        let least = integer(self.object, "/spec/minReadySeconds").unwrap_or(0);
        let mut counts = Counts::default();
        let one = |number: &mut i64, holds: bool| {
            *number = number.saturating_add(i64::from(holds));
        };
        for pod in pods {
            one(&mut counts.created, !pod.is_over());
            one(&mut counts.terminating, pod.deleting);
            if !pod.is_active() {
                continue;
            }
            one(&mut counts.active, true);
            one(&mut counts.updated, self.is_updated(pod));
            let Some(since) = pod.ready_since else { continue };
            one(&mut counts.ready, true);
            let from = later(since, least);
            one(&mut counts.available, from <= now);
            if from > now {
                result.wake(from);
            }
        }
        counts
    }

    /// Creates or deletes so that the host gets nearer to what is wanted. A name is used again when
    /// its pod no longer exists.
    pub fn act(&self, pods: &[PodFacts], now: Timestamp, result: &mut Reconciliation) {
        let mine = owned(self.object, pods);
        for pod in mine.iter().filter(|pod| !pod.deleting) {
            if let Some(why) = self.surplus(pod, now, result) {
                let (name, uid) = (pod.name.clone(), pod.uid.clone());
                result.actions.push(Action::DeletePod { name, uid, why });
            }
        }
        if !self.exists || !self.creates || !mine.is_empty() {
            return;
        }
        if let Some(taken) = pods.iter().find(|pod| pod.name == self.name) {
            // The end of a pod that is being deleted frees the name.
            if !taken.deleting {
                let message = format!("pods {:?} already exists", self.name);
                result.problems.push(Problem { reason: "FailedCreate", message });
            }
            return;
        }
        if self.is_cordoned {
            return result.problems.push(Problem::cordoned());
        }
        result.actions.push(Action::CreatePod(self.pod()));
    }

    /// Why a pod is to be deleted.
    fn surplus(
        &self,
        pod: &PodFacts,
        now: Timestamp,
        result: &mut Reconciliation,
    ) -> Option<String> {
        let owner = format!("{} {}", self.kind.name(), Owner::of(self.kind, self.object).name);
        if !self.exists {
            return Some(format!("{owner} has 0 replicas"));
        }
        if pod.name != self.name {
            return Some(format!("the pod of {owner} has the name {}", self.name));
        }
        if !self.is_updated(pod) && self.replaces {
            return Some(format!("the template of {owner} has changed"));
        }
        if !pod.is_over() || !self.creates {
            return None;
        }
        let due = pod.finished.map(|finished| later(finished, FAILED_POD_DELAY));
        match due.filter(|due| *due > now) {
            Some(due) => {
                result.wake(due);
                None
            }
            None => Some(format!("{owner} replaces a pod that is over")),
        }
    }

    fn pod(&self) -> NewPod {
        let template = self.object.pointer(self.kind.template()).unwrap_or(&Value::Null);
        let mut labels = texts(template, "/metadata/labels");
        labels.extend(self.labels.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        NewPod {
            name: self.name.clone(),
            labels,
            annotations: texts(template, "/metadata/annotations"),
            owner: Owner::of(self.kind, self.object),
            spec: present(template, "/spec").cloned().unwrap_or_default(),
        }
    }
}
