//! Deployments: the rollout of the one pod, and its conditions as Kubernetes computes them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::action::{Action, Reconciliation};
use crate::conditions::{Clock, Condition, Conditions};
use crate::facts::{Observed, PodFacts};
use crate::kind::Kind;
use crate::one_pod::{Counts, Wanted, owned};
use crate::read::{flag, integer, later, present, text};
use crate::revision::{POD_TEMPLATE_HASH, hash};

const PROGRESSING: &str = "Progressing";
const AVAILABLE: &str = "Available";
const DONE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const PAUSED: &str = "DeploymentPaused";
const UPDATED: &str = "ReplicaSetUpdated";
/// The value of `progressDeadlineSeconds` that means none.
const NO_DEADLINE: i64 = i32::MAX as i64;

/// A Deployment and its pods.
struct Rollout<'a> {
    object: &'a Value,
    counts: Counts,
    desired: i64,
    /// The name that Kubernetes would give the ReplicaSet, which the messages have. There is no
    /// such object here.
    replica_set: String,
    now: Timestamp,
}

pub fn reconcile(object: &Value, observed: Observed<'_>, now: Timestamp) -> Reconciliation {
    let Observed { pods, is_cordoned, .. } = observed;
    let desired = integer(object, "/spec/replicas").unwrap_or(1).clamp(0, 1);
    let paused = flag(object, "/spec/paused");
    let template = object.pointer("/spec/template").unwrap_or(&Value::Null);
    let name = text(object, "/metadata/name").to_owned();
    let revision = hash(template);
    let replica_set = format!("{name}-{revision}");
    let wanted = Wanted {
        kind: Kind::Deployment,
        object,
        name: name.clone(),
        labels: vec![(POD_TEMPLATE_HASH, revision)],
        revision: POD_TEMPLATE_HASH,
        exists: desired > 0,
        replaces: !paused,
        // No earlier template is kept, so a paused Deployment cannot have its pod created again.
        creates: !paused,
        is_cordoned,
    };
    let mut result = Reconciliation::new(Value::Null);
    let counts = wanted.counts(&owned(object, pods), now, &mut result);
    wanted.act(pods, now, &mut result);
    note_scaling(&mut result, &name, pods);
    let rollout = Rollout { object, counts, desired, replica_set, now };
    result.status = rollout.status(&mut result, paused);
    result
}

/// Kubernetes' events of the scaling of ReplicaSets, under the names that those would have.
fn note_scaling(result: &mut Reconciliation, name: &str, pods: &[PodFacts]) {
    let message = |action: &Action| match action {
        Action::CreatePod(pod) => {
            let revision = pod.labels.get(POD_TEMPLATE_HASH)?;
            Some(format!("Scaled up replica set {name}-{revision} from 0 to 1"))
        }
        Action::DeletePod { uid, .. } => {
            let pod = pods.iter().find(|pod| pod.uid == *uid)?;
            // The pod that takes its place is of the same ReplicaSet.
            if pod.is_over() {
                return None;
            }
            let revision = pod.label(POD_TEMPLATE_HASH);
            Some(format!("Scaled down replica set {name}-{revision} from 1 to 0"))
        }
        Action::CreateJob(_) | Action::DeleteJob { .. } => None,
    };
    let messages: Vec<_> = result.actions.iter().filter_map(message).collect();
    messages.into_iter().for_each(|message| result.note("ScalingReplicaSet", message));
}

impl Rollout<'_> {
    fn status(&self, result: &mut Reconciliation, paused: bool) -> Value {
        let mut conditions = Conditions::of(self.object, Clock::Update, self.now);
        self.availability(&mut conditions);
        if has_deadline(self.object) {
            self.pause(&mut conditions, paused);
            if !paused {
                self.progress(&mut conditions);
                self.time_out(&mut conditions, result);
            }
        } else {
            conditions.remove(PROGRESSING);
        }
        match result.problems.first() {
            Some(problem) => conditions.set(Condition {
                kind: "ReplicaFailure",
                status: "True",
                reason: problem.reason,
                message: problem.message.clone(),
            }),
            None => conditions.remove("ReplicaFailure"),
        }
        let mut status = Map::new();
        if let Some(generation) = integer(self.object, "/metadata/generation") {
            status.insert("observedGeneration".to_owned(), json!(generation));
        }
        let unavailable = self.desired.saturating_sub(self.counts.available).max(0);
        let numbers = [
            ("replicas", self.counts.active),
            ("updatedReplicas", self.counts.updated),
            ("readyReplicas", self.counts.ready),
            ("availableReplicas", self.counts.available),
            ("unavailableReplicas", unavailable),
            ("terminatingReplicas", self.counts.terminating),
        ];
        // Kubernetes leaves out a zero.
        for (field, number) in numbers.into_iter().filter(|(_, number)| *number != 0) {
            status.insert(field.to_owned(), json!(number));
        }
        status.insert("conditions".to_owned(), conditions.into_value());
        Value::Object(status)
    }

    fn availability(&self, conditions: &mut Conditions) {
        let least = self.desired.saturating_sub(max_unavailable(self.object, self.desired));
        let (status, reason, verb) = if self.counts.available >= least {
            ("True", "MinimumReplicasAvailable", "has")
        } else {
            ("False", "MinimumReplicasUnavailable", "does not have")
        };
        let message = format!("Deployment {verb} minimum availability.");
        conditions.set(Condition { kind: AVAILABLE, status, reason, message });
    }

    /// A pause stops the time of the deadline, and the end of a pause starts it again.
    fn pause(&self, conditions: &mut Conditions, paused: bool) {
        let was = conditions.reason(PROGRESSING) == PAUSED;
        let (reason, message) = match (paused, was) {
            (true, false) => (PAUSED, "Deployment is paused"),
            (false, true) => ("DeploymentResumed", "Deployment is resumed"),
            _ => return,
        };
        // A rollout that has timed out stays so.
        if conditions.reason(PROGRESSING) != TIMED_OUT {
            let message = message.to_owned();
            conditions.set(Condition { kind: PROGRESSING, status: "Unknown", reason, message });
        }
    }

    fn is_complete(&self) -> bool {
        let Counts { active, updated, available, .. } = self.counts;
        updated == self.desired && active == self.desired && available == self.desired
    }

    fn progress(&self, conditions: &mut Conditions) {
        let names_this =
            conditions.message(PROGRESSING).contains(&format!("{:?}", self.replica_set));
        let done = conditions.reason(PROGRESSING) == DONE && names_this;
        if done {
            // Later losses of availability are no part of the rollout.
            return;
        }
        let set =
            |status, reason, message| Condition { kind: PROGRESSING, status, reason, message };
        let name = &self.replica_set;
        if self.is_complete() {
            let message = format!("ReplicaSet {name:?} has successfully progressed.");
            conditions.renew(set("True", DONE, message));
        } else if !names_this {
            let (reason, verb) = if self.counts.updated > 0 {
                ("FoundNewReplicaSet", "Found")
            } else {
                ("NewReplicaSetCreated", "Created")
            };
            let message = format!("{verb} new replica set {name:?}");
            conditions.renew(set("True", reason, message));
        } else if self.has_progressed() {
            let message = format!("ReplicaSet {name:?} is progressing.");
            conditions.renew(set("True", UPDATED, message));
        }
    }

    /// True if there are more updated, ready or available pods, or fewer old ones, than in the
    /// status before.
    fn has_progressed(&self) -> bool {
        let before = |field: &str| integer(self.object, &format!("/status/{field}")).unwrap_or(0);
        let old_before = before("replicas").saturating_sub(before("updatedReplicas"));
        let old = self.counts.active.saturating_sub(self.counts.updated);
        self.counts.updated > before("updatedReplicas")
            || old < old_before
            || self.counts.ready > before("readyReplicas")
            || self.counts.available > before("availableReplicas")
    }

    fn time_out(&self, conditions: &mut Conditions, result: &mut Reconciliation) {
        if [DONE, TIMED_OUT].contains(&conditions.reason(PROGRESSING)) {
            return;
        }
        let seconds = integer(self.object, "/spec/progressDeadlineSeconds").unwrap_or(600);
        let Some(since) = conditions.updated(PROGRESSING) else { return };
        let deadline = later(since, seconds);
        if deadline >= self.now {
            result.wake(later(deadline, 1));
            return;
        }
        let name = &self.replica_set;
        let message = format!("ReplicaSet {name:?} has timed out progressing.");
        conditions.set(Condition {
            kind: PROGRESSING,
            status: "False",
            reason: TIMED_OUT,
            message,
        });
    }
}

fn has_deadline(object: &Value) -> bool {
    integer(object, "/spec/progressDeadlineSeconds").unwrap_or(600) != NO_DEADLINE
}

/// The number of pods that may be missing: `maxUnavailable`, of which a percentage is rounded down.
fn max_unavailable(object: &Value, desired: i64) -> i64 {
    if text(object, "/spec/strategy/type") == "Recreate" || desired == 0 {
        return 0;
    }
    let of = |field: &str| match present(object, &format!("/spec/strategy/rollingUpdate/{field}")) {
        Some(Value::Number(number)) => number.as_i64().unwrap_or(0),
        Some(Value::String(text)) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0);
            percent.saturating_mul(desired).checked_div(100).unwrap_or(0)
        }
        _ => 0,
    };
    // If both numbers round to none, Kubernetes allows one pod to be missing.
    let surge = present(object, "/spec/strategy/rollingUpdate/maxSurge");
    let no_surge = surge.is_some_and(|surge| *surge == json!(0) || *surge == json!("0%"));
    of("maxUnavailable").max(i64::from(no_surge)).clamp(0, desired)
}
