use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::status::GroupResource;

fn parsed(text: &str) -> Result<String, String> {
    LabelSelector::parse(text).map(|it| it.to_string()).map_err(|error| error.to_string())
}

#[test]
fn label_selectors_are_read() {
    let rows = [
        ("", ""),
        ("x=a,y=b,z=c", "x=a,y=b,z=c"),
        ("z=c , a == b", "a==b,z=c"),
        ("x != a", "x!=a"),
        ("x=", "x="),
        ("x= ,z= ", "x=,z="),
        ("x", "x"),
        ("!x", "!x"),
        ("x in (b,a)", "x in (a,b)"),
        ("x in (foo,,baz),y,z notin ()", "x in (,baz,foo),y,z notin ()"),
        ("x in (,)", "x in ()"),
        ("x in (a,)", "x in (,a)"),
        ("in in (in,notin)", "in in (in,notin)"),
        ("x notin (a)", "x notin (a)"),
        ("x>1,y<5", "x>1,y<5"),
        ("app.kubernetes.io/name=web", "app.kubernetes.io/name=web"),
    ];
    for (text, expected) in rows {
        assert_eq!(parsed(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn label_selectors_are_refused_in_kubernetes_words() {
    let key = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
               with an alphanumeric character (e.g. 'MyName', or 'my.name', or '123-abc', regex \
               used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let rows = [
        ("x=a||y=b", "found '||y', expected: identifier"),
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("x,", "found '', expected: identifier after ','"),
        ("x,,y", "found ',', expected: identifier after ','"),
        ("!x=a", "found '=', expected: ',' or 'end of string'"),
        ("x a", "unable to parse requirement: found 'a', expected: in, notin, =, ==, !=, gt, lt"),
        ("x in a", "unable to parse requirement: found 'a' expected: '('"),
        ("x in (a", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("x in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("x==(", "unable to parse requirement: found '(', expected: identifier"),
        (
            "x>a",
            "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' \
             operators, the value must be an integer",
        ),
    ];
    for (text, expected) in rows {
        let error = parsed(text).unwrap_err();
        if text == "x=a||y=b" {
            assert!(error.starts_with("unable to parse requirement: values[0][x]"), "{error}");
        } else {
            assert_eq!(error, expected, "{text}");
        }
    }
    assert_eq!(
        parsed("-x=a"),
        Err(format!("unable to parse requirement: <nil>: Invalid value: \"-x\": name part {key}"))
    );
    for text in ["a/b/c", "/x", "X_/x", "x/", &"x".repeat(64)] {
        assert!(parsed(text).unwrap_err().contains("Invalid value"), "{text}");
    }
    assert!(parsed(&format!("x={}", "v".repeat(64))).unwrap_err().contains("63 bytes"));
    assert!(parsed(&"x,".repeat(40_000)).unwrap_err().contains("longer than"));
}

#[test]
fn labels_are_matched() {
    let pod = json!({"metadata": {"labels": {"app": "web", "n": "7", "e": ""}}});
    let rows = [
        ("", true),
        ("app=web", true),
        ("app==web", true),
        ("app=db", false),
        ("app!=db", true),
        ("none!=db", true),
        ("app", true),
        ("none", false),
        ("!none", true),
        ("!app", false),
        ("app in (db,web)", true),
        ("none in (db)", false),
        ("app notin (db)", true),
        ("none notin (db)", true),
        ("app notin (web)", false),
        ("n>6", true),
        ("n>7", false),
        ("n<8", true),
        ("app>1", false),
        ("e=", true),
        ("none=", false),
        ("app=web,n=8", false),
    ];
    for (text, expected) in rows {
        let selector = LabelSelector::parse(text).unwrap();
        assert_eq!(selector.matches_object(&pod), expected, "{text}");
    }
    assert!(!LabelSelector::parse("app").unwrap().matches_object(&json!({})));
}

#[test]
fn field_selectors_are_read_and_refused() {
    let text = |text: &str| FieldSelector::parse(text).map(|it| it.to_string());
    for (given, expected) in [
        ("", ""),
        ("a=b,c!=d", "a=b,c!=d"),
        ("a==b", "a=b"),
        ("a=,", "a="),
        ("=", ""),
        (r"a=x\,y\=z\\", r"a=x\,y\=z\\"),
        ("a.b=c d", "a.b=c d"),
        // The backslash is escaped, so the comma is not.
        (r"a=x\\,b=y", r"a=x\\,b=y"),
    ] {
        assert_eq!(text(given).as_deref(), Ok(expected), "{given}");
    }
    for (given, expected) in [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("x=y,a", "invalid selector: 'x=y,a'; can't understand 'a'"),
        (r"a=\b", r"invalid field selector: invalid escape sequence: \b"),
        (r"a=b\", r"invalid field selector: invalid escape sequence: \"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
    ] {
        assert_eq!(text(given).unwrap_err().to_string(), expected, "{given}");
    }
    let selector = FieldSelector::parse("metadata.name=x,status.phase!=y").unwrap();
    assert_eq!(selector.required("metadata.name"), Some("x"));
    assert_eq!(selector.required("status.phase"), None);
}

#[test]
fn fields_are_matched_where_the_resource_has_them() {
    let pod = json!({
        "metadata": {"name": "web", "namespace": "a"},
        "spec": {"nodeName": "n", "hostNetwork": true},
        "status": {"phase": "Running", "podIP": "10.0.0.1"},
    });
    let event = json!({
        "involvedObject": {"kind": "Pod", "name": "web", "uid": "u"},
        "source": {"component": "probelet"}, "reason": "Started", "type": "Normal",
    });
    let rows = [
        ("", "pods", "metadata.name=web", &pod, true),
        ("", "pods", "metadata.namespace!=a", &pod, false),
        ("", "pods", "spec.nodeName=n,status.phase!=Succeeded,status.phase!=Failed", &pod, true),
        ("", "pods", "spec.hostNetwork=true", &pod, true),
        ("", "pods", "status.podIP=10.0.0.1", &pod, true),
        ("", "pods", "status.nominatedNodeName=", &pod, true),
        ("", "nodes", "spec.unschedulable=false", &json!({}), true),
        ("", "nodes", "spec.unschedulable=true", &json!({}), false),
        ("", "events", "involvedObject.kind=Pod,involvedObject.uid=u", &event, true),
        ("", "events", "source=probelet,reason=Started,type!=Warning", &event, true),
        ("events.k8s.io", "events", "regarding.name=web", &json!({}), false),
        ("apps", "deployments", "metadata.name=web", &pod, true),
    ];
    for (group, resource, text, object, expected) in rows {
        let selectable = Selectable::of(&GroupResource::new(group, resource));
        let selector = FieldSelector::parse(text).unwrap();
        assert_eq!(selectable.check(&selector), Ok(()), "{text}");
        assert_eq!(selectable.matches(&selector, object), expected, "{text}");
    }
    let check = |resource: &str| {
        let selector = FieldSelector::parse("metadata.name=x,spec.foo=y").unwrap();
        Selectable::of(&GroupResource::new("", resource)).check(&selector).unwrap_err()
    };
    assert_eq!(check("pods").to_string(), "field label not supported: spec.foo");
    assert_eq!(check("pods").code(), 400);
    assert_eq!(
        check("configmaps").to_string(),
        "\"spec.foo\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
    );
}

proptest! {
    #[test]
    fn no_selector_makes_it_panic(text in "([a-z]{1,3}|in|notin|[=!(),<> ./\\\\-]|\\PC){0,40}") {
        if let Ok(selector) = LabelSelector::parse(&text) {
            let again = LabelSelector::parse(&selector.to_string());
            prop_assert_eq!(again, Ok(selector));
        }
        if let Ok(selector) = FieldSelector::parse(&text) {
            let again = FieldSelector::parse(&selector.to_string());
            prop_assert_eq!(again, Ok(selector));
        }
    }
}
