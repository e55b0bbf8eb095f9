use serde_json::json;

use crate::{Deletion, OwnerReference, is_garbage, released};

fn owner(api_version: &str, kind: &str, uid: &str) -> serde_json::Value {
    json!({"apiVersion": api_version, "kind": kind, "name": "web", "uid": uid, "controller": true})
}

#[test]
fn a_dependent_is_garbage_when_its_last_owner_is_deleted() {
    let exists = |owner: &OwnerReference| match owner.api_version.as_str() {
        "apps/v1" => owner.uid == "live",
        "batch/v1" => false,
        _ => true,
    };
    for (owners, garbage) in [
        (json!([]), false),
        (json!([owner("apps/v1", "Deployment", "live")]), false),
        (json!([owner("apps/v1", "Deployment", "dead")]), true),
        // The UID of another kind's object.
        (json!([owner("batch/v1", "Job", "live")]), true),
        (json!([owner("batch/v1", "Job", "dead"), owner("apps/v1", "Deployment", "live")]), false),
        // Owners of kinds that are not served count as existing.
        (json!([owner("v1", "Node", "dead")]), false),
        (json!([owner("batch/v1", "Job", "dead"), owner("example.org/v1", "Job", "x")]), false),
    ] {
        let pod = json!({"metadata": {"ownerReferences": owners}});
        assert_eq!(is_garbage(&OwnerReference::all(&pod), exists), garbage, "{pod}");
    }
}

#[test]
fn a_finalizer_says_what_a_deletion_waits_for() {
    let live = json!({"metadata": {"name": "web", "finalizers": ["a.b/c"]}});
    for deletion in [Deletion::Orphan, Deletion::Foreground] {
        let mut begun = deletion.begun(&live);
        assert_eq!(Deletion::of(&begun), None, "it is not being deleted");
        begun["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(Deletion::of(&begun), Some(deletion));
        assert_eq!(deletion.begun(&begun), begun);
        let finished = deletion.finished(&begun);
        assert_eq!(Deletion::of(&finished), None);
        assert_eq!(finished["metadata"]["finalizers"], json!(["a.b/c"]));
    }
}

#[test]
fn a_released_dependent_keeps_its_other_owners() {
    let other = owner("batch/v1", "Job", "b");
    let pod =
        json!({"metadata": {"ownerReferences": [owner("apps/v1", "Deployment", "a"), other]}});
    let pod = released(&pod, "a");
    assert_eq!(pod["metadata"]["ownerReferences"], json!([other]));
    assert_eq!(released(&pod, "b")["metadata"].get("ownerReferences"), None);
}
