use super::workloads::workload;
use super::*;
use probelet_domain::spec::{EnvSource, EnvVar, PodField};

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: app
    image: i
";

const OBJECTS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LEVEL: high, MODE: fast}
---
apiVersion: v1
kind: Secret
metadata: {name: db}
data: {user: YWRtaW4=}
stringData: {password: hunter2}
---
";

pub fn batch_of(text: &str) -> Batch {
    batch(documents(text).unwrap(), || "u".to_owned())
}

fn with_env(lines: &str) -> Batch {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    batch_of(&format!("{OBJECTS}{POD}{lines}"))
}

fn env_of(batch: &Batch) -> Vec<EnvVar> {
    assert!(batch.errors.is_empty(), "{:?}", batch.errors);
    batch.pods[0].1.containers[0].env.clone()
}

pub fn errors(batch: &Batch) -> Vec<String> {
    batch.errors.iter().map(|(index, error)| format!("{index} {error}")).collect()
}

#[test]
fn variables_come_from_config_maps_secrets_and_fields() {
    let batch = with_env(
        "envFrom:
- prefix: C_
  configMapRef: {name: settings}
- secretRef: {name: none, optional: true}
env:
- {name: PLAIN, value: $(C_MODE)}
- {name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
- {name: USER, valueFrom: {secretKeyRef: {name: db, key: user}}}
- {name: GONE, valueFrom: {configMapKeyRef: {name: settings, key: none, optional: true}}}
- {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}",
    );
    let map = |key: &str| EnvSource::ConfigMap { name: "settings".into(), key: key.into() };
    let secret = |key: &str| EnvSource::Secret { name: "db".into(), key: key.into() };
    let from =
        |name: &str, value: &str, from| EnvVar { from: Some(from), ..EnvVar::new(name, value) };
    assert_eq!(
        env_of(&batch),
        [
            from("C_LEVEL", "high", map("LEVEL")),
            from("C_MODE", "fast", map("MODE")),
            EnvVar::new("PLAIN", "$(C_MODE)"),
            from("PASSWORD", "hunter2", secret("password")),
            from("USER", "admin", secret("user")),
            from("POD", "", EnvSource::Field(PodField::Name)),
        ]
    );
    assert_eq!(batch.warnings, []);
}

#[test]
fn missing_objects_and_keys_are_named() {
    let batch = with_env(
        "envFrom: [{configMapRef: {name: none}}, {prefix: x}]
env:
- {name: A, valueFrom: {secretKeyRef: {name: db, key: none}}}
- {name: B, valueFrom: {secretKeyRef: {name: none, key: user}}}
- {name: C, value: c, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: D, valueFrom: {fieldRef: {fieldPath: status.phase}}}
- {name: E, valueFrom: {resourceFieldRef: {resource: limits.cpu, containerName: other}}}
- {name: F, valueFrom: {}}",
    );
    let at = "2 spec.containers[0].env";
    assert_eq!(
        errors(&batch),
        [
            format!(
                "{at}[4].valueFrom.resourceFieldRef.containerName: Not found: \"other\": no such \
                 container in the pod"
            ),
            format!(
                "{at}From[0].configMapRef.name: Not found: \"none\": no such configmap is applied \
                 with the pod"
            ),
            format!(
                "{at}From[1]: Required value: must specify one of: `configMapRef` or `secretRef`"
            ),
            format!(
                "{at}[0].valueFrom.secretKeyRef.key: Not found: \"none\": no such key in the secret \
                 \"db\""
            ),
            format!(
                "{at}[1].valueFrom.secretKeyRef.name: Not found: \"none\": no such secret is applied \
                 with the pod"
            ),
            format!("{at}[2].valueFrom: Forbidden: may not be specified when `value` is not empty"),
            format!(
                "{at}[3].valueFrom.fieldRef.fieldPath: Unsupported value: \"status.phase\": \
                 supported values: \"metadata.name\", \"metadata.namespace\", \"metadata.uid\", \
                 \"spec.nodeName\", \"spec.serviceAccountName\", \"status.hostIP\", \
                 \"status.hostIPs\", \"status.podIP\", \"status.podIPs\""
            ),
            format!(
                "{at}[5].valueFrom: Required value: must specify one of: `fieldRef`, \
                 `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
            ),
        ]
    );
}

#[test]
fn an_error_of_a_variable_has_its_index_in_the_manifest() {
    let batch = with_env(
        "envFrom: [{configMapRef: {name: settings}}, {prefix: 'a=', secretRef: {name: db}}]
env:
- {name: GONE, valueFrom: {secretKeyRef: {name: db, key: none, optional: true}}}
- {name: 'b=c', value: d}
- {value: e}
- {name: 'f=', valueFrom: {secretKeyRef: {name: db, key: none}}}",
    );
    let fields: Vec<_> = batch.errors.iter().map(|(_, error)| error.field.as_str()).collect();
    let at = "spec.containers[0].env";
    assert_eq!(
        fields,
        [
            format!("{at}From[1].prefix"),
            format!("{at}[1].name"),
            format!("{at}[2].name"),
            format!("{at}[3].name"),
            format!("{at}[3].valueFrom.secretKeyRef.key"),
        ]
    );
}

#[test]
fn objects_of_another_namespace_are_not_found() {
    let pod = POD.replace("{name: web}", "{name: web, namespace: other}");
    let env = "    envFrom: [{configMapRef: {name: settings}}]\n";
    assert_eq!(batch_of(&format!("{OBJECTS}{pod}{env}")).errors.len(), 1);
}

#[test]
fn an_unused_object_has_a_warning() {
    let batch = batch_of(&format!("{OBJECTS}{POD}"));
    let expected = ["configmap/settings", "secret/db"];
    let found: Vec<_> = batch.warnings.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(found, expected.map(|of| format!("{of}: ignored: no pod of this apply uses it")));
}

#[test]
fn an_error_of_a_secret_does_not_show_its_value() {
    for data in ["data: {password: hunter2!}", "stringData: {password: [31337]}"] {
        let text = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\n{data}\n");
        let errors = errors(&batch_of(&text)).join("\n");
        assert!(errors.contains("password"), "{errors}");
        assert!(!errors.contains("hunter2") && !errors.contains("31337"), "{errors}");
    }
}

#[test]
fn a_duplicate_name_is_refused() {
    let batch = batch_of(&format!("{OBJECTS}{OBJECTS}{POD}---{POD}"));
    assert_eq!(
        errors(&batch),
        [
            "2 metadata.name: Duplicate value: \"settings\"",
            "3 metadata.name: Duplicate value: \"db\"",
            "5 metadata.name: Duplicate value: \"web\"",
        ]
    );
}

#[test]
fn two_pods_of_one_apply_cannot_have_one_host_port() {
    let ports = "    ports: [{containerPort: 80, hostPort: 8080}]\n";
    let text = workload("Deployment", "apps/v1", "", "hostNetwork: true")
        .replace("name: app,", "name: app, ports: [{containerPort: 8080}],");
    let batch = batch_of(&format!("{POD}{ports}---\n{}", text.replace("name: web", "name: other")));
    let field = "spec.template.spec.containers[0].ports[0].hostPort";
    assert_eq!(errors(&batch), [format!("1 {field}: Invalid value: 8080: pod \"web\" has it")]);
}

#[test]
fn kinds_that_run_nothing_are_left_out_and_others_are_refused_by_name() {
    let object = |version: &str, kind: &str| {
        format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: web}}\nspec: {{x: y}}\n---\n"
        )
    };
    let beside = ["v1 Service", "v1 ServiceAccount", "rbac.authorization.k8s.io/v1beta1 Role"];
    let beside = beside.map(|both| both.split_once(' ').unwrap());
    let text: String = beside.iter().map(|(version, kind)| object(version, kind)).collect();
    let batch = batch_of(&format!("{text}{POD}"));
    assert_eq!((errors(&batch), batch.pods.len()), (vec![], 1));
    for ((index, warning), (_, kind)) in batch.warnings.iter().zip(beside) {
        let start = format!("{}/web: ignored: there ", kind.to_lowercase());
        assert!(beside[*index].1 == kind && warning.starts_with(&start), "{warning}");
    }
    assert_eq!(batch.warnings.len(), 3);
    let refused = [
        ("batch/v1", "CronJob", "cronjob/web: nothing here runs jobs by a schedule"),
        (
            "v1",
            "PersistentVolumeClaim",
            "persistentvolumeclaim/web: nothing here would keep its data",
        ),
        ("serving.knative.dev/v1", "Service", "supported values: \"ConfigMap\", "),
        ("cert-manager.io/v1", "Certificate", "supported values: \"ConfigMap\", "),
    ];
    for (version, kind, why) in refused {
        let batch = batch_of(&format!("{POD}---\n{}", object(version, kind)));
        let found = errors(&batch);
        let start = format!("1 kind: Unsupported value: {kind:?}: {why}");
        assert!(found.len() == 1 && found[0].starts_with(&start), "{found:?}");
    }
}

#[test]
fn a_name_is_for_one_pod_of_a_namespace() {
    let other = POD.replace("{name: web}", "{name: web, namespace: other}");
    let batch = batch_of(&format!("{POD}---{other}"));
    assert_eq!((errors(&batch).len(), batch.pods.len()), (0, 2));
    for twice in [POD.to_owned(), other] {
        let expected = "1 metadata.name: Duplicate value: \"web\"";
        assert_eq!(errors(&batch_of(&format!("{twice}---{twice}"))), [expected]);
    }
}

#[test]
fn pull_secrets_are_secrets_of_the_same_apply() {
    let secret = |data: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: reg}}\nstringData: {data}\n---\n{POD}  \
             imagePullSecrets: [{{name: reg}}, {{name: elsewhere}}]\n"
        )
    };
    let auths = r#"{"auths": {"r.io": {"username": "me", "password": "hunter2"}}}"#;
    let batch = batch_of(&secret(&format!("{{.dockerconfigjson: '{auths}'}}")));
    assert!(batch.errors.is_empty(), "{:?}", batch.errors);
    let secrets = &batch.pods[0].1.pull_secrets;
    let have: Vec<_> = secrets.iter().map(|s| (s.name.as_str(), s.keyring.is_some())).collect();
    assert_eq!(have, [("reg", true), ("elsewhere", false)]);
    let batch = batch_of(&secret("{.dockerconfigjson: 'hunter2'}"));
    let found = errors(&batch).remove(0);
    assert!(found.contains("spec.imagePullSecrets[0].name: Invalid value: \"reg\""), "{found}");
    assert!(!found.contains("hunter2"), "{found}");
    let batch = batch_of(&secret("{password: hunter2}"));
    assert!(errors(&batch)[0].ends_with("it has neither .dockerconfigjson nor .dockercfg"));
}

#[test]
fn all_errors_are_reported_together_with_the_warnings() {
    let text = POD.replace("spec:\n", "spec:\n  nodeName: here\n  finaliser: x\n")
        + "    imag: j\n    ports: [{containerPort: 0}]\n    volumeDevices: [{name: d, devicePath: /d}]\n";
    let batch = batch_of(&text);
    let fields: Vec<_> = batch.errors.iter().map(|(_, error)| error.field.as_str()).collect();
    let expected = [
        "spec.containers[0].imag",
        "spec.finaliser",
        "spec.containers[0].volumeDevices",
        "spec.containers[0].ports[0].containerPort",
    ];
    for field in expected {
        assert!(fields.contains(&field), "{field} is not in {fields:?}");
    }
    assert_eq!(fields.len(), expected.len(), "{fields:?}");
    assert_eq!(batch.warnings.len(), 1);
    assert!(batch.warnings[0].1.starts_with("spec.nodeName: ignored: "), "{:?}", batch.warnings);
}

#[test]
fn a_misspelt_field_is_not_reported_as_missing_too() {
    let batch = batch_of(&POD.replace("image: i", "imag: i"));
    assert_eq!(
        errors(&batch),
        ["0 spec.containers[0].imag: unknown field: did you mean \"image\"?"]
    );
}
