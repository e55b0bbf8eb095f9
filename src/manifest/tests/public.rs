//! Manifests that nobody here wrote.

use super::*;

fn told(file: &str) -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/manifest/tests/public");
    let text = std::fs::read_to_string(format!("{folder}/{file}.yaml")).unwrap();
    let sources = Sources::read(vec![File { name: file.to_owned(), text }]);
    let heard = sources.findings().into_iter().filter(|f| f.severity == Severity::Error);
    heard
        .map(|finding| format!("{} {}: {}", finding.place, finding.field, finding.message))
        .collect()
}

#[test]
fn many_run_as_they_are() {
    for file in [
        "exec-liveness",
        "http-liveness",
        "tcp-liveness-readiness",
        "grpc-liveness",
        "lifecycle-events",
        "configmap-multikeys",
        "secret-envars-pod",
        "update-deployment",
        "job",
        "init-containers",
        "daemonset",
        "security-context",
        "dapi-envars-pod",
        "csi-node-daemonset",
        "multi-pod",
        "pi-job",
        "kube-controller-manager",
        "agnhost-primary-pod",
        "nvidia-driver-installer",
        "sample-device-plugin",
        "deployment-with-unix-user",
        "deploy-serverside",
        "busybox-pod",
        "etcd-version-monitor",
        "limitrange-pod",
        "retain-keys-deployment",
        "csi-hostpath-plugin",
        "metrics-server",
        "rc-service",
    ] {
        assert_eq!(told(file), [""; 0], "{file}");
    }
}

/// The list shrinks as more is supported; none of these may ever be silent.
#[test]
fn the_others_are_refused_by_the_fields_name() {
    for (file, fields) in [
        ("redis-pod", &[":31:9 spec.volumes[1].configMap.name: Not found"][..]),
        ("nginx-deployment", &[":9:3 spec.replicas"]),
        (
            "cronjob",
            &[":3:1 kind: Unsupported value: \"CronJob\": cronjob/hello: nothing here runs"],
        ),
        ("web-statefulset", &[":22:3 spec.replicas", ":40:3 spec.volumeClaimTemplates"]),
        ("zookeeper-statefulset", &[":8:3 spec.replicas", ":81:3 spec.volumeClaimTemplates"]),
        (
            "konnectivity-agent",
            &[":66:17 spec.template.spec.volumes[0].projected.sources[0].serviceAccountToken"],
        ),
        ("kube-scheduler", &[":26:7 spec.containers[0].volumeMounts[1].name: Not found"]),
        ("topology-spreading", &[":4:1 metadata.name", ":5:3 metadata.generateName"]),
    ] {
        let heard = told(file);
        assert!(!heard.is_empty(), "{file}");
        for field in fields {
            assert!(heard.iter().any(|line| line.contains(field)), "{file}: {field}: {heard:#?}");
        }
    }
}

#[test]
fn each_file_is_read_by_a_test() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/manifest/tests/public");
    let this = include_str!("public.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(stem == "README" || this.contains(&format!("\"{stem}\"")), "{stem}");
    }
}
