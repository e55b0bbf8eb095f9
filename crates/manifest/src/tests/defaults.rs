//! A shown pod has the defaults of an API server, and it reads as the same pod.

use std::sync::Arc;

use serde_json::json;

use super::openapi::REST;
use super::pod_view::view;
use super::*;
use probelet_domain::spec::{Change, PodSpec};

fn shown(spec: &PodSpec) -> Value {
    let mut view = view();
    view.spec = Arc::new(spec.clone());
    to_json(&view)
}

fn pods(text: &str) -> Vec<PodSpec> {
    let Batch { pods, errors, .. } = batch(documents(text).unwrap(), || "u".to_owned());
    assert_eq!(errors, []);
    pods.into_iter().map(|(_, pod)| pod.into_inner()).collect()
}

/// All manifests of the tests and examples, and pods of images with and without a policy.
pub fn all() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    let files = files.map(|path| std::fs::read_to_string(path).unwrap());
    let texts = [STORY, REST, process::ALL, downward::POD, PULLED].map(str::to_owned);
    files.chain(texts).collect()
}

const PULLED: &str = "
apiVersion: v1
kind: Pod
metadata: {name: pulled}
spec:
  initContainers:
  - {name: a, image: 'i:latest'}
  containers:
  - {name: b, image: 'i:1'}
  - {name: c, image: i, imagePullPolicy: Always}
  - {name: d, image: 'i@sha256:0000000000000000000000000000000000000000000000000000000000000000'}
  - {name: e, image: i, imagePullPolicy: IfNotPresent}
  - {name: f, image: 'i:1', imagePullPolicy: IfNotPresent}
  - {name: g, image: 'i:1', imagePullPolicy: Never}
  volumes:
  - {name: a, image: {reference: v}}
  - {name: b, image: {reference: 'v:1'}}
  - {name: c, image: {reference: v, pullPolicy: Always}}
";

#[test]
fn a_pod_that_is_shown_and_applied_again_is_unchanged() {
    for text in all() {
        for pod in pods(&text) {
            let object = shown(&pod);
            // The shown pod does not have the values of ConfigMaps and Secrets.
            let is_data = |object: &Value| {
                ["ConfigMap", "Secret"].map(Some).contains(&object["kind"].as_str())
            };
            let data = documents(&text).unwrap().into_iter().filter(is_data);
            let again = batch(data.chain([object.clone()]), || pod.uid.clone());
            assert_eq!(again.errors, [], "{object:#}");
            assert_eq!(pod.change_to(&again.pods[0].1), Change::None, "{object:#}");
            // The defaults ask for nothing, so none of them has a warning.
            let was = batch(documents(&text).unwrap(), || "u".to_owned()).warnings;
            let is_new = |text: &String| {
                let made = text.contains("made by the server");
                // The newer name of the account has the warning already.
                let copied = ["spec.nodeName", "spec.serviceAccount:"];
                let made = made || copied.iter().any(|field| text.starts_with(field));
                !made && !was.iter().any(|(_, old)| old == text)
            };
            let warnings: Vec<_> = again.warnings.into_iter().map(|(_, text)| text).collect();
            let warnings: Vec<_> = warnings.into_iter().filter(is_new).collect();
            assert_eq!(warnings, [""; 0], "{object:#}");
        }
    }
}

#[test]
fn a_default_that_is_written_out_has_no_warning() {
    let warned = |field: &str, value: &str| {
        let text = format!("{STORY}  {field}: {value}\n");
        read(&text).unwrap().warnings.iter().any(|text| text.starts_with(&format!("spec.{field}:")))
    };
    for (field, default, other) in [
        ("schedulerName", "default-scheduler", "other"),
        ("enableServiceLinks", "true", "false"),
        ("priority", "0", "7"),
        ("preemptionPolicy", "PreemptLowerPriority", "Never"),
        ("dnsPolicy", "ClusterFirst", "ClusterFirstWithHostNet"),
    ] {
        assert!(!warned(field, default), "{field}");
        assert!(warned(field, other), "{field}");
    }
}

#[test]
fn pull_policies_are_filled_in_by_the_image() {
    let pod = pods(PULLED).remove(0);
    let object = shown(&pod);
    let policies = |list: &str, at: &str| -> Vec<Value> {
        let items = object["spec"][list].as_array().unwrap().iter();
        items.map(|item| item.pointer(at).cloned().unwrap_or_default()).collect()
    };
    assert_eq!(policies("initContainers", "/imagePullPolicy"), ["Always"]);
    let found = policies("containers", "/imagePullPolicy");
    let expected =
        ["IfNotPresent", "Always", "IfNotPresent", "IfNotPresent", "IfNotPresent", "Never"];
    assert_eq!(found, expected);
    let volumes = policies("volumes", "/image/pullPolicy");
    assert_eq!(volumes, ["Always", "IfNotPresent", "Always"]);
    // A policy that is filled in has an annotation, because the default has other effects here than
    // `Always`.
    let made: Vec<_> = object["metadata"]["annotations"].as_object().unwrap().keys().collect();
    let default = made.into_iter().filter(|key| key.contains("default-"));
    let keys = ["probelet.io/default-pull.a", "probelet.io/default-volume-pull.a"];
    assert_eq!(default.collect::<Vec<_>>(), keys);
    // An edited policy has an effect.
    let mut edited = object.clone();
    edited["spec"]["initContainers"][0]["imagePullPolicy"] = json!("Never");
    let Batch { pods, warnings, .. } = batch(vec![edited], || "u".to_owned());
    let policy = pods[0].1.init_containers[0].pull_policy;
    assert_eq!(policy, Some(probelet_domain::image::PullPolicy::Never));
    let stale = "metadata.annotations[probelet.io/default-pull.a]: ignored";
    assert!(warnings.iter().any(|(_, text)| text.starts_with(stale)), "{warnings:?}");
}

#[test]
fn an_exported_pod_has_no_defaults() {
    let spec = pods(PULLED).remove(0);
    let object = export(&spec).unwrap().objects.pop().unwrap();
    for field in ["dnsPolicy", "enableServiceLinks", "schedulerName", "securityContext", "nodeName"]
    {
        assert!(object["spec"].get(field).is_none(), "{field}");
        assert!(shown(&spec)["spec"].get(field).is_some(), "{field}");
    }
    assert!(object["metadata"].get("annotations").is_none(), "{object:#}");
    assert!(object["spec"]["containers"][0].get("imagePullPolicy").is_none(), "{object:#}");
}

#[test]
fn a_container_has_what_its_spec_asks_for() {
    let text = "
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  serviceAccountName: robot
  containers:
  - name: kubia
    image: i:1
    resources: {limits: {cpu: 100m, memory: 64Mi}, requests: {memory: 32Mi}}
    env:
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    - {name: MILLIS, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
    volumeMounts:
    - {name: d, mountPath: /a}
    - {name: d, mountPath: /b, readOnly: true}
    - {name: d, mountPath: /c, readOnly: true, recursiveReadOnly: IfPossible}
  volumes:
  - {name: d, emptyDir: {}}
  - name: f
    downwardAPI:
      items: [{path: a, resourceFieldRef: {containerName: kubia, resource: limits.memory}}]
  - name: p
    projected:
      sources:
      - downwardAPI:
          items: [{path: a, resourceFieldRef: {containerName: kubia, resource: limits.memory}}]
";
    let spec = pods(text).remove(0);
    let object = shown(&spec);
    let status = &object["status"]["containerStatuses"][0];
    let requests = json!({ "cpu": "100m", "memory": "32Mi" });
    let limits = json!({ "cpu": "100m", "memory": "64Mi" });
    assert_eq!(status["resources"], json!({ "limits": limits, "requests": requests }));
    assert_eq!(status["allocatedResources"], requests);
    let mounts = json!([
        { "name": "d", "mountPath": "/a" },
        { "name": "d", "mountPath": "/b", "readOnly": true, "recursiveReadOnly": "Disabled" },
        { "name": "d", "mountPath": "/c", "readOnly": true, "recursiveReadOnly": "Enabled" },
    ]);
    assert_eq!(status["volumeMounts"], mounts);
    assert_eq!(object["spec"]["serviceAccount"], "robot");
    let divisors: Vec<_> = [
        "/containers/0/env/0/valueFrom",
        "/containers/0/env/1/valueFrom",
        "/volumes/1/downwardAPI/items/0",
        "/volumes/2/projected/sources/0/downwardAPI/items/0",
    ]
    .map(|at| object["spec"].pointer(&format!("{at}/resourceFieldRef/divisor")).unwrap().clone())
    .into();
    assert_eq!(divisors, ["0", "1m", "0", "0"]);
    // Nothing is allocated before the first instance.
    let mut view = view();
    view.spec = Arc::new(spec);
    Arc::make_mut(&mut view.status).containers[0].container_id = String::new();
    let status = to_json(&view)["status"]["containerStatuses"][0].clone();
    assert!(status.get("resources").is_none() && status.get("allocatedResources").is_none());
    assert_eq!(status["volumeMounts"], mounts);
}
