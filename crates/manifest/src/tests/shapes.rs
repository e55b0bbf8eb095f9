//! Manifests in the shapes that people publish: read, or refused by the expected field.

use super::*;

fn errors_of(file: &str) -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/shapes");
    let text = std::fs::read_to_string(format!("{folder}/{file}.yaml")).unwrap();
    let sources = Sources::read(vec![File { name: file.to_owned(), text }]);
    let found = sources.findings().into_iter().filter(|f| f.severity == Severity::Error);
    found
        .map(|finding| format!("{} {}: {}", finding.position, finding.field, finding.message))
        .collect()
}

#[test]
fn many_shapes_are_read_without_an_error() {
    for file in [
        "probe-exec",
        "probe-http",
        "probe-tcp-twice",
        "probe-grpc",
        "hooks",
        "env-from-configmap",
        "env-from-secret",
        "deployment-recreate",
        "job-backoff",
        "init-fetches",
        "daemonset-logs",
        "security-of-both",
        "env-downward",
        "daemonset-host-folders",
        "two-pods",
        "job-plain",
        "host-network-many-mounts",
        "two-containers",
        "daemonset-installer",
        "daemonset-privileged",
        "deployment-non-root",
        "deployment-as-shown",
        "plain-sleep",
        "host-network",
        "limits",
        "deployment-host-path",
        "statefulset-three-containers",
        "addon",
        "list-of-two",
    ] {
        assert_eq!(errors_of(file), [""; 0], "{file}");
    }
}

/// The list gets shorter as more is supported. Each of these must have an error.
#[test]
fn the_others_are_refused_by_the_name_of_a_field() {
    for (file, fields) in [
        ("configmap-missing", &[":28:7 spec.volumes[1].configMap.name: Not found"][..]),
        ("deployment-three", &[":8:3 spec.replicas"]),
        (
            "cronjob",
            &[":2:1 kind: Unsupported value: \"CronJob\": cronjob/rooster: nothing here runs"],
        ),
        ("statefulset-claims", &[":21:3 spec.replicas", ":39:3 spec.volumeClaimTemplates"]),
        ("statefulset-init", &[":7:3 spec.replicas", ":62:3 spec.volumeClaimTemplates"]),
        (
            "token-volume",
            &[":59:13 spec.template.spec.volumes[0].projected.sources[0].serviceAccountToken"],
        ),
        ("mount-unknown", &[":24:7 spec.containers[0].volumeMounts[1].name: Not found"]),
        ("generate-name", &[":3:1 metadata.name", ":4:3 metadata.generateName"]),
    ] {
        let found = errors_of(file);
        assert!(!found.is_empty(), "{file}");
        for field in fields {
            assert!(found.iter().any(|line| line.contains(field)), "{file}: {field}: {found:#?}");
        }
    }
}

#[test]
fn each_file_is_read_by_a_test() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/shapes");
    let this = include_str!("shapes.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(stem == "README" || this.contains(&format!("\"{stem}\"")), "{stem}");
    }
}
