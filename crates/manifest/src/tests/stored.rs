//! Pods that refer to objects of the Kubernetes API.

use serde_json::{Value, json};

use crate::batch::batch_of_stored;
use crate::references;
use probelet_domain::spec::{ObjectKind, Part, PodSpec, VolumeSource};

fn pod(spec: Value) -> Value {
    let mut container = json!({"name": "app", "image": "i"});
    container.as_object_mut().unwrap().extend(spec["container"].as_object().unwrap().clone());
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "containers": [{"name": "first", "image": "i"}, container],
            "volumes": spec["volumes"],
            "imagePullSecrets": spec["imagePullSecrets"],
        },
    })
}

fn map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data,
           "metadata": {"name": "settings", "namespace": "shop"}})
}

fn read(values: &[Value]) -> PodSpec {
    let mut batch = batch_of_stored(values, || "u".to_owned());
    assert!(batch.errors.is_empty(), "{:?}", batch.errors);
    batch.pods.remove(0).1.into_inner()
}

fn missing(spec: &PodSpec, container: &str) -> Option<String> {
    spec.missing_reference(container)
}

#[test]
fn a_variable_waits_for_its_object_and_its_key() {
    let key = json!({"name": "settings", "key": "color"});
    let env = |key: &Value| {
        json!({"container": {
            "env": [{"name": "COLOR", "valueFrom": {"configMapKeyRef": key}}],
        }})
    };
    let spec = read(&[pod(env(&key))]);
    assert_eq!(missing(&spec, "first"), None);
    assert_eq!(missing(&spec, "app").as_deref(), Some("configmap \"settings\" not found"));
    let spec = read(&[pod(env(&key)), map(json!({"size": "1"}))]);
    let text = "couldn't find key color in ConfigMap shop/settings";
    assert_eq!(missing(&spec, "app").as_deref(), Some(text));
    let spec = read(&[pod(env(&key)), map(json!({"color": "red"}))]);
    assert_eq!(missing(&spec, "app"), None);
    let var = &spec.containers[1].env[0];
    assert_eq!((var.name.as_str(), var.value.as_str(), var.is_stored), ("COLOR", "red", true));
    let mut optional = key;
    optional["optional"] = json!(true);
    let spec = read(&[pod(env(&optional))]);
    assert_eq!((missing(&spec, "app"), spec.containers[1].env.len()), (None, 0));
}

#[test]
fn all_variables_of_an_object_come_with_it() {
    let from = json!({"container": {"envFrom": [
        {"secretRef": {"name": "db"}}, {"configMapRef": {"name": "settings"}, "prefix": "X_"},
    ]}});
    let spec = read(&[pod(from.clone()), map(json!({"color": "red"}))]);
    assert_eq!(missing(&spec, "app").as_deref(), Some("secret \"db\" not found"));
    assert_eq!(spec.containers[1].env[0].name, "X_color");
}

#[test]
fn a_volume_keeps_all_containers_waiting() {
    let volumes = json!({"container": {}, "volumes": [
        {"name": "conf", "configMap": {"name": "settings", "items": [{"key": "a", "path": "b"}]}},
    ]});
    let text = |why: &str| Some(format!("MountVolume.SetUp failed for volume \"conf\" : {why}"));
    let spec = read(&[pod(volumes.clone())]);
    for container in ["first", "app"] {
        assert_eq!(missing(&spec, container), text("configmap \"settings\" not found"));
    }
    let spec = read(&[pod(volumes.clone()), map(json!({"x": "1"}))]);
    assert_eq!(missing(&spec, "app"), text("references non-existent config key: a"));
    let spec = read(&[pod(volumes), map(json!({"a": "1"}))]);
    assert_eq!(missing(&spec, "app"), None);
    let VolumeSource::Files(files) = &spec.volumes[0].source else { panic!() };
    let Part::Object { data, .. } = &files.parts[0] else { panic!() };
    assert_eq!(data["a"].0, b"1");
}

#[test]
fn a_wrong_pull_secret_is_no_error_of_the_pod() {
    let spec = json!({"container": {}, "imagePullSecrets": [{"name": "reg"}, {"name": "absent"}]});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "data": {"x": "eA=="},
                        "metadata": {"name": "reg", "namespace": "shop"}});
    let spec = read(&[pod(spec), secret]);
    assert!(spec.pull_secrets.iter().all(|secret| secret.keyring.is_none()));
    assert_eq!(spec.pull_secrets.len(), 2);
}

#[test]
fn references_are_found_wherever_a_pod_has_them() {
    let spec = json!({"spec": {
        "imagePullSecrets": [{"name": "pull"}],
        "initContainers": [{"envFrom": [{"secretRef": {"name": "from"}}]}],
        "containers": [{"env": [
            {"valueFrom": {"configMapKeyRef": {"name": "key", "key": "secret"}}},
            {"valueFrom": {"secretKeyRef": {"name": "key", "key": "a"}}},
        ], "envFrom": [{"configMapRef": {"name": "from"}}]}],
        "volumes": [
            {"name": "a", "secret": {"secretName": "volume"}},
            {"name": "b", "configMap": {"name": "volume"}},
            {"name": "c", "projected": {"sources": [
                {"secret": {"name": "part"}}, {"configMap": {"name": "part"}},
            ]}},
        ],
    }});
    let found = references(&spec);
    let of = |kind| -> Vec<&str> {
        found.iter().filter(|it| it.0 == kind).map(|it| it.1.as_str()).collect()
    };
    assert_eq!(of(ObjectKind::ConfigMap), ["from", "key", "part", "volume"]);
    assert_eq!(of(ObjectKind::Secret), ["from", "key", "part", "pull", "volume"]);
}
