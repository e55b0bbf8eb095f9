use k8s_openapi::api::core::v1 as k8s;

use super::*;
use probelet_domain::spec::{PodSpec, Source, sample};

/// Exports a pod. Kubernetes' types must have each field of the objects.
fn round_trip(spec: &PodSpec) -> Export {
    let exported = export(spec).unwrap();
    for object in &exported.objects {
        match object["kind"].as_str() {
            Some("Pod") => drop(strict::typed::<k8s::Pod>(object, "v1").unwrap()),
            Some("ConfigMap") => drop(strict::typed::<k8s::ConfigMap>(object, "v1").unwrap()),
            other => unreachable!("{other:?}"),
        }
        for key in object["metadata"]["annotations"].as_object().into_iter().flatten() {
            let name = key.0.rsplit('/').next().unwrap();
            assert!(name.len() <= 63, "Kubernetes refuses the annotation {name}");
        }
    }
    exported
}

#[test]
fn every_example_is_exported_as_it_was_applied() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let Batch { pods, .. } = batch(documents(&text).unwrap(), || "u".to_owned());
        for (_, pod) in pods {
            let exported = round_trip(&pod);
            let again = batch(exported.objects, || "u".to_owned());
            assert_eq!(again.errors, [], "{}", path.display());
            assert_eq!(*again.pods[0].1, *pod, "{}", path.display());
        }
    }
}

#[test]
fn config_maps_are_exported_and_secrets_are_only_named() {
    let text = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LEVEL: high}
---
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: hunter2}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: app
    image: i
    envFrom: [{configMapRef: {name: settings}, prefix: C_}, {secretRef: {name: db}}]
";
    let Batch { pods, .. } = batch(documents(text).unwrap(), || "u".to_owned());
    let exported = round_trip(&pods[0].1);
    assert_eq!(exported.objects[0]["data"], serde_json::json!({"LEVEL": "high"}));
    let note = "needs the secret \"db\" with the keys password, which is not exported";
    assert_eq!(exported.notes, [note]);
    let shown = format!("{exported:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_pod_from_an_oci_spec_cannot_be_exported() {
    let mut pod = sample::pod();
    pod.containers[0].source = Source::Bundle { oci_spec: "{}".into(), rootfs: "/r".into() };
    let why = "container \"app\" was made from an OCI spec, not from a manifest";
    assert_eq!(export(&pod).unwrap_err(), why);
}
