//! Validation, as tables of changes and errors.

use super::*;

fn changed(kind: Kind, more: Value) -> Vec<String> {
    errors(kind, &object(kind, more), None)
}

#[test]
fn valid_objects_have_no_errors() {
    for kind in Kind::ALL {
        let object = object(kind, json!({}));
        assert_eq!(errors(kind, &object, None), [""; 0], "{kind:?}");
        assert_eq!(errors(kind, &object, Some(&object)), [""; 0], "{kind:?}");
    }
}

#[test]
fn errors_have_kubernetes_texts() {
    use Kind::{CronJob, DaemonSet, Deployment, Job, StatefulSet};
    let negative = "must be greater than or equal to 0";
    let one = "must be 0 or 1: one host runs one pod of a workload";
    let table: &[(Kind, Value, &str)] = &[
        (
            Deployment,
            json!({"replicas": -1}),
            &format!("spec.replicas: Invalid value: -1: {negative}"),
        ),
        (Deployment, json!({"replicas": 3}), &format!("spec.replicas: Invalid value: 3: {one}")),
        (StatefulSet, json!({"replicas": 3}), &format!("spec.replicas: Invalid value: 3: {one}")),
        (Deployment, json!({"selector": null}), "spec.selector: Required value"),
        (
            Deployment,
            json!({"selector": {}}),
            "spec.selector: Invalid value: {}: empty selector is invalid for deployment",
        ),
        (
            DaemonSet,
            json!({"selector": {}}),
            "spec.selector: Invalid value: {}: empty selector is invalid for daemonset",
        ),
        (
            Deployment,
            json!({"selector": {"matchLabels": {"app": "x"}}}),
            "spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not \
             match template `labels`",
        ),
        (
            Deployment,
            json!({"selector": {"matchExpressions": [{"key": "app", "operator": "In"}]}}),
            "spec.selector.matchExpressions[0].values: Required value: must be specified when \
             `operator` is 'In' or 'NotIn'",
        ),
        (
            Deployment,
            json!({"selector": {"matchExpressions": [{"key": "app", "operator": "Is"}]}}),
            "spec.selector.matchExpressions[0].operator: Invalid value: \"Is\": not a valid \
             selector operator",
        ),
        (
            Deployment,
            json!({"progressDeadlineSeconds": 5, "minReadySeconds": 5}),
            "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds",
        ),
        (
            Deployment,
            json!({"strategy": {"type": "Roll"}}),
            "spec.strategy.type: Unsupported value: \"Roll\": supported values: \"Recreate\", \
             \"RollingUpdate\"",
        ),
        (
            Deployment,
            json!({"strategy": {"type": "Recreate", "rollingUpdate": {}}}),
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is \
             'Recreate'",
        ),
        (
            Deployment,
            json!({"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}}}),
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when \
             `maxSurge` is 0",
        ),
        (
            Deployment,
            json!({"strategy": {"rollingUpdate": {"maxSurge": "x%"}}}),
            "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"x%\": must be an integer or \
             percentage (e.g '5%')",
        ),
        (
            StatefulSet,
            json!({"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}),
            "spec.volumeClaimTemplates: Forbidden: not supported: there are no volume claims here; \
             use a hostPath volume",
        ),
        (
            StatefulSet,
            json!({"updateStrategy": {"rollingUpdate": {"partition": 1}}}),
            "spec.updateStrategy.rollingUpdate.partition: Invalid value: 1: must be 0: no earlier \
             template is kept, and one host runs one pod",
        ),
        (
            StatefulSet,
            json!({"podManagementPolicy": "x"}),
            "spec.podManagementPolicy: Invalid value: \"x\": must be 'OrderedReady' or 'Parallel'",
        ),
        (
            Job,
            json!({"completions": -1}),
            &format!("spec.completions: Invalid value: -1: {negative}"),
        ),
        (
            Job,
            json!({"parallelism": 4}),
            "spec.parallelism: Invalid value: 4: must be 0 or 1 without completions: one host runs \
             one pod of a Job at a time",
        ),
        (
            Job,
            json!({"completionMode": "Indexed"}),
            "spec.completionMode: Forbidden: Indexed is not supported: one host runs the pods of a \
             Job one after the other",
        ),
        (
            Job,
            json!({"podFailurePolicy": {"rules": []}}),
            "spec.podFailurePolicy: Forbidden: not supported: one host runs the pods of a Job one \
             after the other",
        ),
        (
            CronJob,
            json!({"schedule": "* * * *"}),
            "spec.schedule: Invalid value: \"* * * *\": expected exactly 5 fields, found 4: [* * * \
             *]",
        ),
        (CronJob, json!({"schedule": ""}), "spec.schedule: Required value"),
        (
            CronJob,
            json!({"schedule": "TZ=UTC * * * * *"}),
            "spec.schedule: Invalid value: \"TZ=UTC * * * * *\": cannot use TZ or CRON_TZ in \
             schedule, use timeZone field instead",
        ),
        (
            CronJob,
            json!({"timeZone": "Mars/Olympus"}),
            "spec.timeZone: Invalid value: \"Mars/Olympus\": unknown time zone Mars/Olympus",
        ),
        (
            CronJob,
            json!({"concurrencyPolicy": "x"}),
            "spec.concurrencyPolicy: Unsupported value: \"x\": supported values: \"Allow\", \
             \"Forbid\", \"Replace\"",
        ),
        (
            CronJob,
            json!({"startingDeadlineSeconds": -1}),
            &format!("spec.startingDeadlineSeconds: Invalid value: -1: {negative}"),
        ),
    ];
    for (kind, more, expected) in table {
        assert_eq!(changed(*kind, more.clone()), [*expected], "{kind:?} {more}");
    }
    assert_eq!(changed(Job, json!({"parallelism": 4, "completions": 8})), [""; 0]);
    assert_eq!(changed(Deployment, json!({"replicas": 0})), [""; 0]);
    let absent = json!([{ "key": "tier", "operator": "NotIn", "values": ["db"] }]);
    assert_eq!(changed(Deployment, json!({"selector": {"matchExpressions": absent}})), [""; 0]);
}

#[test]
fn restart_policies_depend_on_the_kind() {
    let with = |kind: Kind, policy: &str| {
        let mut object = object(kind, json!({}));
        *object.pointer_mut(kind.template()).unwrap().pointer_mut("/spec/restartPolicy").unwrap() =
            json!(policy);
        errors(kind, &object, None)
    };
    for kind in [Kind::Job, Kind::CronJob] {
        assert_eq!(with(kind, "OnFailure"), [""; 0]);
        let found = with(kind, "Always");
        assert!(found[0].ends_with(
            "template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""
        ), "{found:?}");
    }
    for kind in [Kind::Deployment, Kind::DaemonSet, Kind::StatefulSet] {
        assert_eq!(
            with(kind, "Never"),
            ["spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \
             \"Always\""]
        );
    }
}

#[test]
fn what_an_update_must_not_change() {
    let change = |kind: Kind, more: Value| {
        let old = object(kind, json!({}));
        errors(kind, &object(kind, more), Some(&old))
    };
    let template = json!({
        "metadata": { "labels": { "app": "web", "tier": "x" } },
        "spec": { "containers": [{ "name": "app", "image": "other" }] },
    });
    let selector = json!({ "matchLabels": { "tier": "x" } });
    for kind in [Kind::Deployment, Kind::DaemonSet] {
        assert_eq!(change(kind, json!({ "template": template })), [""; 0]);
        assert_eq!(
            change(kind, json!({ "template": template, "selector": selector })),
            [
                "spec.selector: Invalid value: {\"matchLabels\":{\"tier\":\"x\"}}: field is immutable"
            ]
        );
    }
    assert_eq!(change(Kind::StatefulSet, json!({ "template": template, "replicas": 0 })), [""; 0]);
    let found = change(Kind::StatefulSet, json!({ "serviceName": "other" }));
    assert!(found[0].starts_with("spec: Forbidden: updates to statefulset spec"), "{found:?}");
    let found = change(Kind::Job, json!({ "completions": 2 }));
    assert_eq!(found, ["spec.completions: Invalid value: 2: field is immutable"]);
    assert_eq!(change(Kind::Job, json!({ "suspend": true, "backoffLimit": 1 })), [""; 0]);
    let mut other = object(Kind::Job, json!({}));
    other["spec"]["template"]["metadata"]["labels"]["job-name"] = json!("x");
    let found = errors(Kind::Job, &other, None);
    assert_eq!(
        found,
        ["spec.template.metadata.labels[job-name]: Invalid value: \"x\": must be 'web'"]
    );
}

#[test]
fn a_name_has_room_for_what_is_added() {
    let named = |kind: Kind, length: usize| {
        let mut object = object(kind, json!({}));
        object["metadata"]["name"] = json!("n".repeat(length));
        errors(kind, &object, None).iter().filter(|text| text.starts_with("metadata.name")).count()
    };
    assert_eq!((named(Kind::CronJob, 52), named(Kind::CronJob, 53)), (0, 1));
    assert_eq!((named(Kind::Job, 63), named(Kind::Job, 64)), (0, 1));
}

#[test]
fn a_scale_is_read_and_written() {
    let mut object = object(
        Kind::Deployment,
        json!({
            "selector": {
                "matchLabels": { "app": "web" },
                "matchExpressions": [
                    { "key": "tier", "operator": "NotIn", "values": ["b", "a"] },
                    { "key": "debug", "operator": "DoesNotExist" },
                ],
            },
        }),
    );
    object["status"] = json!({ "replicas": 1 });
    let found = scale(Kind::Deployment, &object).unwrap();
    assert_eq!(
        found["status"],
        json!({
            "replicas": 1, "selector": "app=web,!debug,tier notin (a,b)"
        })
    );
    assert_eq!(found["spec"], json!({ "replicas": 1 }));
    assert_eq!(found["metadata"]["uid"], json!("u-1"));
    assert_eq!(scale(Kind::DaemonSet, &object), None);
    let mut wanted = found.clone();
    wanted["spec"]["replicas"] = json!(0);
    assert_eq!(scaled(&object, &wanted).unwrap()["spec"]["replicas"], json!(0));
    wanted["spec"]["replicas"] = json!(2);
    let errors = scaled(&object, &wanted).unwrap_err();
    assert!(errors[0].to_string().starts_with("spec.replicas: Invalid value: 2: "));
    wanted["spec"]["replicas"] = json!(1);
    wanted["metadata"]["name"] = json!("other");
    assert_eq!(scaled(&object, &wanted).unwrap_err().len(), 1);
}
