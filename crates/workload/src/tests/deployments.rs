//! Deployments: rollouts as `kubectl rollout status` follows them.

use std::slice;

use super::*;

/// What `kubectl rollout status deployment` prints first for this object, or `done`.
fn rollout_status(object: &Value) -> &'static str {
    let status = |field: &str| object["status"][field].as_i64().unwrap_or(0);
    let timed_out = |it: &&Value| it["reason"] == json!("ProgressDeadlineExceeded");
    let conditions = object["status"]["conditions"].as_array().unwrap();
    match () {
        () if object["metadata"]["generation"].as_i64()
            > object["status"]["observedGeneration"].as_i64() =>
        {
            "unobserved"
        }
        () if conditions.iter().any(|it| timed_out(&it)) => "exceeded",
        () if status("updatedReplicas") < object["spec"]["replicas"].as_i64().unwrap() => {
            "updating"
        }
        () if status("replicas") > status("updatedReplicas") => "terminating old",
        () if status("availableReplicas") < status("updatedReplicas") => "waiting",
        () => "done",
    }
}

#[test]
fn a_rollout_from_creation_to_a_new_template() {
    let mut web = object(Kind::Deployment, json!({ "minReadySeconds": 5 }));
    let result = run(&web, &[], 0);
    assert_eq!(notes(&result).len(), 1);
    assert!(notes(&result)[0].starts_with("ScalingReplicaSet: Scaled up replica set web-"));
    let Action::CreatePod(new) = &result.actions[0] else { panic!("{result:?}") };
    let pod = new.object("shop");
    assert_eq!(pod["metadata"]["name"], json!("web"));
    assert_eq!(pod["metadata"]["labels"]["app"], json!("web"));
    assert_eq!(pod["metadata"]["annotations"], json!({ "a": "b" }));
    assert_eq!(
        pod["metadata"]["ownerReferences"],
        json!([{
            "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u-1",
            "controller": true, "blockOwnerDeletion": true,
        }])
    );
    let hash = pod["metadata"]["labels"]["pod-template-hash"].as_str().unwrap().to_owned();
    assert!(hash.len() == 10 && hash.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)));
    let mut pod = created(&result);
    web["status"] = result.status;
    assert_eq!(
        conditions(&web),
        ["Available=False(MinimumReplicasUnavailable)", "Progressing=True(NewReplicaSetCreated)"]
    );
    assert_eq!(rollout_status(&web), "updating");
    assert_eq!(step(&mut web, slice::from_ref(&pod), 1), [""; 0]);
    assert_eq!(rollout_status(&web), "waiting");
    assert_eq!(conditions(&web)[1], "Progressing=True(ReplicaSetUpdated)");
    pod.phase = Phase::Running;
    pod.ready_since = Some(at(3));
    let result = run(&web, slice::from_ref(&pod), 4);
    assert_eq!((result.next, &result.status["availableReplicas"]), (Some(at(8)), &json!(null)));
    assert_eq!(step(&mut web, slice::from_ref(&pod), 8), [""; 0]);
    assert_eq!(rollout_status(&web), "done");
    assert_eq!(
        conditions(&web),
        ["Available=True(MinimumReplicasAvailable)", "Progressing=True(NewReplicaSetAvailable)"]
    );
    let message = web["status"]["conditions"][1]["message"].clone();
    assert_eq!(message, json!(format!("ReplicaSet \"web-{hash}\" has successfully progressed.")));
    // A loss of readiness is no part of the rollout.
    let mut unready = pod.clone();
    unready.ready_since = None;
    let mut later = web.clone();
    assert_eq!(step(&mut later, &[unready], 5_000), [""; 0]);
    assert_eq!(
        conditions(&later),
        ["Available=False(MinimumReplicasUnavailable)", "Progressing=True(NewReplicaSetAvailable)"]
    );
    // What `kubectl rollout restart` writes.
    web["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] =
        json!("2026-01-02T04:00:00Z");
    web["metadata"]["generation"] = json!(2);
    assert_eq!(rollout_status(&web), "unobserved");
    assert_eq!(step(&mut web, slice::from_ref(&pod), 100), ["-web"]);
    assert_eq!(rollout_status(&web), "updating");
    assert_eq!(conditions(&web)[1], "Progressing=True(NewReplicaSetCreated)");
    pod.deleting = true;
    assert_eq!(step(&mut web, slice::from_ref(&pod), 101), [""; 0]);
    assert_eq!(web["status"]["terminatingReplicas"], json!(1));
    let result = run(&web, &[], 102);
    assert_eq!(short(&result), ["+web"]);
    assert_ne!(created(&result).labels["pod-template-hash"], hash);
}

#[test]
fn a_rollout_that_makes_no_progress_is_reported() {
    let mut web = object(Kind::Deployment, json!({ "progressDeadlineSeconds": 60 }));
    let result = run(&web, &[], 0);
    let mut pod = created(&result);
    web["status"] = result.status;
    step(&mut web, slice::from_ref(&pod), 1);
    assert_eq!(run(&web, slice::from_ref(&pod), 10).next, Some(at(62)));
    let progressing = web["status"]["conditions"][1].clone();
    step(&mut web, slice::from_ref(&pod), 62);
    assert_eq!(conditions(&web)[1], "Progressing=False(ProgressDeadlineExceeded)");
    assert_eq!(rollout_status(&web), "exceeded");
    let times = |condition: &Value| {
        let time = |field: &str| condition[field].as_str().unwrap().parse::<Timestamp>().unwrap();
        (time("lastTransitionTime"), time("lastUpdateTime"))
    };
    assert_eq!(times(&progressing), (at(0), at(1)));
    assert_eq!(times(&web["status"]["conditions"][1]), (at(62), at(62)));
    // It is over, so nothing wakes it.
    assert_eq!(run(&web, slice::from_ref(&pod), 63).next, None);
    pod.ready_since = Some(at(70));
    step(&mut web, &[pod], 70);
    assert_eq!(rollout_status(&web), "done");
}

#[test]
fn a_pause_keeps_the_old_pod() {
    let mut web = object(Kind::Deployment, json!({}));
    let result = run(&web, &[], 0);
    let mut pod = created(&result);
    pod.ready_since = Some(at(0));
    web["status"] = result.status;
    step(&mut web, slice::from_ref(&pod), 1);
    web["spec"]["paused"] = json!(true);
    web["spec"]["template"]["spec"]["containers"][0]["image"] = json!("nginx:2");
    assert_eq!(step(&mut web, slice::from_ref(&pod), 2), [""; 0]);
    assert_eq!(conditions(&web)[1], "Progressing=Unknown(DeploymentPaused)");
    assert_eq!(step(&mut web, &[], 3), [""; 0]);
    web["spec"]["replicas"] = json!(0);
    assert_eq!(step(&mut web, slice::from_ref(&pod), 4), ["-web"]);
    web["spec"]["replicas"] = json!(1);
    web["spec"]["paused"] = json!(false);
    assert_eq!(step(&mut web, &[pod], 5), ["-web"]);
    assert_eq!(step(&mut web, &[], 6), ["+web"]);
}

#[test]
fn scaling_to_nothing_completes() {
    let mut web = object(Kind::Deployment, json!({}));
    let result = run(&web, &[], 0);
    let mut pod = created(&result);
    web["status"] = result.status;
    web["spec"]["replicas"] = json!(0);
    assert_eq!(step(&mut web, slice::from_ref(&pod), 1), ["-web"]);
    pod.deleting = true;
    assert_eq!(step(&mut web, &[pod], 2), [""; 0]);
    assert_eq!(step(&mut web, &[], 3), [""; 0]);
    assert_eq!(
        conditions(&web),
        ["Available=True(MinimumReplicasAvailable)", "Progressing=True(NewReplicaSetAvailable)"]
    );
    assert_eq!(web["status"].get("replicas"), None);
}

#[test]
fn a_pod_of_another_owner_is_left_alone() {
    let mut web = object(Kind::Deployment, json!({}));
    for owner in [None, Some("other".to_owned())] {
        let pod =
            PodFacts { name: "web".to_owned(), uid: "x".to_owned(), owner, ..PodFacts::default() };
        assert_eq!(step(&mut web, slice::from_ref(&pod), 0), [""; 0]);
        let problems = run(&web, &[pod], 0).problems;
        assert_eq!(problems[0].message, "pods \"web\" already exists");
    }
    assert!(conditions(&web).contains(&"ReplicaFailure=True(FailedCreate)".to_owned()));
    assert_eq!(step(&mut web, &[], 1), ["+web"]);
    assert!(!conditions(&web).iter().any(|it| it.starts_with("ReplicaFailure")));
    // An object without a UID owns nothing, also not the pods without an owner.
    web["metadata"]["uid"] = json!("");
    let pod = PodFacts { owner: Some(String::new()), ..PodFacts::default() };
    assert_eq!(short(&run(&web, &[pod], 2)), [""; 0]);
}

#[test]
fn a_failed_pod_is_replaced_after_a_while() {
    let web = object(Kind::Deployment, json!({}));
    let mut pod = created(&run(&web, &[], 0));
    pod.phase = Phase::Failed;
    pod.finished = Some(at(20));
    let result = run(&web, slice::from_ref(&pod), 21);
    assert_eq!((short(&result), result.next), (vec![], Some(at(30))));
    assert_eq!(short(&run(&web, &[pod], 30)), ["-web"]);
}

#[test]
fn missing_pods_are_allowed_by_the_strategy() {
    for (strategy, expected) in [
        (json!({}), "Available=False(MinimumReplicasUnavailable)"),
        (
            json!({ "rollingUpdate": { "maxUnavailable": 1 } }),
            "Available=True(MinimumReplicasAvailable)",
        ),
        (
            json!({ "rollingUpdate": { "maxUnavailable": "100%" } }),
            "Available=True(MinimumReplicasAvailable)",
        ),
        (json!({ "rollingUpdate": { "maxSurge": 0 } }), "Available=True(MinimumReplicasAvailable)"),
        (json!({ "type": "Recreate" }), "Available=False(MinimumReplicasUnavailable)"),
    ] {
        let mut web = object(Kind::Deployment, json!({ "strategy": strategy }));
        step(&mut web, &[], 0);
        assert_eq!(conditions(&web)[0], expected, "{}", web["spec"]["strategy"]);
    }
}

#[test]
fn an_object_in_deletion_creates_nothing() {
    let mut web = object(Kind::Deployment, json!({}));
    web["metadata"]["deletionTimestamp"] = json!(START);
    assert_eq!(short(&run(&web, &[], 0)), [""; 0]);
}

#[test]
fn a_template_has_one_hash() {
    let hash = |template: Value| revision::hash(&template);
    let one = hash(json!({ "spec": { "a": 1, "b": [1, 2] } }));
    assert_eq!(one, hash(json!({ "spec": { "b": [1, 2], "a": 1 }, "metadata": {}, "x": null })));
    for other in [
        json!({ "spec": { "a": 1, "b": [2, 1] } }),
        json!({ "spec": { "a": "1", "b": [1, 2] } }),
        json!({ "spec": { "a": 1, "b": [12] } }),
        json!({ "spec": { "a": 1, "b": [[1], 2] } }),
        json!({ "spec": { "a": 1, "b": [1, 2], "c": false } }),
    ] {
        assert_ne!(one, hash(other.clone()), "{other}");
    }
}
