//! StatefulSets of one replica, whose pod is `NAME-0`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::action::Reconciliation;
use crate::facts::{Observed, PodFacts};
use crate::kind::Kind;
use crate::one_pod::{Wanted, owned};
use crate::read::{integer, present, text};
use crate::revision::{CONTROLLER_REVISION_HASH, hash};

pub fn reconcile(object: &Value, observed: Observed<'_>, now: Timestamp) -> Reconciliation {
    let Observed { pods, is_cordoned, .. } = observed;
    let template = object.pointer("/spec/template").unwrap_or(&Value::Null);
    let desired = integer(object, "/spec/replicas").unwrap_or(1).clamp(0, 1);
    let ordinal = integer(object, "/spec/ordinals/start").unwrap_or(0).to_string();
    let set = text(object, "/metadata/name");
    let name = format!("{set}-{ordinal}");
    let update = format!("{set}-{}", hash(template));
    let on_delete = text(object, "/spec/updateStrategy/type") == "OnDelete";
    let wanted = Wanted {
        kind: Kind::StatefulSet,
        object,
        labels: vec![
            (CONTROLLER_REVISION_HASH, update.clone()),
            ("statefulset.kubernetes.io/pod-name", name.clone()),
            ("apps.kubernetes.io/pod-index", ordinal),
        ],
        name,
        revision: CONTROLLER_REVISION_HASH,
        exists: desired > 0,
        replaces: !on_delete,
        creates: true,
        is_cordoned,
    };
    let mut result = Reconciliation::new(Value::Null);
    let mine = owned(object, pods);
    let counts = wanted.counts(&mine, now, &mut result);
    wanted.act(pods, now, &mut result);
    let before = text(object, "/status/currentRevision");
    let is_complete = !on_delete
        && counts.updated == counts.created
        && counts.created == desired
        && counts.ready == desired;
    let current = if before.is_empty() || is_complete { update.clone() } else { before.to_owned() };
    let of_current =
        |pod: &&&PodFacts| pod.is_active() && pod.label(CONTROLLER_REVISION_HASH) == current;
    let currents = mine.iter().filter(of_current).count();
    let mut status = Map::new();
    let mut put = |field: &str, value: Value| status.insert(field.to_owned(), value);
    if let Some(generation) = integer(object, "/metadata/generation") {
        put("observedGeneration", json!(generation));
    }
    put("replicas", json!(counts.created));
    put("availableReplicas", json!(counts.available));
    put("collisionCount", json!(0));
    let others = [("readyReplicas", counts.ready), ("updatedReplicas", counts.updated)];
    // Kubernetes leaves out a zero of these.
    for (field, number) in others.into_iter().filter(|(_, number)| *number > 0) {
        put(field, json!(number));
    }
    if currents > 0 {
        put("currentReplicas", json!(currents));
    }
    put("currentRevision", json!(current));
    put("updateRevision", json!(update));
    if let Some(conditions) = present(object, "/status/conditions") {
        put("conditions", conditions.clone());
    }
    result.status = Value::Object(status);
    result
}
