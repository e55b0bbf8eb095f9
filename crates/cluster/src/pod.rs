//! A pod that is bound to this node, as the API has it.

use std::time::Duration;

use probelet_kube_wire::feed::Key;
use serde_json::Value;

use crate::fields::text;

/// The annotation of pods that another source than the API defines. The API only shows them.
const MIRROR: &str = "/metadata/annotations/kubernetes.io~1config.mirror";

/// A pod of the API.
#[derive(Debug, Clone, Copy)]
pub struct BoundPod<'a>(&'a Value);

impl<'a> BoundPod<'a> {
    /// The pod of an object; `None` if it only mirrors a pod of a node, or has no UID.
    pub fn of(object: &'a Value) -> Option<Self> {
        let is_mirror = object.pointer(MIRROR).is_some();
        (!is_mirror && !text(object, "/metadata/uid").is_empty()).then_some(Self(object))
    }

    /// The object.
    pub fn object(self) -> &'a Value {
        self.0
    }

    /// The namespace and name.
    pub fn key(self) -> Key {
        Key::new(text(self.0, "/metadata/namespace"), text(self.0, "/metadata/name"))
    }

    /// The UID, which no other pod of this name has.
    pub fn uid(self) -> &'a str {
        text(self.0, "/metadata/uid")
    }

    /// The version of the object.
    pub fn version(self) -> &'a str {
        text(self.0, "/metadata/resourceVersion")
    }

    /// The generation of the spec, 0 on a server that has none.
    pub fn generation(self) -> u64 {
        self.0.pointer("/metadata/generation").and_then(Value::as_u64).unwrap_or_default()
    }

    /// The time that the pod has to end, if it is being deleted.
    pub fn deletion(self) -> Option<Duration> {
        self.0.pointer("/metadata/deletionTimestamp").filter(|at| !at.is_null())?;
        let grace = self.0.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_u64);
        let spec = self.0.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_u64);
        Some(Duration::from_secs(grace.or(spec).unwrap_or(30)))
    }

    /// True if the phase says that no container of the pod runs or will run.
    pub fn is_terminal(self) -> bool {
        matches!(text(self.0, "/status/phase"), "Succeeded" | "Failed")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mirror_pod_is_none_of_the_api() {
        let pod = json!({"metadata": {"name": "a", "uid": "u"}});
        assert!(BoundPod::of(&pod).is_some());
        let annotations = json!({"kubernetes.io/config.mirror": "x"});
        let mirror = json!({"metadata": {"name": "a", "uid": "u", "annotations": annotations}});
        assert!(BoundPod::of(&mirror).is_none());
        assert!(BoundPod::of(&json!({"metadata": {"name": "a"}})).is_none());
    }

    #[test]
    fn the_grace_of_a_deletion_is_that_of_the_request() {
        let pod = |metadata: Value| {
            json!({
                "metadata": metadata, "spec": {"terminationGracePeriodSeconds": 7},
            })
        };
        for (metadata, expected) in [
            (json!({"uid": "u"}), None),
            (json!({"uid": "u", "deletionTimestamp": null}), None),
            (
                json!({"uid": "u", "deletionTimestamp": "t", "deletionGracePeriodSeconds": 0}),
                Some(0),
            ),
            (json!({"uid": "u", "deletionTimestamp": "t"}), Some(7)),
        ] {
            let pod = pod(metadata);
            let seconds = BoundPod::of(&pod).unwrap().deletion().map(|grace| grace.as_secs());
            assert_eq!(seconds, expected);
        }
    }
}
