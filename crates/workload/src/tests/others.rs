//! DaemonSets, StatefulSets, and facts of objects.

use std::slice;

use super::*;

#[test]
fn a_daemon_set_has_one_node() {
    let mut set = object(Kind::DaemonSet, json!({}));
    let result = run(&set, &[], 0);
    assert_eq!(short(&result), ["+web"]);
    let mut pod = created(&result);
    assert_eq!(pod.labels["controller-revision-hash"].len(), 10);
    assert_eq!(
        result.status,
        json!({
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 1,
            "numberReady": 0, "observedGeneration": 1, "numberUnavailable": 1,
        })
    );
    pod.ready_since = Some(at(0));
    assert_eq!(step(&mut set, slice::from_ref(&pod), 1), [""; 0]);
    assert_eq!(
        set["status"],
        json!({
            "currentNumberScheduled": 1, "numberMisscheduled": 0, "desiredNumberScheduled": 1,
            "numberReady": 1, "observedGeneration": 1, "updatedNumberScheduled": 1, "numberAvailable": 1,
        })
    );
    set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("nginx:2");
    assert_eq!(step(&mut set, slice::from_ref(&pod), 2), ["-web"]);
    set["spec"]["updateStrategy"] = json!({ "type": "OnDelete" });
    assert_eq!(step(&mut set, &[pod], 3), [""; 0]);
    assert_eq!(set["status"].get("updatedNumberScheduled"), None);
    assert_eq!(step(&mut set, &[], 4), ["+web"]);
}

#[test]
fn a_stateful_set_has_revisions() {
    let mut set = object(Kind::StatefulSet, json!({ "serviceName": "web" }));
    let result = run(&set, &[], 0);
    assert_eq!(short(&result), ["+web-0"]);
    let mut pod = created(&result);
    set["status"] = result.status;
    assert_eq!(pod.labels["statefulset.kubernetes.io/pod-name"], "web-0");
    assert_eq!(pod.labels["apps.kubernetes.io/pod-index"], "0");
    let first = pod.labels["controller-revision-hash"].clone();
    assert!(first.starts_with("web-"));
    pod.ready_since = Some(at(1));
    assert_eq!(step(&mut set, slice::from_ref(&pod), 2), [""; 0]);
    assert_eq!(
        set["status"],
        json!({
            "observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "availableReplicas": 1,
            "currentReplicas": 1, "updatedReplicas": 1, "currentRevision": first,
            "updateRevision": first, "collisionCount": 0,
        })
    );
    set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("nginx:2");
    assert_eq!(step(&mut set, slice::from_ref(&pod), 3), ["-web-0"]);
    // `kubectl rollout status` waits until the two revisions are the same.
    assert_eq!(set["status"]["currentRevision"], json!(first));
    assert_ne!(set["status"]["updateRevision"], json!(first));
    let result = run(&set, &[], 4);
    let mut new = created(&result);
    set["status"] = result.status;
    assert_eq!(set["status"]["currentRevision"], json!(first));
    step(&mut set, slice::from_ref(&new), 5);
    assert_eq!(set["status"]["currentRevision"], json!(first));
    new.ready_since = Some(at(6));
    step(&mut set, &[new], 6);
    assert_eq!(set["status"]["currentRevision"], set["status"]["updateRevision"]);
    set["spec"]["ordinals"] = json!({ "start": 3 });
    assert_eq!(step(&mut set, &[], 7), ["+web-3"]);
    assert_eq!(step(&mut set, &[pod], 8), ["-web-0"]);
}

#[test]
fn facts_are_read_from_a_pod() {
    let pod = json!({
        "metadata": {
            "name": "web", "uid": "p", "labels": { "a": "b" },
            "ownerReferences": [
                { "kind": "Thing", "uid": "x" }, { "kind": "Job", "uid": "u-1", "controller": true },
            ],
        },
        "status": {
            "phase": "Failed",
            "conditions": [{ "type": "Ready", "status": "False", "lastTransitionTime": START }],
            "initContainerStatuses": [{ "restartCount": 1,
                "state": { "terminated": { "finishedAt": "2026-01-02T03:04:06Z" } } }],
            "containerStatuses": [{ "restartCount": 2,
                "state": { "terminated": { "finishedAt": "2026-01-02T03:04:08Z" } } }],
        },
    });
    let found = PodFacts::of(&pod);
    assert_eq!(
        found,
        PodFacts {
            name: "web".to_owned(),
            uid: "p".to_owned(),
            owner: Some("u-1".to_owned()),
            labels: [("a".to_owned(), "b".to_owned())].into(),
            phase: Phase::Failed,
            ready_since: None,
            deleting: false,
            finished: Some(at(3)),
            restarts: 3,
        }
    );
    let mut running = pod;
    running["status"]["phase"] = json!("Running");
    assert_eq!(PodFacts::of(&running).ready_since, None);
    running["status"]["conditions"][0]["status"] = json!("True");
    running["metadata"]["deletionTimestamp"] = json!(START);
    let found = PodFacts::of(&running);
    assert_eq!((found.ready_since, found.deleting, found.finished), (Some(at(0)), true, None));
}

#[test]
fn kinds_are_found_by_object_and_by_resource() {
    for kind in Kind::ALL {
        assert_eq!(Kind::of(&object(kind, json!({}))), Some(kind));
        assert_eq!(Kind::of_resource(kind.group(), kind.plural()), Some(kind));
    }
    assert_eq!(
        Kind::of(&json!({ "apiVersion": "extensions/v1beta1", "kind": "Deployment" })),
        None
    );
}
