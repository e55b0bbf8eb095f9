//! Objects of the Kubernetes API: their defaults, and that they come back.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::pod_view::view;
use super::*;
use probelet_domain::spec::{Change, PodSpec};

fn object(spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "a", "namespace": "default", "uid": "uid-1", "generation": 1},
        "spec": spec,
    });
    set_defaults(&mut object);
    object
}

/// No ConfigMaps and Secrets.
fn none() -> SourceObjects {
    SourceObjects::Copies(Vec::new())
}

fn pod(object: &Value) -> PodSpec {
    submit(object, "uid-1", String::new(), none()).unwrap().pod.into_inner()
}

fn shown(spec: PodSpec) -> Value {
    to_json(&probelet_domain::pod::PodView { spec: Arc::new(spec), ..view() })
}

#[test]
fn the_defaults_are_those_of_an_api_server() {
    let given = json!({
        "hostNetwork": true,
        "volumes": [
            {"name": "a"},
            {"name": "b", "secret": {"secretName": "s"}},
            {"name": "c", "projected": {"sources": [{"downwardAPI": {"items": [
                {"path": "p", "fieldRef": {"fieldPath": "metadata.name"}},
            ]}}]}},
            {"name": "d", "hostPath": {"path": "/x"}},
            {"name": "e", "image": {"reference": "i"}},
        ],
        "containers": [{
            "name": "c", "image": "i:1",
            "ports": [{"containerPort": 80}, {"containerPort": 81, "hostPort": 8081}],
            "env": [{"name": "E", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}],
            "livenessProbe": {"httpGet": {"port": "web"}, "timeoutSeconds": 0},
            "readinessProbe": {"grpc": {"port": 1}, "periodSeconds": 3},
            "lifecycle": {"preStop": {"httpGet": {"port": 80}}},
            "resources": {"limits": {"cpu": "1", "memory": "2Gi"}, "requests": {"cpu": "500m"}},
        }, {"name": "d", "image": "i"}],
    });
    let object = object(given);
    let expected = json!({
        "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "hostNetwork": true,
        "schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 30,
        "securityContext": {}, "enableServiceLinks": true,
        "serviceAccount": "default", "serviceAccountName": "default",
        "volumes": [
            {"name": "a", "emptyDir": {}},
            {"name": "b", "secret": {"secretName": "s", "defaultMode": 420}},
            {"name": "c", "projected": {"defaultMode": 420, "sources": [{"downwardAPI": {"items": [
                {"path": "p", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
            ]}}]}},
            {"name": "d", "hostPath": {"path": "/x", "type": ""}},
            {"name": "e", "image": {"reference": "i", "pullPolicy": "Always"}},
        ],
        "containers": [{
            "name": "c", "image": "i:1", "imagePullPolicy": "IfNotPresent",
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            "ports": [
                {"containerPort": 80, "hostPort": 80, "protocol": "TCP"},
                {"containerPort": 81, "hostPort": 8081, "protocol": "TCP"},
            ],
            "env": [{"name": "E", "valueFrom": {
                "resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"},
            }}],
            "livenessProbe": {
                "httpGet": {"port": "web", "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1,
                "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
            },
            "readinessProbe": {
                "grpc": {"port": 1, "service": ""}, "timeoutSeconds": 1, "periodSeconds": 3,
                "successThreshold": 1, "failureThreshold": 3,
            },
            "lifecycle": {"preStop": {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}}},
            "resources": {
                "limits": {"cpu": "1", "memory": "2Gi"},
                "requests": {"cpu": "500m", "memory": "2Gi"},
            },
        }, {
            "name": "d", "image": "i", "imagePullPolicy": "Always", "resources": {},
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        }],
    });
    assert_eq!(object["spec"], expected);
    let marks = json!({
        "probelet.io/default-pull.d": "Always", "probelet.io/default-volume-pull.e": "Always",
    });
    assert_eq!(object["metadata"]["annotations"], marks);
    let mut again = object.clone();
    set_defaults(&mut again);
    assert_eq!(again, object);
    for mut other in [json!({}), json!(3), json!({"spec": 3}), json!({"spec": {"containers": 3}})] {
        let before = other.clone();
        set_defaults(&mut other);
        assert_eq!(other, before);
    }
}

/// The defaults ask for nothing that the manifest alone would not have.
#[test]
fn defaults_change_no_pod() {
    for text in defaults::all() {
        let values = documents(&text).unwrap();
        for (index, plain) in batch(values.clone(), || "uid-1".to_owned()).pods {
            let Some("Pod") = values[index]["kind"].as_str() else { continue };
            let mut object = values[index].clone();
            set_defaults(&mut object);
            let sources = live_sources(&plain);
            let read =
                submit(&object, "uid-1", String::new(), SourceObjects::Copies(sources)).unwrap();
            let mut made = read.pod.into_inner();
            made.submitted = None;
            made.service_account.clone_from(&plain.service_account);
            let Change::None = plain.change_to(&made) else {
                panic!("{text}:\n{plain:#?}\n{made:#?}")
            };
        }
    }
}

#[test]
fn an_object_comes_back_with_what_has_no_effect() {
    let mut given = object(json!({
        "nodeSelector": {"disk": "ssd"}, "nodeName": "elsewhere",
        "containers": [{"name": "kubia", "image": "i"}],
    }));
    given["metadata"]["labels"] = json!({"a": "b"});
    given["metadata"]["ownerReferences"] = json!([{"uid": "o", "kind": "Job", "name": "j"}]);
    given["metadata"]["annotations"] = json!({
        "note": "x", "probelet.io/kubia.logMaxFiles": "3", "probelet.io/last-cause.kubia": "old",
        "probelet.io/default-pull.kubia": "Always",
    });
    let read = submit(&given, "uid-1", "{}".into(), none()).unwrap();
    assert_eq!(read.warnings, ["spec.nodeSelector: ignored: there is no scheduler here"]);
    let spec = read.pod.into_inner();
    assert_eq!(spec.annotations, [("note".to_owned(), "x".to_owned())].into());
    assert_eq!(spec.containers[0].pull_policy, None);
    let pod = shown(spec);
    let mut expected = given["spec"].clone();
    expected["nodeName"] = json!("node1");
    assert_eq!(pod["spec"], expected);
    let metadata = &pod["metadata"];
    assert_eq!(metadata["labels"], json!({"a": "b"}));
    assert_eq!(metadata["ownerReferences"], given["metadata"]["ownerReferences"]);
    assert_eq!(
        metadata["annotations"],
        json!({
            "note": "x", "probelet.io/kubia.logMaxFiles": "3",
            "probelet.io/default-pull.kubia": "Always",
            "probelet.io/last-cause.kubia": "liveness probe failed: HTTP probe failed with statuscode: 500",
        })
    );
    assert!(pod["status"]["containerStatuses"].is_array());
    // What is shown and written again is the same pod.
    assert_eq!(
        self::pod(&pod).submitted.unwrap().object,
        self::pod(&given).submitted.unwrap().object
    );
}

#[test]
fn a_change_by_another_api_is_in_the_object() {
    let before = pod(&object(json!({
        "nodeSelector": {"disk": "ssd"},
        "containers": [{
            "name": "kubia", "image": "i:1",
            "livenessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 7},
        }],
    })));
    let mut after = PodSpec { submitted: None, ..before.clone() };
    after.containers[0].probes.liveness.as_mut().unwrap().period = Duration::from_secs(3);
    after.labels.insert("a".into(), "b".into());
    let after = shown(followed(&before, after));
    let probe = &after["spec"]["containers"][0]["livenessProbe"];
    assert_eq!((&probe["periodSeconds"], &probe["tcpSocket"]), (&json!(3), &json!({"port": 1})));
    assert_eq!(after["spec"]["nodeSelector"], json!({"disk": "ssd"}));
    assert_eq!(after["metadata"]["labels"], json!({"a": "b"}));
    assert_eq!(after["metadata"]["generation"], 2);
    let mut bare = PodSpec { submitted: None, ..before.clone() };
    bare.containers[0].probes.liveness = None;
    let bare = shown(followed(&before, bare));
    assert!(bare["spec"]["containers"][0].get("livenessProbe").is_none(), "{bare}");
    // A pod without an object stays without one.
    let plain = PodSpec { submitted: None, ..before };
    assert_eq!(followed(&plain, plain.clone()), plain);
}

#[test]
fn an_object_has_a_limit_and_its_errors_have_paths() {
    let mut large = object(json!({"containers": [{"name": "c", "image": "i"}]}));
    large["metadata"]["annotations"] = json!({"a": "x".repeat(70_000)});
    let errors = submit(&large, "u", String::new(), none()).unwrap_err();
    assert!(errors.to_string().contains("Too long"), "{errors}");
    let wrong = object(json!({"containers": [{"name": "C"}], "runtimeClassName": "x"}));
    let errors = submit(&wrong, "u", String::new(), none()).unwrap_err().0;
    let fields: Vec<_> = errors.iter().map(|error| &*error.field).collect();
    let expected = ["spec.runtimeClassName", "spec.containers[0].name", "spec.containers[0].image"];
    assert_eq!(fields, expected);
}
