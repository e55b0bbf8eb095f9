use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::fields::{Rule, TABLE};

/// Names of Kubernetes' fields by their parents, each with a value of the right type.
fn all_fields() -> Vec<(&'static str, Value)> {
    let mut all: Vec<(&str, Value)> = Vec::new();
    let pod = fields_of(
        r#"{
        "activeDeadlineSeconds": 1, "affinity": {"nodeAffinity": {}},
        "automountServiceAccountToken": true, "dnsConfig": {"searches": ["a"]},
        "dnsPolicy": "Default", "enableServiceLinks": false, "ephemeralContainers": [{"name": "e"}],
        "hostAliases": [{"ip": "1.1.1.1"}], "hostIPC": true, "hostNetwork": true, "hostPID": true,
        "hostUsers": false, "hostname": "h", "hostnameOverride": "h",
        "imagePullSecrets": [{"name": "s"}], "nodeName": "n",
        "nodeSelector": {"a": "b"}, "os": {"name": "windows"}, "overhead": {"cpu": "1"},
        "preemptionPolicy": "Never", "priority": 1, "priorityClassName": "p",
        "readinessGates": [{"conditionType": "x"}], "resourceClaims": [{"name": "r"}],
        "resources": {"limits": {"cpu": "1"}}, "restartPolicy": "Never", "runtimeClassName": "r",
        "schedulerName": "s", "schedulingGates": [{"name": "g"}],
        "securityContext": {"runAsUser": 1}, "serviceAccount": "s", "serviceAccountName": "s",
        "setHostnameAsFQDN": true, "shareProcessNamespace": true, "subdomain": "s",
        "terminationGracePeriodSeconds": 1, "tolerations": [{"key": "k"}],
        "topologySpreadConstraints": [{"maxSkew": 1}], "volumes": [{"name": "v"}]
    }"#,
    );
    let container = fields_of(
        r#"{
        "args": ["a"], "command": ["c"], "env": [{"name": "A", "value": "b"}],
        "envFrom": [{"prefix": "p"}], "imagePullPolicy": "Always",
        "lifecycle": {"preStop": {"sleep": {"seconds": 1}}}, "ports": [{"containerPort": 1}],
        "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "x"}],
        "resources": {"limits": {"cpu": "1"}}, "restartPolicy": "Never",
        "restartPolicyRules": [
            {"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}
        ], "securityContext": {"privileged": true},
        "stdin": true, "stdinOnce": true, "terminationMessagePath": "/x",
        "terminationMessagePolicy": "FallbackToLogsOnError", "tty": true,
        "volumeDevices": [{"name": "v", "devicePath": "/d"}],
        "volumeMounts": [{"name": "v", "mountPath": "/m"}], "workingDir": "/w"
    }"#,
    );
    let metadata = fields_of(
        r#"{
        "annotations": {"a": "b"}, "creationTimestamp": "2026-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 1, "deletionTimestamp": "2026-01-01T00:00:00Z",
        "finalizers": ["f"], "generateName": "g", "generation": 1, "labels": {"a": "b"},
        "managedFields": [{"manager": "m"}], "namespace": "n", "resourceVersion": "1",
        "ownerReferences": [{"apiVersion": "v1", "kind": "x", "name": "n", "uid": "u"}],
        "selfLink": "s", "uid": "u"
    }"#,
    );
    let init = container.clone();
    for (parent, fields) in [
        ("spec", pod),
        ("spec.containers[0]", container),
        ("spec.initContainers[0]", init),
        ("metadata", metadata),
    ] {
        all.extend(fields.into_iter().map(|(name, value)| {
            let path: &'static str = Box::leak(format!("{parent}.{name}").into_boxed_str());
            (path, value)
        }));
    }
    all
}

fn fields_of(json: &str) -> serde_json::Map<String, Value> {
    serde_json::from_str(json).unwrap()
}

fn story_with(fields: &[(&'static str, Value)]) -> Value {
    let mut pod: Value = serde_norway::from_str(STORY).unwrap();
    let init = serde_json::json!({"name": "init", "image": "i"});
    pod["spec"]["initContainers"] = Value::Array(vec![init]);
    for (path, value) in fields {
        let (parent, name) = path.rsplit_once('.').unwrap();
        let pointer = format!("/{}", parent.replace("[0]", ".0").replace('.', "/"));
        pod.pointer_mut(&pointer).unwrap()[name] = value.clone();
    }
    pod
}

/// True if the table honours a field, with all fields of its value.
fn is_honoured(path: &str) -> bool {
    let pattern = path.replace("[0]", "[]").replace("initContainers", "containers");
    let below = TABLE.iter().filter(|(entry, rule)| {
        let rest = entry.strip_prefix(&*pattern);
        // The values of this test do not set these fields.
        let set = rest == Some("") || !matches!(rule, Rule::Refused(_));
        let set = set && !entry.contains(".valueFrom.") && !entry.contains(".fieldRef.");
        set && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    });
    let mut below = below.peekable();
    below.peek().is_some() && below.all(|(_, rule)| matches!(rule, Rule::Honoured))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_field_of_kubernetes_is_silently_ignored(
        set in proptest::sample::subsequence(all_fields(), 1..6)
    ) {
        let result = parse_value(story_with(&set), "u".into());
        let plain = parse_value(story_with(&[]), "u".into()).unwrap().spec;
        let found = match &result {
            Ok(parsed) => parsed.warnings.clone(),
            Err(refused) => refused.0.iter().map(ToString::to_string).collect(),
        };
        for (path, _) in &set {
            let is_reported = found.iter().any(|line| line.starts_with(path));
            // With an error there are no warnings, because the manifest has no effect at all.
            prop_assert!(is_reported || is_honoured(path) || result.is_err(), "{path}: {found:?}");
            if is_honoured(path) && !is_reported {
                let alone = parse_value(story_with(&[set_of(&set, path)]), "u".into()).unwrap();
                let counts = alone.spec != plain || !alone.warnings.is_empty();
                prop_assert!(counts, "{path} is honoured but changes nothing");
            }
        }
    }
}

fn set_of(set: &[(&'static str, Value)], path: &str) -> (&'static str, Value) {
    set.iter().find(|(entry, _)| *entry == path).cloned().unwrap()
}

#[test]
fn each_field_of_kubernetes_is_honoured_warned_about_or_refused() {
    for field in all_fields() {
        let result = parse_value(story_with(std::slice::from_ref(&field)), "u".into());
        let path = field.0;
        let is_in = |lines: Vec<String>| lines.iter().any(|line| line.starts_with(path));
        match result {
            Ok(parsed) => assert!(is_in(parsed.warnings) || is_honoured(path), "{path}: silent"),
            Err(refused) => {
                let lines: Vec<_> = refused.0.iter().map(ToString::to_string).collect();
                assert!(is_in(lines.clone()), "{path}: {lines:?}");
            }
        }
    }
}
