use super::*;

fn patched(object: Value, patch: Value) -> Result<Value, String> {
    json_patch(&object, &patch).map_err(|error| error.to_string())
}

#[test]
fn operations() {
    let rows = [
        // RFC 6902, appendix A.
        (
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/baz", "value": "qux"}]),
            json!({"baz": "qux", "foo": "bar"}),
        ),
        (
            json!({"foo": ["bar", "baz"]}),
            json!([{"op": "add", "path": "/foo/1", "value": "qux"}]),
            json!({"foo": ["bar", "qux", "baz"]}),
        ),
        (
            json!({"baz": "qux", "foo": "bar"}),
            json!([{"op": "remove", "path": "/baz"}]),
            json!({"foo": "bar"}),
        ),
        (
            json!({"foo": ["bar", "qux", "baz"]}),
            json!([{"op": "remove", "path": "/foo/1"}]),
            json!({"foo": ["bar", "baz"]}),
        ),
        (
            json!({"baz": "qux", "foo": "bar"}),
            json!([{"op": "replace", "path": "/baz", "value": "boo"}]),
            json!({"baz": "boo", "foo": "bar"}),
        ),
        (
            json!({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}}),
            json!([{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}]),
            json!({"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}}),
        ),
        (
            json!({"foo": ["all", "grass", "cows", "eat"]}),
            json!([{"op": "move", "from": "/foo/1", "path": "/foo/3"}]),
            json!({"foo": ["all", "cows", "eat", "grass"]}),
        ),
        (
            json!({"baz": "qux", "foo": ["a", 2, "c"]}),
            json!([
                {"op": "test", "path": "/baz", "value": "qux"},
                {"op": "test", "path": "/foo/1", "value": 2},
            ]),
            json!({"baz": "qux", "foo": ["a", 2, "c"]}),
        ),
        (
            json!({"/": 9, "~1": 10}),
            json!([{"op": "test", "path": "/~01", "value": 10}]),
            json!({"/": 9, "~1": 10}),
        ),
        (
            json!({"foo": ["bar"]}),
            json!([{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}]),
            json!({"foo": ["bar", ["abc", "def"]]}),
        ),
        (
            json!({"a": {"b": 1}}),
            json!([{"op": "copy", "from": "/a", "path": "/c"}]),
            json!({"a": {"b": 1}, "c": {"b": 1}}),
        ),
        (json!({"a": 1}), json!([{"op": "replace", "path": "", "value": {}}]), json!({})),
        // As `kubectl patch --type json` escapes a label.
        (
            json!({"metadata": {"labels": {"a.io/b": "c"}}}),
            json!([{"op": "remove", "path": "/metadata/labels/a.io~1b"}]),
            json!({"metadata": {"labels": {}}}),
        ),
    ];
    for (object, patch, expected) in rows {
        assert_eq!(patched(object, patch.clone()), Ok(expected), "{patch}");
    }
}

#[test]
fn refusals() {
    let object = || json!({"foo": ["bar"], "a": {"b": 1}, "baz": "qux"});
    let one = |operation: Value| json!([operation]);
    let rows = [
        (json!({}), 400),
        (json!([{"op": "fly", "path": "/a"}]), 400),
        (json!([{"op": "add", "path": "/a"}]), 400),
        (one(json!({"op": "add", "path": "a", "value": 1})), 400),
        (one(json!({"op": "add", "path": "/~2", "value": 1})), 400),
        (one(json!({"op": "add", "path": "/none/x", "value": 1})), 422),
        (one(json!({"op": "add", "path": "/foo/2", "value": 1})), 422),
        (one(json!({"op": "add", "path": "/foo/01", "value": 1})), 422),
        (one(json!({"op": "add", "path": "/baz/x", "value": 1})), 422),
        (one(json!({"op": "remove", "path": "/none"})), 422),
        (one(json!({"op": "remove", "path": "/foo/-"})), 422),
        (one(json!({"op": "remove", "path": ""})), 422),
        (one(json!({"op": "replace", "path": "/none", "value": 1})), 422),
        (one(json!({"op": "test", "path": "/baz", "value": "bar"})), 422),
        (one(json!({"op": "test", "path": "/none", "value": null})), 422),
        (one(json!({"op": "move", "from": "/a", "path": "/a/b"})), 422),
        (one(json!({"op": "copy", "from": "/none", "path": "/a/b"})), 422),
        (one(json!({"op": "add", "path": "/x", "value": deep(200)})), 413),
        (one(json!({"op": "add", "path": "/a".repeat(200), "value": 1})), 413),
    ];
    for (patch, code) in rows {
        let error = json_patch(&object(), &patch).map_err(|error| Status::from(error).code());
        assert_eq!(error, Err(code), "{patch}");
    }
    let many = Value::Array(vec![json!({"op": "test", "path": "/baz", "value": "qux"}); 10_001]);
    assert_eq!(
        patched(object(), many),
        Err("The allowed maximum operations in a JSON patch is 10000, got 10001".to_owned())
    );
}

#[test]
fn a_patch_cannot_grow_an_object_without_end() {
    let too_large = Err(PatchError::TooLarge);
    let twice = json!({"op": "copy", "from": "/a", "path": "/a/-"});
    let bomb = Value::Array(vec![twice; 100]);
    assert_eq!(json_patch(&json!({"a": ["x".repeat(1_000)]}), &bomb), too_large);
    let copy = |name: &str| json!({"op": "copy", "from": "/a", "path": name});
    let copies = json!([copy("/b"), copy("/c"), copy("/d"), copy("/e")]);
    assert_eq!(json_patch(&json!({"a": "x".repeat(1_000_000)}), &copies), too_large);
    // Each pair of operations nests the object by one more level.
    let nest = [
        json!({"op": "add", "path": "/b", "value": {}}),
        json!({"op": "move", "from": "/a", "path": "/b/a"}),
        json!({"op": "move", "from": "/b", "path": "/a"}),
    ];
    let nesting = Value::Array(nest.iter().cycle().take(3_000).cloned().collect());
    assert_eq!(json_patch(&json!({"a": 1}), &nesting), too_large);
    // Each operation moves a long array.
    let insert = json!({"op": "add", "path": "/a/0", "value": 1});
    let inserts = Value::Array(vec![insert; 10_000]);
    assert_eq!(json_patch(&json!({"a": vec![0; 100_000]}), &inserts), too_large);
    let small = json_patch(&json!({"a": []}), &inserts).unwrap();
    assert_eq!(small["a"].as_array().map(Vec::len), Some(10_000));
}
