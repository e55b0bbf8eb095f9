use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

mod apply;
mod json;
mod strategic;

/// Small objects of a few keys, so that patches meet what is there.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..5i64).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            object_of(inner),
        ]
    })
}

fn object_of(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        3 => "[a-c]",
        1 => prop_oneof![
            Just("$patch"), Just("$retainKeys"), Just("$setElementOrder/a"),
            Just("$deleteFromPrimitiveList/a"), Just("metadata"), Just("spec"),
            Just("containers"), Just("name"), Just("finalizers"), Just("ports"),
        ].prop_map(str::to_owned),
    ];
    proptest::collection::btree_map(key, inner, 0..4)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

fn object() -> impl Strategy<Value = Value> {
    object_of(tree())
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }))
}

/// The examples of RFC 7396, appendix A.
#[test]
fn merge_patches() {
    let rows = [
        (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
        (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
        (json!({"a":"b"}), json!({"a":null}), json!({})),
        (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
        (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
        (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
        (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
        (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a":"b"}), json!(["c"]), json!(["c"])),
        (json!({"a":"foo"}), json!(null), json!(null)),
        (json!({"a":"foo"}), json!("bar"), json!("bar")),
        (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
        (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
        (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
    ];
    for (object, patch, expected) in rows {
        assert_eq!(merge_patch(&object, &patch), Ok(expected), "{object} {patch}");
    }
    assert_eq!(merge_patch(&json!({}), &deep(200)), Err(PatchError::TooLarge));
}

#[test]
fn errors_have_kubernetes_codes() {
    let rows = [
        (PatchError::Malformed("m".to_owned()), 400),
        (PatchError::DoesNotFit("m".to_owned()), 422),
        (PatchError::TooLarge, 413),
        (PatchError::TooManyOperations { limit: 1, found: 2 }, 413),
    ];
    for (error, code) in rows {
        assert_eq!(Status::from(error).code(), code);
    }
}

proptest! {
    #[test]
    fn a_merge_patch_twice_is_once(object in tree(), patch in tree()) {
        let once = merge_patch(&object, &patch).unwrap();
        prop_assert_eq!(merge_patch(&once, &patch), Ok(once));
    }

    #[test]
    fn no_patch_makes_it_panic(object in object(), patch in object(), list in tree()) {
        let schema = Schema::of("v1", "Pod");
        for schema in [None, schema, Schema::named("core.v1.PodSpec")] {
            let _ = strategic_merge_patch(&object, &patch, schema);
            let (_, applied) = Applied::default()
                .apply(&object, &patch, "a", true, schema)
                .unwrap_or_default();
            let _ = applied.apply(&object, &list, "b", true, schema);
        }
        let _ = json_patch(&object, &list);
    }
}
