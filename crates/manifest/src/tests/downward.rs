//! Fields of the pod and the node in environment variables and files.

use super::*;

pub const POD: &str = r#"apiVersion: v1
kind: Pod
metadata: {name: told}
spec:
  serviceAccountName: robot
  initContainers: [{name: first, image: i, resources: {limits: {cpu: 500m}}}]
  containers:
  - name: app
    image: i
    env:
    - {name: A, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
    - {name: B, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}
    - {name: C, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}
    - {name: D, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
    - {name: E, valueFrom: {resourceFieldRef: {resource: limits.cpu, containerName: first}}}
    - {name: F, valueFrom: {resourceFieldRef: {resource: requests.hugepages-2Mi, divisor: "0"}}}
  volumes:
  - name: about
    downwardAPI:
      items:
      - {path: memory, mode: 256, resourceFieldRef: {containerName: app, resource: limits.memory, divisor: 1Mi}}
  - name: all
    projected:
      sources:
      - downwardAPI: {items: [{path: cpu, resourceFieldRef: {containerName: app, resource: requests.cpu}}]}
"#;

#[test]
fn it_is_exported_as_it_was_applied() {
    let first = batch(documents(POD).unwrap(), || "u".to_owned());
    assert_eq!(first.errors, []);
    let exported = export(&first.pods[0].1).unwrap().objects;
    let again = batch(exported, || "u".to_owned());
    assert_eq!(again.errors, []);
    assert_eq!(*again.pods[0].1, *first.pods[0].1);
}

#[test]
fn a_file_holds_a_field_or_a_resource() {
    let both = POD.replace("mode: 256,", "fieldRef: {fieldPath: metadata.name},");
    let batch = batch(documents(&both).unwrap(), || "u".to_owned());
    let errors: Vec<_> = batch.errors.iter().map(|(_, error)| error.to_string()).collect();
    let why = "spec.volumes[0].downwardAPI.items[0]: Forbidden: fieldRef and resourceFieldRef can \
               not be specified simultaneously";
    assert_eq!(errors, [why]);
}
