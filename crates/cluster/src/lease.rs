//! The heartbeat: a Lease in `kube-node-lease` of the node's name.
//!
//! The node controller marks a node as unreachable when its Lease has not moved for a while, so the
//! Lease has a task of its own, which waits for nothing else.

use std::time::Duration;

use probelet_kube_wire::time::Timestamp;
use serde_json::{Value, json};

use crate::fields::text;

/// The namespace of nodes' Leases.
pub const NAMESPACE: &str = "kube-node-lease";
/// Time for which a renewal is valid, as by the kubelet's default.
pub const DURATION: Duration = Duration::from_secs(40);
/// Time between two renewals: a quarter of [`DURATION`].
pub const INTERVAL: Duration = Duration::from_secs(10);

/// What is written next.
#[derive(Debug, Clone, PartialEq)]
pub enum LeaseStep {
    /// The Lease does not exist.
    Create(Value),
    /// The Lease is replaced by one of the same version with another time.
    Update(Value),
}

/// The next renewal. `seen` is the Lease as the API has it. Its owner is the Node, so that it is
/// deleted with it.
pub fn renew(seen: Option<&Value>, node: &str, node_uid: &str, now: Timestamp) -> LeaseStep {
    let spec = json!({
        "holderIdentity": node,
        "leaseDurationSeconds": DURATION.as_secs(),
        "renewTime": now.to_micros_text(),
    });
    let owner = json!([{
        "apiVersion": "v1", "kind": "Node", "name": node, "uid": node_uid,
    }]);
    let Some(seen) = seen else {
        return LeaseStep::Create(json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": node, "namespace": NAMESPACE, "ownerReferences": owner},
            "spec": spec,
        }));
    };
    let mut next = seen.clone();
    if let Some(before) = next.get_mut("spec").and_then(Value::as_object_mut) {
        // Fields of other writers, such as `strategy`, stay.
        before.extend(spec.as_object().cloned().unwrap_or_default());
    } else if let Some(fields) = next.as_object_mut() {
        fields.insert("spec".to_owned(), spec);
    }
    if let Some(metadata) = next.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("ownerReferences".to_owned(), owner);
    }
    LeaseStep::Update(next)
}

/// True if this Lease was renewed so recently that its holder is alive.
pub fn is_alive(lease: &Value, now: Timestamp) -> bool {
    let renewed = Timestamp::parse(text(lease, "/spec/renewTime"));
    let limit = i64::try_from(DURATION.as_micros()).unwrap_or(i64::MAX);
    renewed.is_some_and(|renewed| now.micros().saturating_sub(renewed.micros()).abs() < limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_lease_is_created_and_then_renewed_from_its_version() {
        let LeaseStep::Create(mut lease) = renew(None, "edge-1", "u1", at(100)) else {
            panic!("the lease is not created");
        };
        assert_eq!(lease["spec"]["renewTime"], "1970-01-01T00:01:40.000000Z");
        assert_eq!(lease["spec"]["leaseDurationSeconds"], 40);
        lease["metadata"]["resourceVersion"] = json!("7");
        lease["spec"]["strategy"] = json!("x");
        let LeaseStep::Update(next) = renew(Some(&lease), "edge-1", "u2", at(110)) else {
            panic!("the lease is created again");
        };
        assert_eq!(next["metadata"]["resourceVersion"], "7");
        assert_eq!(next["metadata"]["ownerReferences"][0]["uid"], "u2");
        assert_eq!(next["spec"]["renewTime"], "1970-01-01T00:01:50.000000Z");
        assert_eq!(next["spec"]["strategy"], "x");
    }

    #[test]
    fn a_holder_is_alive_while_its_lease_moves() {
        let lease = |at: i64| json!({"spec": {"renewTime": self::at(at).to_micros_text()}});
        for (renewed, now, alive) in [(100, 100, true), (100, 139, true), (100, 140, false)] {
            assert_eq!(is_alive(&lease(renewed), at(now)), alive, "{renewed} {now}");
        }
        // A clock that is far ahead proves nothing.
        assert!(!is_alive(&lease(1000), at(100)));
        assert!(!is_alive(&json!({"spec": {}}), at(0)));
    }
}
