use super::*;

fn patched(object: Value, patch: Value, kind: &str) -> Result<Value, String> {
    let schema = Schema::named(kind);
    assert!(schema.is_some(), "{kind}");
    strategic_merge_patch(&object, &patch, schema).map_err(|error| error.to_string())
}

fn spec(object: Value, patch: Value) -> Result<Value, String> {
    patched(object, patch, "core.v1.PodSpec")
}

#[test]
fn lists_are_merged_by_their_keys() {
    let app = || json!({"name": "app", "image": "a:1", "env": [{"name": "X", "value": "1"}]});
    let log = || json!({"name": "log", "image": "l:1"});
    let containers = |list: Value| json!({ "containers": list });
    let rows = [
        // `kubectl set image`.
        (
            containers(json!([app(), log()])),
            json!({
                "$setElementOrder/containers": [{"name": "app"}, {"name": "log"}],
                "containers": [{"name": "app", "image": "a:2"}],
            }),
            containers(json!([
                {"name": "app", "image": "a:2", "env": [{"name": "X", "value": "1"}]}, log(),
            ])),
        ),
        // A new item, and a list inside.
        (
            containers(json!([app()])),
            containers(json!([
                {"name": "new", "image": "n"},
                {"name": "app", "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": "3"}]},
            ])),
            containers(json!([
                {"name": "new", "image": "n"},
                {"name": "app", "image": "a:1", "env": [
                    {"name": "Y", "value": "2"}, {"name": "X", "value": "3"},
                ]},
            ])),
        ),
        // An item is deleted by its key.
        (
            containers(json!([app(), log()])),
            json!({
                "$setElementOrder/containers": [{"name": "log"}],
                "containers": [{"$patch": "delete", "name": "app"}],
            }),
            containers(json!([log()])),
        ),
        (
            containers(json!([app(), log()])),
            containers(json!([{"$patch": "replace"}, {"name": "new"}])),
            containers(json!([{"name": "new"}])),
        ),
        // A list that the schema replaces.
        (
            json!({"tolerations": [{"key": "a"}, {"key": "b"}]}),
            json!({"tolerations": [{"key": "c"}]}),
            json!({"tolerations": [{"key": "c"}]}),
        ),
        // A field is removed, a map is merged.
        (
            json!({"nodeSelector": {"a": "1", "b": "2"}, "hostNetwork": true}),
            json!({"nodeSelector": {"a": null, "c": "3"}, "hostNetwork": null}),
            json!({"nodeSelector": {"b": "2", "c": "3"}}),
        ),
        (
            json!({"securityContext": {"runAsUser": 1, "runAsGroup": 2}}),
            json!({"securityContext": {"$patch": "replace", "runAsUser": 3}}),
            json!({"securityContext": {"runAsUser": 3}}),
        ),
        (
            json!({"securityContext": {"runAsUser": 1}}),
            json!({"securityContext": {"$patch": "delete"}}),
            json!({"securityContext": {}}),
        ),
        // The source of a volume changes: `$retainKeys` removes the old one.
        (
            json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
            json!({"volumes": [{
                "name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"},
            }]}),
            json!({"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}),
        ),
        // A new part has no directives and no nulls.
        (
            json!({}),
            json!({
                "$setElementOrder/containers": [{"name": "app"}],
                "containers": [{
                    "name": "app", "image": null, "$setElementOrder/env": [{"name": "X"}],
                    "env": [{"name": "X"}, {"$patch": "delete", "name": "Y"}],
                }],
            }),
            containers(json!([{"name": "app", "env": [{"name": "X"}]}])),
        ),
        // The list goes although it is ordered.
        (
            containers(json!([app()])),
            json!({"$setElementOrder/containers": [], "containers": null}),
            json!({}),
        ),
        (json!({"hostname": {"a": 1}}), json!({"hostname": "x"}), json!({"hostname": "x"})),
    ];
    for (object, patch, expected) in rows {
        assert_eq!(spec(object, patch.clone()), Ok(expected), "{patch}");
    }
}

#[test]
fn the_order_of_lists() {
    let named =
        |names: &[&str]| -> Value { names.iter().map(|name| json!({ "name": name })).collect() };
    let rows: [[&[&str]; 4]; 6] = [
        // Before, patched items, order of the patch, after.
        [&["a", "b", "c"], &[], &["c", "b", "a"], &["c", "b", "a"]],
        [&["a", "b", "c"], &["d"], &["d", "a", "b", "c"], &["d", "a", "b", "c"]],
        // Items that only the object has stay in front of what they were in front of.
        [&["s", "a", "b"], &["c"], &["a", "b", "c"], &["s", "a", "b", "c"]],
        [&["a", "s", "b"], &["c"], &["c", "a", "b"], &["c", "a", "s", "b"]],
        [&["a", "b", "s"], &["c"], &["a", "c", "b"], &["a", "c", "b", "s"]],
        [&["s", "t"], &["a"], &["a"], &["a", "s", "t"]],
    ];
    for [before, patch, order, after] in rows {
        let patch = json!({
            "$setElementOrder/containers": named(order), "containers": named(patch),
        });
        let expected = json!({ "containers": named(after) });
        assert_eq!(
            spec(json!({ "containers": named(before) }), patch.clone()),
            Ok(expected),
            "{patch}"
        );
    }
}

#[test]
fn lists_of_texts_are_sets() {
    let meta = |object: Value, patch: Value| patched(object, patch, "meta.v1.ObjectMeta");
    let finalizers = |list: &[&str]| json!({ "finalizers": list });
    let rows = [
        (finalizers(&["a"]), finalizers(&["b", "a"]), finalizers(&["b", "a"])),
        (
            finalizers(&["a", "b", "c"]),
            json!({"$deleteFromPrimitiveList/finalizers": ["b"]}),
            finalizers(&["a", "c"]),
        ),
        (
            finalizers(&["a", "b"]),
            json!({
                "$setElementOrder/finalizers": ["c", "a"], "finalizers": ["c"],
                "$deleteFromPrimitiveList/finalizers": ["b"],
            }),
            finalizers(&["c", "a"]),
        ),
        (json!({}), json!({"$deleteFromPrimitiveList/finalizers": ["b"]}), json!({})),
        (json!({}), json!({"$setElementOrder/finalizers": ["b"]}), json!({})),
    ];
    for (object, patch, expected) in rows {
        assert_eq!(meta(object, patch.clone()), Ok(expected), "{patch}");
    }
}

#[test]
fn refusals() {
    let object = || json!({"containers": [{"name": "app"}]});
    let rows = [
        (json!([]), 400),
        (json!({"$patch": "merge"}), 422),
        (json!({"containers": [{"image": "x"}]}), 422),
        (json!({"containers": ["x"]}), 422),
        (json!({"containers": [{"$patch": "delete"}]}), 422),
        (json!({"containers": [{"$patch": 1, "name": "app"}]}), 422),
        (json!({"$setElementOrder/containers": "x"}), 400),
        (
            json!({"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "b"}]}),
            422,
        ),
        (json!({"$deleteFromPrimitiveList/finalizers": 1}), 400),
        (json!({"$retainKeys": ["a"], "b": 1}), 400),
        (json!({"$retainKeys": 1}), 400),
        (deep(200), 413),
    ];
    for (patch, code) in rows {
        let error = strategic_merge_patch(&object(), &patch, Schema::named("core.v1.PodSpec"));
        assert_eq!(error.map_err(|it| Status::from(it).code()), Err(code), "{patch}");
    }
}

proptest! {
    /// Without directives and lists it is a merge patch.
    #[test]
    fn without_lists_it_is_a_merge_patch(object in plain(), patch in plain()) {
        let merged = strategic_merge_patch(&object, &patch, Schema::of("v1", "Pod"));
        prop_assert_eq!(merged, merge_patch(&object, &patch));
    }

    #[test]
    fn no_directive_reaches_the_object(object in plain(), patch in object()) {
        if let Ok(merged) = strategic_merge_patch(&object, &patch, Schema::of("v1", "Pod")) {
            prop_assert!(!merged.to_string().contains('$'), "{}", merged);
        }
    }

    #[test]
    fn a_patch_twice_is_once(
        before in proptest::collection::vec("[a-f]", 0..8),
        patch in proptest::collection::vec("[a-f]", 0..8),
    ) {
        let containers = |names: &[String]| {
            let names: std::collections::BTreeSet<_> = names.iter().collect();
            json!({"containers": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()})
        };
        let (before, patch) = (containers(&before), containers(&patch));
        let once = spec(before, patch.clone()).unwrap();
        prop_assert_eq!(spec(once.clone(), patch), Ok(once));
    }
}

/// Objects of objects and scalars, whose nulls are only in patches.
fn plain() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![(0..3i64).prop_map(Value::from), "[a-c]{0,2}".prop_map(Value::from)];
    let object = |inner| {
        proptest::collection::btree_map("[a-c]", inner, 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    };
    let tree = leaf.prop_recursive(3, 12, 3, move |inner| {
        proptest::collection::btree_map("[a-c]", inner, 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    });
    object(tree)
}

#[test]
fn a_large_list_is_merged_quickly() {
    let item = |i: usize| json!({"name": format!("X{i}"), "value": "v"});
    let env: Vec<_> = (0..20_000).map(item).collect();
    let object = json!({ "env": env });
    let mut reversed = env;
    reversed.reverse();
    let patch = json!({"$setElementOrder/env": reversed, "env": reversed});
    let merged = patched(object, patch, "core.v1.Container").unwrap();
    assert_eq!(merged["env"][0], item(19_999));
}
