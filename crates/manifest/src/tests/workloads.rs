//! Workloads, and the pod in their templates.

use probelet_domain::pod_key::PodKey;
use std::time::Duration;

use super::batch::{batch_of, errors};
use super::*;
use probelet_domain::spec::RestartPolicy;

pub fn workload(kind: &str, version: &str, spec: &str, template: &str) -> String {
    format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: web, namespace: shop}}\nspec:\n  \
         selector: {{matchLabels: {{app: web}}}}\n  {spec}\n  template:\n    metadata: {{labels: \
         {{app: web}}}}\n    spec:\n      containers: [{{name: app, image: i}}]\n      {template}\n"
    )
}

#[test]
fn a_workloads_pod_has_its_name() {
    for (kind, spec, name) in [
        ("Deployment", "replicas: 1", "web"),
        ("DaemonSet", "", "web"),
        ("StatefulSet", "serviceName: web", "web-0"),
        ("ReplicaSet", "replicas: 1", "web"),
    ] {
        let text = workload(kind, "apps/v1", spec, "restartPolicy: Always");
        let batch = batch_of(&text);
        assert_eq!(errors(&batch), [""; 0], "{kind}");
        let pod = &batch.pods[0].1;
        assert_eq!((pod.name.as_str(), pod.namespace.as_str()), (name, "shop"), "{kind}");
        assert_eq!(pod.labels["app"], "web");
        assert_eq!(pod_key(&documents(&text).unwrap()[0]), Ok(Some(PodKey::new("shop", name))));
    }
}

#[test]
fn a_replication_controller_has_a_plain_selector() {
    let text = workload("ReplicationController", "v1", "replicas: 1", "");
    let text = text.replace("{matchLabels: {app: web}}", "{app: web}");
    assert_eq!(errors(&batch_of(&text)), [""; 0]);
    let other = text.replace("selector: {app: web}", "selector: {app: other}");
    assert!(errors(&batch_of(&other))[0].contains("`selector` does not match"));
}

#[test]
fn a_workloads_errors_have_its_fields() {
    let text = workload("Deployment", "apps/v1", "replicas: 2", "restartPolicy: Never");
    assert_eq!(
        errors(&batch_of(&text)),
        [
            "0 spec.replicas: Invalid value: 2: must be 1: one machine runs one of it",
            "0 spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \
             \"Always\"",
        ]
    );
    let text = workload(
        "Deployment",
        "apps/v1",
        "minReadySeconds: 3",
        "hostUsers: false\n      hostname: UP",
    );
    let batch = batch_of(&text);
    let found = errors(&batch);
    assert_eq!(found[0], "0 spec.template.spec.hostUsers: not supported yet");
    assert!(found[1].starts_with("0 spec.template.spec.hostname: "), "{found:?}");
    let text = workload("Deployment", "apps/v1", "replica: 1", "");
    let unknown = ["0 spec.replica: unknown field"];
    assert_eq!(errors(&batch_of(&text)), unknown);
    let text = workload("Deployment", "apps/v1", "", "").replace("labels: {app", "labels: {ap");
    let fits = "0 spec.template.metadata.labels: Invalid value: `selector` does not match template \
                `labels`";
    assert_eq!(errors(&batch_of(&text)), [fits]);
}

#[test]
fn a_job_tries_as_often_as_its_limit_says() {
    let job = |spec: &str, policy: &str| {
        batch_of(&workload("Job", "batch/v1", spec, &format!("restartPolicy: {policy}")))
    };
    let batch = job("backoffLimit: 2\n  activeDeadlineSeconds: 60", "Never");
    assert_eq!(errors(&batch), [""; 0]);
    let pod = &batch.pods[0].1;
    assert_eq!(pod.restart_policy, RestartPolicy::OnFailure);
    assert_eq!(pod.active_deadline, Some(Duration::from_secs(60)));
    let limits = pod.containers[0].backoff;
    assert_eq!((limits.max_restarts, limits.cap), (Some(2), Duration::from_secs(360)));
    assert!(limits.reset > Duration::from_secs(30 * 24 * 3600), "however long a try ran");
    let plain = job("completions: 1", "OnFailure");
    assert_eq!(plain.pods[0].1.containers[0].backoff.max_restarts, Some(6));
    let always = job("parallelism: 4", "Always");
    assert_eq!(
        errors(&always),
        [
            "0 spec.parallelism: Invalid value: 4: must be 1: one machine runs one of it",
            "0 spec.template.spec.restartPolicy: Unsupported value: \"Always\": supported values: \
             \"OnFailure\", \"Never\"",
        ]
    );
}

#[test]
fn warnings_of_a_workload_are_reported_with_its_errors() {
    let text = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {a: b}}
spec:
  replicas: 2
  template:
    spec: {containers: [{name: app, image: i}]}
";
    let batch = batch_of(text);
    assert_eq!((batch.errors.len(), batch.warnings.len()), (1, 1), "{batch:?}");
    assert!(batch.warnings[0].1.starts_with("metadata.labels: ignored"), "{:?}", batch.warnings);
    let named = text
        .replace("replicas: 2", "replicas: 1")
        .replace("template:", "template:\n    metadata: {name: x}");
    let batch = batch_of(&named);
    assert_eq!((batch.errors.len(), batch.pods[0].1.name.as_str()), (0, "web"));
    let expected = "spec.template.metadata.name: ignored: the pod has the workload's";
    assert!(batch.warnings.iter().any(|(_, warning)| warning == expected), "{:?}", batch.warnings);
}
