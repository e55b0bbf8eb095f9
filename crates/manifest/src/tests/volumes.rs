use super::*;
use probelet_domain::spec::{Content, Part, VolumeSource};

const OBJECTS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data: {a: '1', b: '2'}
binaryData: {raw: /wA=}
---
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: hunter2}
---
";

fn with(volumes: &str, mounts: &str) -> Batch {
    let pod =
        format!("{}  volumes: {volumes}\n", with_container(&format!("volumeMounts: {mounts}")));
    batch(documents(&format!("{OBJECTS}{pod}")).unwrap(), || "u".to_owned())
}

fn errors(volumes: &str, mounts: &str) -> Vec<String> {
    with(volumes, mounts).errors.iter().map(|(_, error)| error.to_string()).collect()
}

#[test]
fn every_error_is_that_of_kubernetes() {
    let mode = "must be a number between 0 and 0777 (octal), both inclusive";
    let volumes: &[(&str, &[&str])] = &[
        ("[{name: A_B}]", &["@.name: Invalid value: \"A_B\": a lowercase"]),
        ("[{name: a}, {name: a}]", &["spec.volumes[1].name: Duplicate value: \"a\""]),
        (
            "[{name: a, emptyDir: {}, hostPath: {path: /x}}]",
            &["@: Forbidden: may not specify more than one volume type"],
        ),
        (
            "[{name: a, emptyDir: {medium: Disk, sizeLimit: x}}]",
            &[
                "@.emptyDir.medium: Unsupported value: \"Disk\"",
                "@.emptyDir.sizeLimit: Invalid value",
            ],
        ),
        (
            "[{name: a, hostPath: {path: /x/../y}}]",
            &["@.hostPath.path: Invalid value: \"/x/../y\": must not contain '..'"],
        ),
        ("[{name: a, hostPath: {path: ''}}]", &["@.hostPath.path: Required value"]),
        (
            "[{name: a, hostPath: {path: /x, type: Folder}}]",
            &["@.hostPath.type: Unsupported value: \"Folder\": supported values: \"\""],
        ),
        (
            "[{name: a, configMap: {name: none}}]",
            &["@.configMap.name: Not found: \"none\": no such configmap is applied"],
        ),
        ("[{name: a, secret: {secretName: none}}]", &["@.secret.secretName: Not found"]),
        (
            "[{name: a, configMap: {name: config, items: [{key: none, path: x}]}}]",
            &["@.configMap.items[0].key: Not found: \"none\""],
        ),
        (
            "[{name: a, configMap: {name: config, defaultMode: 512}}]",
            &[&format!("@.configMap.defaultMode: Invalid value: 512: {mode}")],
        ),
        (
            "[{name: a, configMap: {name: config, items: [{key: a, path: ../x}, {key: a, path: x}, \
             {key: b, path: x/y}, {key: b, path: ..x}]}}]",
            &[
                "@.configMap.items[0].path: Invalid value: \"../x\": must not contain '..'",
                "@.configMap.items[2].path: Invalid value: \"x/y\": conflicting duplicate paths",
                "@.configMap.items[3].path: Invalid value: \"..x\": must not start with '..'",
            ],
        ),
        (
            "[{name: a, projected: {sources: [{}, {serviceAccountToken: {path: t}}]}}]",
            &[
                "@.projected.sources[0]: Required value",
                "@.projected.sources[1].serviceAccountToken: tokens are issued by the Kubernetes API",
            ],
        ),
        (
            "[{name: a, downwardAPI: {items: [{path: x, fieldRef: {fieldPath: spec.nodeName}}]}}]",
            &["@.downwardAPI.items[0].fieldRef.fieldPath: Unsupported value: \"spec.nodeName\""],
        ),
        (
            "[{name: a, downwardAPI: {items: [{path: x, resourceFieldRef: {resource: limits.cpu}}, \
             {path: y, resourceFieldRef: {resource: limits.cpu, containerName: none}}]}}]",
            &[
                "@.downwardAPI.items[1].resourceFieldRef.containerName: Not found: \"none\"",
                "@.downwardAPI.items[0].resourceFieldRef.containerName: Required value",
            ],
        ),
        ("[{name: a, image: {}}]", &["@.image.reference: Required value"]),
        (
            "[{name: a, image: {reference: m, pullPolicy: Daily}}]",
            &["@.image.pullPolicy: Unsupported value: \"Daily\": supported values: \"Always\""],
        ),
        (
            "[{name: a, image: {reference: m}, emptyDir: {}}]",
            &["@: Forbidden: may not specify more than one volume type"],
        ),
        ("[{name: a, nfs: {server: s, path: /}}]", &["@.nfs: not supported yet"]),
        (
            "[{name: a, persistentVolumeClaim: {claimName: c}}]",
            &["@.persistentVolumeClaim: not supported yet"],
        ),
    ];
    let mounts: &[(&str, &[&str])] = &[
        ("[{name: b, mountPath: /x}]", &["@.name: Not found: \"b\""]),
        ("[{name: a, mountPath: ''}]", &["@.mountPath: Required value"]),
        (
            "[{name: a, mountPath: //}]",
            &["@.mountPath: Invalid value: \"//\": must not be the root"],
        ),
        (
            "[{name: a, mountPath: /x, subPath: /y}]",
            &["@.subPath: Invalid value: \"/y\": must be a relative path"],
        ),
        (
            "[{name: a, mountPath: /x, subPathExpr: ../y}]",
            &["@.subPathExpr: Invalid value: \"../y\": must not contain '..'"],
        ),
        (
            "[{name: a, mountPath: /x, subPath: y, subPathExpr: y}]",
            &[
                "@.subPathExpr: Invalid value: \"y\": subPathExpr and subPath are mutually exclusive",
            ],
        ),
        (
            "[{name: a, mountPath: /x, mountPropagation: Bidirectional}]",
            &["@.mountPropagation: Forbidden: Bidirectional mount propagation is available only"],
        ),
        (
            "[{name: a, mountPath: /x, mountPropagation: Both}]",
            &["@.mountPropagation: Unsupported value: \"Both\""],
        ),
        (
            "[{name: a, mountPath: /x, recursiveReadOnly: Enabled}]",
            &["@.recursiveReadOnly: Forbidden: may only be specified when readOnly is true"],
        ),
        (
            "[{name: a, mountPath: /x}, {name: a, mountPath: /x}]",
            &[
                "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/x\": must be unique",
            ],
        ),
    ];
    let volumes =
        volumes.iter().map(|(text, expected)| (errors(text, "[]"), "spec.volumes[0]", expected));
    let mounts = mounts.iter().map(|(text, expected)| {
        (errors("[{name: a}]", text), "spec.containers[0].volumeMounts[0]", expected)
    });
    for (found, at, expected) in volumes.chain(mounts) {
        assert_eq!(found.len(), expected.len(), "{found:#?} {expected:?}");
        for (found, expected) in found.iter().zip(*expected) {
            assert!(found.starts_with(&expected.replace('@', at)), "{found}: {expected}");
        }
    }
}

#[test]
fn a_volume_too_large_for_a_record_is_refused_by_its_field() {
    let big = "x".repeat(600_000);
    let map = |name: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: {big}, {name}: x}}\n---\n"
        )
    };
    let volumes =
        "  volumes: [{name: a, configMap: {name: one}}, {name: b, configMap: {name: two}}]\n";
    let text = format!("{}{}{STORY}{volumes}", map("one"), map("two"));
    let batch = batch(documents(&text).unwrap(), || "u".to_owned());
    let found: Vec<_> = batch.errors.iter().map(|(_, error)| error.to_string()).collect();
    let why = "may not be more than 1048576 bytes, all volumes of the pod together";
    assert_eq!(found, [format!("spec.volumes[1].configMap.name: \"two\": Too long: {why}")]);
}

#[test]
fn only_the_keys_that_are_asked_for_are_kept_and_no_secret_is_shown() {
    let volumes = "[{name: a, configMap: {name: config, items: [{key: raw, path: x}]}}, \
                   {name: b, secret: {secretName: db}}]";
    let batch = with(volumes, "[{name: a, mountPath: /x}]");
    assert_eq!(batch.errors, []);
    let pod = &batch.pods[0].1;
    let VolumeSource::Files(files) = &pod.volumes[0].source else { panic!() };
    let [Part::Object { data, .. }] = files.parts.as_slice() else { panic!() };
    assert_eq!(data.iter().collect::<Vec<_>>(), [(&"raw".to_owned(), &Content(vec![0xff, 0]))]);
    let exported = export(pod).unwrap();
    assert_eq!(exported.objects[0]["binaryData"]["raw"], "/wA=");
    assert_eq!(exported.notes.len(), 1);
    let shown = format!("{exported:?} {pod:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn modes_are_octal_as_kubectl_reads_them() {
    let mode = |mode: &str| {
        let volume = format!("[{{name: a, configMap: {{name: config, defaultMode: {mode}}}}}]");
        errors(&volume, "[]")
    };
    assert_eq!((mode("0440"), mode("288"), mode("0o440")), (vec![], vec![], vec![]));
    assert!(mode("01000")[0].contains("(octal)"), "{:?}", mode("01000"));
    assert!(!mode("0898").is_empty());
}
