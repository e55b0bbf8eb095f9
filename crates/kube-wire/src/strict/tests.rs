use serde_json::json;

use super::*;

fn pod() -> Schema {
    Schema::of("v1", "Pod").unwrap()
}

#[test]
fn a_field_that_is_there_twice_is_found_and_the_last_one_counts() {
    let text =
        br#"{"a": 1, "spec": {"containers": [{"x": 0}, {"name": "a", "name": "b"}]}, "a": 2}"#;
    let read = read_json(text).unwrap();
    assert_eq!(read.duplicates, ["spec.containers[1].name", "a"]);
    let expected = json!({"a": 2, "spec": {"containers": [{"x": 0}, {"name": "b"}]}});
    assert_eq!(read.value, expected);
    let numbers = br#"[1, -1, 1.5, 18446744073709551615, null, true, "\u00e9"]"#;
    let value = serde_json::from_slice::<Value>(numbers).unwrap();
    assert_eq!(read_json(numbers).unwrap().value, value);
    for text in ["", "{", "{} {}", "{\"a\":}", "nul", "1e999", &"[".repeat(100_000)] {
        assert!(read_json(text.as_bytes()).is_err(), "{text:.20}");
    }
}

#[test]
fn unknown_fields_are_removed_and_named() {
    let mut object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "creationTimestamp": null},
        "spec": {
            "containers": [{
                "name": "c", "livenessProb": {}, "livenessProbe": {"httpGet": {"port": "http"}},
                "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
            }],
            "nodeSelector": {"any.key": "x"},
            "kind": "x",
        },
        "extra": 1,
    });
    let unknown = check(&mut object, pod()).unwrap();
    assert_eq!(unknown, ["spec.containers[0].livenessProb", "spec.kind", "extra"]);
    assert_eq!(
        object,
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
            "spec": {
                "containers": [{
                    "name": "c", "livenessProbe": {"httpGet": {"port": "http"}},
                    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
                }],
                "nodeSelector": {"any.key": "x"},
            },
        })
    );
}

#[test]
fn a_value_of_another_type_is_named() {
    let rows = [
        (json!([]), ": must be an object"),
        (json!({"spec": []}), "spec: must be an object"),
        (json!({"spec": {"containers": {}}}), "spec.containers: must be a list"),
        (json!({"spec": {"containers": [3]}}), "spec.containers[0]: must be an object"),
        (json!({"spec": {"hostNetwork": "yes"}}), "spec.hostNetwork: must be true or false"),
        (
            json!({"spec": {"activeDeadlineSeconds": "1"}}),
            "spec.activeDeadlineSeconds: must be a whole number",
        ),
        (json!({"metadata": {"name": 1}}), "metadata.name: must be a text"),
        (json!({"metadata": {"labels": {"a": true}}}), "metadata.labels.a: must be a text"),
        (json!({"kind": 1}), "kind: must be a text"),
    ];
    for (mut object, expected) in rows {
        assert_eq!(check(&mut object, pod()).unwrap_err().to_string(), expected);
    }
}

#[test]
fn the_fields_of_inlined_messages_and_of_options_are_known() {
    let mut pod_object = json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}});
    assert!(check(&mut pod_object, pod()).unwrap().is_empty());
    let eviction = Schema::of("policy/v1", "Eviction").unwrap();
    let mut object = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"},
        "deleteOptions": {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0},
    });
    let before = object.clone();
    assert!(check(&mut object, eviction).unwrap().is_empty());
    assert_eq!(object, before);
}

#[test]
fn findings_are_warnings_or_an_error() {
    let (unknown, twice) = (["spec.foo".to_owned()], ["spec.bar".to_owned()]);
    let judge = |validation| judge(&unknown, &twice, validation, ("apps/v1", "Deployment"));
    assert_eq!(judge(FieldValidation::Ignore).unwrap(), Vec::<String>::new());
    assert_eq!(
        judge(FieldValidation::Warn).unwrap(),
        ["duplicate field \"spec.bar\"", "unknown field \"spec.foo\""]
    );
    assert_eq!(
        judge(FieldValidation::Strict).unwrap_err().message(),
        "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: \
         duplicate field \"spec.bar\", unknown field \"spec.foo\""
    );
    let many: Vec<_> = (0..100).map(|n| format!("f{n}")).collect();
    let warnings = super::judge(&many, &[], FieldValidation::Warn, ("v1", "Pod")).unwrap();
    assert_eq!(warnings.len(), 33);
    assert_eq!(warnings.last().unwrap(), "and 68 more");
    assert!(super::judge(&[], &[], FieldValidation::Strict, ("v1", "Pod")).unwrap().is_empty());
}
