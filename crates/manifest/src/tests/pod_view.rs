use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::*;
use probelet_domain::Incarnation;
use probelet_domain::exit::{Cause, Ending, Terminated};
use probelet_domain::network::PodNetwork;
use probelet_domain::pod::PodView;
use probelet_domain::spec::{ProbeKind, Source};
use probelet_domain::status::{
    Condition, ContainerState, ContainerStatus, KillHeld, Phase, PodStatus, Stage, WaitingReason,
};
use probelet_domain::user::User;

pub fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn killed() -> Terminated {
    Terminated {
        attempt: Incarnation(0),
        container_id: "kubia-liveness_kubia_0".into(),
        ending: Ending::Signaled(9),
        cause: Cause::Probe {
            kind: ProbeKind::Liveness,
            output: "HTTP probe failed with statuscode: 500".into(),
        },
        reason: "Error".into(),
        exit_code: 137,
        signal: Some(9),
        message: String::new(),
        started_at: Some(at(1)),
        finished_at: at(130),
        sigkill: None,
        oom_kills: 0,
    }
}

pub fn view() -> PodView {
    let spec = read(STORY).unwrap().spec;
    let container = ContainerStatus {
        user: Some(User { uid: 1000, gid: 0, groups: vec![0, 20] }),
        next_try: None,
        given_up: false,
        paused_until: None,
        shim: None,
        kill_held: None,
        name: "kubia".into(),
        attempt: Incarnation(1),
        instance: Incarnation(1),
        stage: Stage::Running,
        ready: true,
        started: true,
        restart_count: 1,
        image: "luksa/kubia-unhealthy".into(),
        image_id: "luksa/kubia-unhealthy@sha256:1".into(),
        container_id: "kubia-liveness_kubia_1".into(),
        pid: Some(7),
        state: ContainerState::Running { started_at: at(131) },
        last_state: Some(killed()),
        history: Default::default(),
        probes: vec![],
    };
    let ready = Condition {
        kind: "Ready",
        is_true: true,
        reason: "",
        message: String::new(),
        since: at(131),
    };
    let status = PodStatus {
        phase: Phase::Running,
        conditions: vec![ready],
        created_at: at(0),
        deletion: None,
        init_containers: vec![],
        expired: None,
        containers: vec![container],
        network: PodNetwork { node_name: "node1".into(), ..PodNetwork::default() },
    };
    PodView { generation: 1, spec: Arc::new(spec), status: Arc::new(status), manifest_error: None }
}

#[test]
fn the_story_reads_as_from_kubernetes() {
    let expected = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "kubia-liveness",
            "namespace": "default",
            "uid": "uid-1",
            "creationTimestamp": "2027-01-15T08:00:00Z",
            "generation": 1,
            "annotations": {
                "probelet.io/default-pull.kubia": "Always",
                "probelet.io/last-cause.kubia":
                    "liveness probe failed: HTTP probe failed with statuscode: 500",
            },
        },
        "spec": {
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": true,
            "nodeName": "node1",
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "terminationGracePeriodSeconds": 30,
            "containers": [{
                "name": "kubia",
                "image": "luksa/kubia-unhealthy",
                "imagePullPolicy": "Always",
                "resources": {},
                "livenessProbe": {
                    "httpGet": {"path": "/", "port": 8080, "scheme": "HTTP"},
                    "timeoutSeconds": 1,
                    "periodSeconds": 10,
                    "successThreshold": 1,
                    "failureThreshold": 3,
                },
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }],
        },
        "status": {
            "phase": "Running",
            "observedGeneration": 1,
            "qosClass": "BestEffort",
            "startTime": "2027-01-15T08:00:00Z",
            "conditions": [
                {"type": "Ready", "status": "True", "observedGeneration": 1, "lastTransitionTime": "2027-01-15T08:02:11Z"},
            ],
            "containerStatuses": [{
                "name": "kubia",
                "ready": true,
                "started": true,
                "restartCount": 1,
                "image": "luksa/kubia-unhealthy",
                "imageID": "luksa/kubia-unhealthy@sha256:1",
                "containerID": "containerd://kubia-liveness_kubia_1",
                "resources": {},
                "user": {"linux": {"uid": 1000, "gid": 0, "supplementalGroups": [0, 20]}},
                "state": {"running": {"startedAt": "2027-01-15T08:02:11Z"}},
                "lastState": {"terminated": {
                    "exitCode": 137,
                    "signal": 9,
                    "reason": "Error",
                    "startedAt": "2027-01-15T08:00:01Z",
                    "finishedAt": "2027-01-15T08:02:10Z",
                    "containerID": "containerd://kubia-liveness_kubia_0",
                }},
            }],
        },
    });
    assert_eq!(to_json(&view()), expected);
}

#[test]
fn json_round_trips_through_kubernetes_type() {
    let pod: Pod = serde_json::from_value(to_json(&view())).unwrap();
    assert_eq!(pod, to_v1_pod(&view()));
}

#[test]
fn a_shown_pod_can_be_applied_again() {
    let mut view = view();
    Arc::make_mut(&mut view.spec).containers[0].probes.liveness.as_mut().unwrap().period =
        Duration::from_millis(1500);
    let again = parse_value(to_json(&view), "uid-1".into()).unwrap();
    let key = "probelet.io/kubia.liveness.periodMilliseconds";
    assert_eq!(to_json(&view)["metadata"]["annotations"][key], "1500");
    assert_eq!(again.spec, *view.spec);
    assert_eq!(
        again.warnings,
        [
            "metadata.creationTimestamp: ignored: made by the server",
            "metadata.generation: ignored: made by the server",
            "metadata.uid: ignored: made by the server",
            "spec.nodeName: ignored: there is no scheduler here",
            "status: ignored: made by the server",
            "metadata.annotations[probelet.io/last-cause.kubia]: ignored: made by the server",
        ]
    );
}

#[test]
fn waiting_terminated_and_deleted_pods_show_it() {
    let mut view = view();
    let container = &mut Arc::make_mut(&mut view.status).containers[0];
    container.state = ContainerState::Waiting {
        reason: WaitingReason::CrashLoopBackOff,
        message: "back-off".into(),
    };
    container.container_id.clear();
    Arc::make_mut(&mut view.status).deletion = Some((at(200), Duration::from_millis(4500)));
    let shown = to_json(&view);
    let status = &shown["status"]["containerStatuses"][0];
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}});
    assert_eq!(status["state"], waiting);
    assert!(status.get("containerID").is_none());
    assert_eq!(shown["metadata"]["deletionTimestamp"], "2027-01-15T08:03:24Z");
    assert_eq!(shown["metadata"]["deletionGracePeriodSeconds"], 5);

    let container = &mut Arc::make_mut(&mut view.status).containers[0];
    container.last_state = None;
    container.state = ContainerState::Terminated(Terminated { cause: Cause::Itself, ..killed() });
    let shown = to_json(&view);
    let status = &shown["status"]["containerStatuses"][0];
    assert_eq!(status["state"]["terminated"]["exitCode"], 137);
    assert_eq!(status["lastState"], json!({}));
    let cause = &shown["metadata"]["annotations"]["probelet.io/last-cause.kubia"];
    assert_eq!(cause, "exited by itself");
}

#[test]
fn a_bundle_shows_its_root_filesystem_as_image() {
    let mut view = view();
    let source = Source::Bundle { oci_spec: "{}".into(), rootfs: "/srv/root".into() };
    Arc::make_mut(&mut view.spec).containers[0].source = source;
    assert_eq!(to_json(&view)["spec"]["containers"][0]["image"], "/srv/root");
}

#[test]
fn a_held_kill_is_an_annotation_but_not_a_setting() {
    let mut view = view();
    Arc::make_mut(&mut view.status).containers[0].kill_held = Some(KillHeld {
        probe: ProbeKind::Liveness,
        since: at(140),
        reason: "10 of 20 probed containers failed within 10s".into(),
    });
    let shown = to_json(&view);
    let reason = &shown["metadata"]["annotations"]["probelet.io/kill-held.kubia"];
    assert_eq!(reason, "10 of 20 probed containers failed within 10s");
    let again = parse_value(shown, "uid-1".into()).unwrap();
    assert_eq!(again.spec.annotations, view.spec.annotations);
}
