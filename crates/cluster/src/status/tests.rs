use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_700_000_000;

fn now() -> Timestamp {
    Timestamp::from_micros(NOW * 1_000_000)
}

fn condition(kind: &str, status: &str, since: &str) -> Value {
    json!({"type": kind, "status": status, "lastTransitionTime": since})
}

fn pod(policy: &str, status: Value) -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "a", "uid": "u", "generation": 2},
        "spec": {"restartPolicy": policy, "containers": [{"name": "main", "image": "i"}]},
        "status": status,
    })
}

fn running() -> Value {
    json!({
        "phase": "Running",
        "qosClass": "BestEffort",
        "startTime": "2026-01-01T00:00:00Z",
        "podIPs": [{"ip": "10.0.0.2"}],
        "podIP": "10.0.0.2",
        "conditions": [condition("Ready", "True", "2026-01-01T00:00:05.123456Z")],
        "containerStatuses": [{"name": "main", "ready": true, "restartCount": 1,
            "state": {"running": {"startedAt": "2026-01-01T00:00:01Z"}}}],
    })
}

fn of<'a>(pod: &'a Value) -> BoundPod<'a> {
    BoundPod::of(pod).unwrap()
}

/// What the API has after a patch: as a strategic merge of the fields that are posted.
fn patched(pod: &Value, patch: &Value) -> Value {
    let mut pod = pod.clone();
    let status = pod["status"].as_object_mut().unwrap();
    for (field, value) in patch["status"].as_object().unwrap() {
        let replace = json!({"$patch": "replace"});
        let value: Value = match (field.as_str(), value) {
            ("conditions", Value::Array(changed)) => {
                let mut all = status.get("conditions").cloned().unwrap_or(json!([]));
                for one in changed {
                    let list = all.as_array_mut().unwrap();
                    list.retain(|old| old["type"] != one["type"]);
                    if one.get("$patch").is_none() {
                        list.push(one.clone());
                    }
                }
                all
            }
            (_, Value::Array(items)) => {
                items.iter().filter(|it| **it != replace).cloned().collect()
            }
            (_, value) => value.clone(),
        };
        status.insert(field.clone(), value);
    }
    pod
}

#[test]
fn a_status_is_posted_once() {
    let pod = pod("Always", json!({"phase": "Pending"}));
    let status = wanted(&running(), of(&pod), false, now());
    let patch = patch(of(&pod), &status).unwrap();
    assert_eq!(patch["metadata"], json!({"uid": "u"}));
    assert_eq!(patch["status"]["podIPs"], json!([{"ip": "10.0.0.2"}, {"$patch": "replace"}]));
    assert_eq!(patch["status"]["observedGeneration"], 2);
    assert_eq!(patch["status"]["conditions"][0]["lastTransitionTime"], "2026-01-01T00:00:05Z");
    assert!(patch["status"].get("qosClass").is_none());
    let pod = patched(&pod, &patch);
    let again = wanted(&running(), of(&pod), false, now());
    assert_eq!(super::patch(of(&pod), &again), None);
}

#[test]
fn gos_way_to_write_empty_fields_is_no_difference() {
    let mut status = running();
    status["containerStatuses"][0]["lastState"] = json!({});
    status["containerStatuses"][0]["imageID"] = json!("");
    status["observedGeneration"] = json!(2);
    status["hostIPs"] = json!([]);
    let pod = pod("Always", status);
    let own = wanted(&running(), of(&pod), false, now());
    assert_eq!(patch(of(&pod), &own), None);
}

#[test]
fn conditions_of_other_writers_stay_and_own_ones_that_vanish_are_deleted() {
    let mut status = running();
    status["conditions"] = json!([
        condition("Ready", "True", "2026-01-01T00:00:01Z"),
        condition("example.com/gate", "True", "2026-01-01T00:00:01Z"),
        condition("DisruptionTarget", "True", "2026-01-01T00:00:01Z"),
        condition("AllContainersRestarting", "True", "2026-01-01T00:00:01Z"),
    ]);
    let pod = pod("Always", status);
    let mut own = running();
    own["conditions"][0]["status"] = json!("False");
    own["conditions"][0]["lastTransitionTime"] = json!("2026-01-02T00:00:00Z");
    // The gate as this host has it is not posted back.
    own["conditions"].as_array_mut().unwrap().push(condition("example.com/gate", "False", "x"));
    let status = wanted(&own, of(&pod), false, now());
    let patch = patch(of(&pod), &status).unwrap();
    let conditions = patch["status"]["conditions"].as_array().unwrap();
    assert_eq!(conditions.len(), 2);
    assert_eq!(conditions[0]["lastTransitionTime"], "2026-01-02T00:00:00Z");
    assert_eq!(conditions[1], json!({"$patch": "delete", "type": "AllContainersRestarting"}));
}

#[test]
fn a_condition_keeps_the_apis_time_while_it_is_the_same() {
    let mut status = running();
    status["conditions"] = json!([condition("Ready", "True", "2025-12-31T00:00:00Z")]);
    let pod = pod("Always", status);
    let own = wanted(&running(), of(&pod), false, now());
    assert_eq!(own["conditions"][0]["lastTransitionTime"], "2025-12-31T00:00:00Z");
}

#[test]
fn a_pod_that_is_over_has_an_end_for_each_container() {
    let terminated = |code: i64| json!({"terminated": {"exitCode": code}});
    for (state, last, phase, code) in [
        (terminated(0), json!({}), "Succeeded", 0),
        (terminated(1), json!({}), "Failed", 1),
        // A container that waited for its restart has the end before it.
        (json!({"waiting": {"reason": "CrashLoopBackOff"}}), terminated(3), "Failed", 3),
        (json!({"waiting": {"reason": "CrashLoopBackOff"}}), terminated(0), "Succeeded", 0),
        // One that never began is lost.
        (json!({"waiting": {"reason": "ContainerCreating"}}), json!({}), "Failed", 137),
    ] {
        let mut own = running();
        own["containerStatuses"][0]["state"] = state;
        own["containerStatuses"][0]["lastState"] = last;
        let pod = pod("Always", json!({"phase": "Running"}));
        let status = wanted(&own, of(&pod), true, now());
        assert_eq!(
            (&status["phase"], &status["conditions"][0]["status"]),
            (&json!(phase), &json!("False"))
        );
        assert_eq!(status["containerStatuses"][0]["state"]["terminated"]["exitCode"], code);
    }
    // A deadline fails the pod although its container exited with 0.
    let mut own = running();
    own["phase"] = json!("Failed");
    own["reason"] = json!("DeadlineExceeded");
    own["containerStatuses"][0]["state"] = terminated(0);
    let pod = pod("Always", json!({"phase": "Running"}));
    assert_eq!(wanted(&own, of(&pod), true, now())["phase"], "Failed");
}

#[test]
fn nothing_that_ended_for_good_runs_again() {
    let ended = |code: i64, reason: &str| {
        json!({"phase": "Running", "containerStatuses": [
            {"name": "main", "state": {"terminated": {"exitCode": code, "reason": reason}}}]})
    };
    for (policy, code, reason, stays) in [
        ("Never", 0, "Completed", true),
        ("Never", 1, "Error", true),
        ("OnFailure", 0, "Completed", true),
        ("OnFailure", 1, "Error", false),
        ("Always", 0, "Completed", false),
        ("Never", 137, "ContainerStatusUnknown", false),
    ] {
        let pod = pod(policy, ended(code, reason));
        let status = wanted(&running(), of(&pod), false, now());
        let is_ended = status.pointer("/containerStatuses/0/state/terminated").is_some();
        assert_eq!(is_ended, stays, "{policy} {code} {reason}");
    }
}

#[test]
fn no_phase_follows_a_terminal_one() {
    let pod = pod("Always", json!({"phase": "Failed", "reason": "Evicted", "message": "m"}));
    let status = wanted(&running(), of(&pod), false, now());
    assert_eq!((&status["phase"], &status["reason"]), (&json!("Failed"), &json!("Evicted")));
    let ready = &status["conditions"][0];
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("PodFailed")));
}

#[test]
fn a_pod_that_waits_has_a_status_of_its_spec() {
    let mut pod = pod(
        "Always",
        json!({"phase": "Pending", "conditions": [
        condition("PodScheduled", "True", "2026-01-01T00:00:00Z")]}),
    );
    pod["spec"]["initContainers"] = json!([{"name": "first", "image": "i"}]);
    let own = pending(of(&pod), ("ContainerCreating", ""), now());
    let status = wanted(&own, of(&pod), false, now());
    assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["reason"], "ContainerCreating");
    assert_eq!(status["initContainerStatuses"][0]["name"], "first");
    let patch = patch(of(&pod), &status).unwrap();
    let kinds: Vec<_> =
        list(&patch, "/status/conditions").iter().map(|it| text(it, "/type")).collect();
    assert_eq!(kinds, ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"]);
    let pod = patched(&pod, &patch);
    assert_eq!(super::patch(of(&pod), &wanted(&own, of(&pod), false, now())), None);
    // Deleted before it started, it is over.
    let over = wanted(&own, of(&pod), true, now());
    assert_eq!(over["phase"], "Failed");
    assert_eq!(text(&over, "/initContainerStatuses/0/state/terminated/reason"), UNKNOWN);
}

#[test]
fn a_rejected_pod_has_failed_with_its_reason() {
    let pod = pod("Always", json!({"phase": "Pending"}));
    let status = wanted(&rejected("OutOfcpu", "why", now()), of(&pod), false, now());
    let patch = patch(of(&pod), &status).unwrap();
    assert_eq!(patch["status"]["reason"], "OutOfcpu");
    assert_eq!(patch["status"]["message"], "Pod was rejected: why");
}

#[test]
fn messages_of_all_containers_fit() {
    let mut own = running();
    let long = "ä".repeat(20_000);
    own["containerStatuses"] = json!([
        {"name": "b", "state": {"terminated": {"exitCode": 1, "message": long}}},
        {"name": "a", "state": {"terminated": {"exitCode": 1, "message": "short"}}},
    ]);
    let pod = pod("Always", json!({"phase": "Running"}));
    let status = wanted(&own, of(&pod), false, now());
    let names: Vec<_> =
        list(&status, "/containerStatuses").iter().map(|it| text(it, "/name")).collect();
    assert_eq!(names, ["a", "b"]);
    let message = text(&status, "/containerStatuses/1/state/terminated/message");
    assert_eq!(message.len(), 6 * 1024);
}

proptest! {
    /// Whatever the API has, a status that was posted is not posted again, a terminal phase stays, and a
    /// pod that is over has no container that runs.
    #[test]
    fn a_patch_is_a_fixed_point(
        phase in 0..4usize,
        policy in 0..3usize,
        states in proptest::collection::vec(0..4usize, 2),
        is_over in any::<bool>(),
        generation in 0..3u64,
    ) {
        let state = |number: usize| [
            json!({"running": {"startedAt": "2026-01-01T00:00:01Z"}}),
            json!({"waiting": {"reason": "CrashLoopBackOff"}}),
            json!({"terminated": {"exitCode": 0}}),
            json!({"terminated": {"exitCode": 1, "message": "m"}}),
        ][number].clone();
        let phase = ["Pending", "Running", "Succeeded", "Failed"][phase];
        let mut pod = pod(["Always", "OnFailure", "Never"][policy], json!({
            "phase": phase,
            "containerStatuses": [{"name": "main", "state": state(states[0])}],
        }));
        pod["metadata"]["generation"] = json!(generation);
        let mut own = running();
        own["containerStatuses"][0]["state"] = state(states[1]);
        let status = wanted(&own, of(&pod), is_over, now());
        let after = patch(of(&pod), &status).map_or_else(|| pod.clone(), |patch| patched(&pod, &patch));
        prop_assert_eq!(patch(of(&after), &wanted(&own, of(&after), is_over, now())), None);
        if of(&pod).is_terminal() {
            prop_assert_eq!(&after["status"]["phase"], phase);
        }
        if is_over {
            prop_assert!(of(&after).is_terminal());
            prop_assert!(after.pointer("/status/containerStatuses/0/state/terminated").is_some());
        }
    }
}
