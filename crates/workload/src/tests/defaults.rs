//! Objects as kubectl 1.36 makes them, with Kubernetes' defaults.

use super::*;

fn kubectl(kind: Kind) -> Value {
    let lines = include_str!("kubectl.jsonl").lines();
    let mut objects = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut object = objects.find(|it| Kind::of(it) == Some(kind)).unwrap();
    object["metadata"]["uid"] = json!("u-1");
    default(kind, &mut object, |_| ());
    object
}

#[test]
fn a_deployment_has_defaults() {
    let object = kubectl(Kind::Deployment);
    assert_eq!(
        object["spec"]["strategy"],
        json!({
            "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" }
        })
    );
    let field = |name: &str| object["spec"][name].clone();
    let found = ["replicas", "revisionHistoryLimit", "progressDeadlineSeconds"].map(field);
    assert_eq!(found, [json!(1), json!(10), json!(600)]);
    let recreate = stored(
        Kind::Deployment,
        json!({
            "strategy": { "type": "Recreate" }, "replicas": 0,
            "template": { "spec": { "containers": [] } },
        }),
    );
    assert_eq!(recreate["spec"]["strategy"], json!({ "type": "Recreate" }));
    assert_eq!(recreate["spec"]["replicas"], json!(0));
    assert_eq!(recreate["status"], json!({}));
}

#[test]
fn a_job_selects_its_pods_by_its_uid() {
    let object = kubectl(Kind::Job);
    let labels = json!({
        "batch.kubernetes.io/controller-uid": "u-1", "batch.kubernetes.io/job-name": "once",
        "controller-uid": "u-1", "job-name": "once",
    });
    assert_eq!(object["spec"]["template"]["metadata"]["labels"], labels);
    // As a real server shows it, since it reads its own stored object with defaults again.
    assert_eq!(object["metadata"]["labels"], labels);
    let selector = json!({ "matchLabels": { "batch.kubernetes.io/controller-uid": "u-1" } });
    assert_eq!(object["spec"]["selector"], selector);
    let mut spec = object["spec"].clone();
    spec.as_object_mut().unwrap().retain(|key, _| key != "selector" && key != "template");
    assert_eq!(
        spec,
        json!({
            "backoffLimit": 6, "completionMode": "NonIndexed", "completions": 1,
            "manualSelector": false, "parallelism": 1, "podReplacementPolicy": "TerminatingOrFailed",
            "suspend": false,
        })
    );
    assert_eq!(errors(Kind::Job, &object, Some(&object)), [""; 0]);
    // A second pass changes nothing, also for a CronJob, whose Jobs have no selector yet.
    for kind in [Kind::Job, Kind::CronJob, Kind::Deployment] {
        let once = kubectl(kind);
        let mut twice = once.clone();
        default(kind, &mut twice, |_| ());
        assert_eq!(once, twice);
    }
    assert_eq!(kubectl(Kind::CronJob)["spec"]["jobTemplate"]["spec"].get("selector"), None);
    let queue = object_of_queue();
    assert_eq!(queue["spec"].get("completions"), None);
}

fn object_of_queue() -> Value {
    object(Kind::Job, json!({ "parallelism": 0 }))
}

#[test]
fn kubectls_objects_are_valid() {
    for kind in [Kind::Job, Kind::CronJob] {
        assert_eq!(errors(kind, &kubectl(kind), None), [""; 0]);
    }
    // The template's own defaults are the caller's.
    let policy = "spec.template.spec.restartPolicy: Unsupported value: \"\": supported values: \
                  \"Always\"";
    assert_eq!(errors(Kind::Deployment, &kubectl(Kind::Deployment), None), [policy]);
}
