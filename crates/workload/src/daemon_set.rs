//! DaemonSets: one pod, since there is one node.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::action::Reconciliation;
use crate::facts::PodFacts;
use crate::kind::Kind;
use crate::one_pod::{Wanted, owned};
use crate::read::{integer, present, text};
use crate::revision::{CONTROLLER_REVISION_HASH, hash};

pub fn reconcile(object: &Value, pods: &[PodFacts], now: Timestamp) -> Reconciliation {
    let template = object.pointer("/spec/template").unwrap_or(&Value::Null);
    let wanted = Wanted {
        kind: Kind::DaemonSet,
        object,
        name: text(object, "/metadata/name").to_owned(),
        labels: vec![(CONTROLLER_REVISION_HASH, hash(template))],
        revision: CONTROLLER_REVISION_HASH,
        exists: true,
        replaces: text(object, "/spec/updateStrategy/type") != "OnDelete",
        creates: true,
        // As in Kubernetes, its pods tolerate a cordoned node.
        is_cordoned: false,
    };
    let mut result = Reconciliation::new(Value::Null);
    let counts = wanted.counts(&owned(object, pods), now, &mut result);
    wanted.act(pods, now, &mut result);
    let mut status = Map::new();
    let mut put = |field: &str, number: i64| status.insert(field.to_owned(), json!(number));
    put("currentNumberScheduled", counts.active.min(1));
    put("numberMisscheduled", 0);
    put("desiredNumberScheduled", 1);
    put("numberReady", counts.ready);
    if let Some(generation) = integer(object, "/metadata/generation") {
        put("observedGeneration", generation);
    }
    // Kubernetes leaves out a zero of these.
    let others = [
        ("updatedNumberScheduled", counts.updated),
        ("numberAvailable", counts.available),
        ("numberUnavailable", 1_i64.saturating_sub(counts.available)),
    ];
    for (field, number) in others.into_iter().filter(|(_, number)| *number > 0) {
        put(field, number);
    }
    if let Some(conditions) = present(object, "/status/conditions") {
        status.insert("conditions".to_owned(), conditions.clone());
    }
    result.status = Value::Object(status);
    result
}
