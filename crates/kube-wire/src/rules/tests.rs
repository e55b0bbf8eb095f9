//! The rules of each kind, with Kubernetes' texts.

use serde_json::{Value, json};

use super::Rules;

fn errors(kind: &str, mut new: Value, old: Option<Value>) -> Vec<String> {
    let rules = Rules::of_core(kind).unwrap();
    (rules.default)(&mut new);
    let errors = (rules.validate)(&new, old.as_ref());
    errors.iter().map(ToString::to_string).collect()
}

fn object(fields: Value) -> Value {
    let mut object = json!({"metadata": {"name": "a", "namespace": "default"}});
    object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    object
}

#[test]
fn names_have_the_form_of_their_kind() {
    let named = |name: &str| json!({"metadata": {"name": name}});
    for (kind, name, is_valid) in [
        ("ConfigMap", "a.b", true),
        ("ConfigMap", "A", false),
        ("ConfigMap", "a..b", false),
        ("ConfigMap", &"a".repeat(253), true),
        ("ConfigMap", &"a".repeat(254), false),
        ("Namespace", "a", true),
        ("Namespace", "a.b", false),
        ("Namespace", &"a".repeat(64), false),
        ("ServiceAccount", "../a", false),
        ("Secret", "", false),
    ] {
        let found = errors(kind, named(name), None);
        assert_eq!(found.is_empty(), is_valid, "{kind} {name:.20} {found:?}");
    }
    let found = errors("Namespace", named("A_b"), None);
    assert_eq!(
        found,
        [
            "metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 label must consist of lower \
          case alphanumeric characters or '-', and must start and end with an alphanumeric \
          character (e.g. 'my-name',  or '123-abc', regex used for validation is \
          '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
        ]
    );
}

#[test]
fn metadata_is_checked() {
    let of = |metadata: Value| {
        let mut object = json!({"metadata": {"name": "a"}});
        let fields = object["metadata"].as_object_mut().unwrap();
        fields.extend(metadata.as_object().unwrap().clone());
        errors("ServiceAccount", object, None)
    };
    let begins = |found: Vec<String>, text: &str| {
        assert!(found.len() == 1 && found[0].starts_with(text), "{found:?}");
    };
    assert_eq!(of(json!({"labels": {"a.b/c": "d"}, "annotations": {"A": "free text"}})), [""; 0]);
    begins(of(json!({"labels": {"a b": "d"}})), "metadata.labels: Invalid value: \"a b\"");
    begins(of(json!({"labels": {"a": "d!"}})), "metadata.labels: Invalid value: \"d!\"");
    begins(of(json!({"annotations": {"a/b/c": ""}})), "metadata.annotations: Invalid value");
    begins(
        of(json!({"annotations": {"a": "x".repeat(300_000)}})),
        "metadata.annotations: Too long: may not be more than 262144 bytes",
    );
    begins(
        of(json!({"finalizers": ["mine"]})),
        "metadata.finalizers: Invalid value: \"mine\": name is neither a standard finalizer name",
    );
    assert_eq!(of(json!({"finalizers": ["example.com/mine", "kubernetes"]})), [""; 0]);
    let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": ""});
    begins(
        of(json!({"ownerReferences": [owner]})),
        "metadata.ownerReferences.uid: Invalid value: \"\": uid must not be empty",
    );
}

#[test]
fn an_object_that_is_being_deleted_gets_no_finalizers() {
    let with = |finalizers: Value| {
        let deleted = "2026-01-01T00:00:00Z";
        json!({"metadata": {
            "name": "a", "deletionTimestamp": deleted, "finalizers": finalizers,
        }})
    };
    let old = with(json!(["a.b/c", "a.b/d"]));
    assert_eq!(errors("ConfigMap", with(json!(["a.b/c"])), Some(old.clone())), [""; 0]);
    assert_eq!(
        errors("ConfigMap", with(json!(["a.b/c", "a.b/x"])), Some(old)),
        ["metadata.finalizers: Forbidden: no new finalizers can be added if the object is being \
          deleted, found new finalizers []string{\"a.b/x\"}"]
    );
}

#[test]
fn keys_and_sizes_of_data_are_checked() {
    let of = |data: Value| errors("ConfigMap", object(json!({"data": data})), None);
    assert_eq!(of(json!({"a.b-c_D": "x", "empty": ""})), [""; 0]);
    for (key, end) in [
        ("a/b", "'[-._a-zA-Z0-9]+')"),
        ("..", "must not be '..'"),
        (".", "must not be '.'"),
        ("..data", "must not start with '..'"),
        (&"k".repeat(254), "must be no more than 253 bytes"),
    ] {
        let found = of(json!({key: "x"}));
        assert!(found.len() == 1 && found[0].ends_with(end), "{found:?}");
        assert!(found[0].starts_with(&format!("data[{key}]: Invalid value: \"{key}\"")));
    }
    assert_eq!(of(json!({"a": "x".repeat(1 << 20)})), [""; 0]);
    assert_eq!(
        of(json!({"a": "x".repeat((1 << 20) + 1)})),
        ["[]: Too long: may not be more than 1048576 bytes"]
    );
    let both = object(json!({"data": {"a": ""}, "binaryData": {"a": ""}}));
    assert_eq!(
        errors("ConfigMap", both, None),
        ["data[a]: Invalid value: \"a\": duplicate of key present in binaryData"]
    );
}

#[test]
fn immutable_objects_do_not_change() {
    let frozen = |text: &str, flag: bool| {
        object(json!({"data": {"a": text}, "immutable": flag, "type": "Opaque"}))
    };
    let why = "Forbidden: field is immutable when `immutable` is set";
    for kind in ["ConfigMap", "Secret"] {
        let change = |new: Value| errors(kind, new, Some(frozen("eA==", true)));
        let mut labelled = frozen("eA==", true);
        labelled["metadata"]["labels"] = json!({"a": "b"});
        assert_eq!(change(labelled), [""; 0]);
        assert_eq!(change(frozen("eQ==", true)), [format!("data: {why}")]);
        assert_eq!(change(frozen("eA==", false)), [format!("immutable: {why}")]);
        assert_eq!(errors(kind, frozen("eQ==", true), Some(frozen("eA==", false))), [""; 0]);
    }
}

#[test]
fn a_secret_has_what_its_type_asks_for() {
    let of = |kind: &str, data: Value| {
        errors("Secret", object(json!({"type": kind, "data": data})), None)
    };
    assert_eq!(of("example.com/any", json!({})), [""; 0]);
    assert_eq!(of("kubernetes.io/tls", json!({"tls.crt": ""})), ["data[tls.key]: Required value"]);
    assert_eq!(of("kubernetes.io/basic-auth", json!({"username": "YQ=="})), [""; 0]);
    assert_eq!(of("kubernetes.io/basic-auth", json!({})).len(), 2);
    assert_eq!(of("kubernetes.io/dockerconfigjson", json!({".dockerconfigjson": "e30="})), [""; 0]);
    let found = of("kubernetes.io/dockercfg", json!({".dockercfg": "c2VjcmV0"}));
    assert_eq!(
        found,
        ["data[.dockercfg]: Invalid value: \"<secret contents redacted>\": must be a JSON object"]
    );
    let opaque = object(json!({"type": "Opaque"}));
    assert_eq!(
        errors("Secret", object(json!({"type": "kubernetes.io/a"})), Some(opaque)),
        ["type: Invalid value: \"kubernetes.io/a\": field is immutable"]
    );
}

#[test]
fn string_data_becomes_data() {
    let mut secret =
        object(json!({"data": {"a": "eA==", "b": "eQ=="}, "stringData": {"b": "new"}}));
    (Rules::of_core("Secret").unwrap().default)(&mut secret);
    assert_eq!(secret["data"], json!({"a": "eA==", "b": "bmV3"}));
    assert_eq!((&secret["type"], secret.get("stringData")), (&json!("Opaque"), None));
}

#[test]
fn a_namespace_has_its_name_as_a_label() {
    let mut namespace = json!({"metadata": {"name": "a", "labels": {"x": "y"}}});
    (Rules::of_core("Namespace").unwrap().default)(&mut namespace);
    assert_eq!(
        namespace["metadata"]["labels"],
        json!({"x": "y", "kubernetes.io/metadata.name": "a"})
    );
    assert_eq!(namespace["status"]["phase"], "Active");
    assert_eq!(namespace["spec"]["finalizers"], json!(["kubernetes"]));
}
