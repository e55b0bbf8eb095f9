//! Exported and shown objects against the fields of Kubernetes' OpenAPI specification.

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::pod_view::view;
use super::*;

const FIELDS: &str = include_str!("kubernetes-v1.36.fields");

fn schema(kind: &str) -> Validator {
    let mut types = json!({
        "FieldsV1": { "type": "object" },
        "IntOrString": { "type": ["integer", "string"] },
        "Quantity": { "type": ["number", "string"] },
        "Time": { "type": "string", "format": "date-time" },
    });
    let lines = FIELDS.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>();
    // An indented line continues the line before.
    for line in lines.join("\n").replace("\n   ", "").lines() {
        let (name, fields) = line.split_once(": ").unwrap();
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in fields.split(", ") {
            let (field, of) = field.split_once(' ').unwrap();
            let name = field.trim_end_matches('*');
            required.extend((name != field).then_some(name));
            properties.insert(name.to_owned(), type_of(of));
        }
        types[name] = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
    }
    let schema = json!({ "$defs": types, "$ref": format!("#/$defs/{kind}") });
    jsonschema::validator_for(&schema).unwrap()
}

fn type_of(text: &str) -> Value {
    let inner = |open, close| text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    if let Some(items) = inner('[', ']') {
        return json!({ "type": "array", "items": type_of(items) });
    }
    if let Some(values) = inner('{', '}') {
        return json!({ "type": "object", "additionalProperties": type_of(values) });
    }
    if let Some(only) = inner('\'', '\'') {
        return json!({ "const": only });
    }
    match text {
        "string" | "bytes" => json!({ "type": "string" }),
        "bool" => json!({ "type": "boolean" }),
        "int32" | "int64" => json!({ "type": "integer" }),
        name => json!({ "$ref": format!("#/$defs/{name}") }),
    }
}

fn flaws(object: &Value) -> Vec<String> {
    let schema = schema(object["kind"].as_str().unwrap());
    schema.iter_errors(object).map(|flaw| format!("{}: {flaw}", flaw.instance_path())).collect()
}

/// All settings of volumes, environment, hooks and restarts.
pub const REST: &str = r#"apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LEVEL: high}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: bytes}
binaryData: {raw: /wA=}
---
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: hunter2}
---
apiVersion: v1
kind: Pod
metadata: {name: rest, labels: {a: b}, annotations: {probelet.io/app.maxRestarts: "3"}}
spec:
  shareProcessNamespace: true
  serviceAccountName: robot
  activeDeadlineSeconds: 600
  terminationGracePeriodSeconds: 5
  hostname: h
  imagePullSecrets: [{name: none}]
  restartPolicy: OnFailure
  initContainers:
  - {name: first, image: i, command: [a], args: [b], workingDir: /w}
  - name: side
    image: i
    restartPolicy: Always
    startupProbe: {tcpSocket: {port: 1}}
  containers:
  - name: app
    image: i
    imagePullPolicy: IfNotPresent
    restartPolicy: Never
    restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]
    terminationMessagePath: /msg
    terminationMessagePolicy: FallbackToLogsOnError
    ports: [{name: web, containerPort: 80, protocol: TCP}]
    env:
    - {name: PLAIN, value: v}
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
    envFrom: [{configMapRef: {name: settings}, prefix: C_}]
    lifecycle:
      postStart: {exec: {command: [a]}}
      preStop: {httpGet: {path: /, port: web, httpHeaders: [{name: A, value: b}]}}
      stopSignal: SIGUSR1
    livenessProbe:
      httpGet: {path: /, port: 80, scheme: HTTPS}
      initialDelaySeconds: 1
      terminationGracePeriodSeconds: 2
    readinessProbe: {grpc: {port: 9, service: s}, successThreshold: 2}
    startupProbe: {exec: {command: [c]}, failureThreshold: 30, periodSeconds: 2}
    volumeMounts:
    - {name: disk, mountPath: /a, subPath: b, readOnly: true, recursiveReadOnly: IfPossible}
    - {name: host, mountPath: /b, subPathExpr: $(PLAIN), mountPropagation: HostToContainer}
    - {name: all, mountPath: /c}
  volumes:
  - {name: disk, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - {name: host, hostPath: {path: /srv, type: Directory}}
  - {name: model, image: {reference: "registry.example/model:1", pullPolicy: IfNotPresent}}
  - {name: config, configMap: {name: settings, defaultMode: 288, items: [{key: LEVEL, path: l}]}}
  - {name: secret, secret: {secretName: db, optional: true}}
  - name: all
    projected:
      sources:
      - configMap: {name: bytes}
      - secret: {name: db, items: [{key: password, path: p, mode: 256}]}
      - downwardAPI:
          items:
          - {path: labels, fieldRef: {fieldPath: metadata.labels}}
          - {path: cpu, resourceFieldRef: {containerName: app, resource: limits.cpu}}
"#;

#[test]
fn exported_objects_fit_the_specification() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    let files = files.map(|path| std::fs::read_to_string(path).unwrap());
    let texts = [STORY, REST, process::ALL, downward::POD].map(str::to_owned);
    for text in files.chain(texts) {
        let Batch { pods, errors, .. } = batch(documents(&text).unwrap(), || "u".to_owned());
        assert_eq!(errors, []);
        for (_, pod) in pods {
            for object in export(&pod).unwrap().objects {
                assert_eq!(flaws(&object), [""; 0], "{object:#}");
            }
        }
    }
}

#[test]
fn shown_objects_fit_the_specification() {
    for text in [STORY, REST] {
        let Batch { mut pods, .. } = batch(documents(text).unwrap(), || "u".to_owned());
        let mut view = view();
        view.spec = std::sync::Arc::new(pods.remove(0).1.into_inner());
        assert_eq!(flaws(&to_json(&view)), [""; 0]);
    }
}

#[test]
fn the_specification_refuses_unknown_fields() {
    let pod = |container: Value| {
        let spec = json!({ "containers": [container] });
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" }, "spec": spec })
    };
    assert_eq!(flaws(&pod(json!({ "name": "app" }))), [""; 0]);
    for (container, at) in [
        (json!({ "name": "app", "imag": "i" }), "/spec/containers/0: "),
        (json!({ "image": "i" }), "/spec/containers/0: "),
        (json!({ "name": "app", "command": "sh" }), "/spec/containers/0/command: "),
        (
            json!({ "name": "app", "ports": [{ "containerPort": "80" }] }),
            "/spec/containers/0/ports/0/containerPort: ",
        ),
    ] {
        let flaws = flaws(&pod(container));
        assert!(flaws.len() == 1 && flaws[0].starts_with(at), "{flaws:?}");
    }
}
