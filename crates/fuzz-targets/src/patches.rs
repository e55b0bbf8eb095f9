//! Patches. An input is an object and one or two patches of it, as JSON.

use probelet_kube_wire::patch::{Applied, json_patch, merge_patch, strategic_merge_patch};
use probelet_kube_wire::schema::Schema;
use probelet_kube_wire::strict::check;
use serde_json::{Value, json};

use crate::{is_exact, parts};

/// Most bytes of a patched object beyond those of its parts.
const GROWTH: usize = 4 << 20;

fn values<const N: usize>(data: &[u8]) -> Option<[Value; N]> {
    let read = parts::<N>(data).map(|part| serde_json::from_slice(part).ok().filter(is_exact));
    read.iter().all(Option::is_some).then(|| read.map(Option::unwrap_or_default))
}

fn size(value: &Value) -> usize {
    value.to_string().len()
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

/// RFC 6902. No operation is no change, and the result is bounded.
pub fn json(data: &[u8]) {
    let Some([object, patch]) = values(data) else { return };
    assert_eq!(json_patch(&object, &json!([])), Ok(object.clone()));
    let Ok(patched) = json_patch(&object, &patch) else { return };
    let most = size(&object).saturating_add(size(&patch)).saturating_add(GROWTH);
    assert!(size(&patched) <= most);
}

/// RFC 7386. A patch that is applied twice has no further effect.
pub fn merge(data: &[u8]) {
    let Some([object, patch]) = values(data) else { return };
    if !has_null(&object) && object.is_object() {
        assert_eq!(merge_patch(&object, &object), Ok(object.clone()), "an object and itself");
    }
    let Ok(once) = merge_patch(&object, &patch) else { return };
    assert!(size(&once) <= size(&object).saturating_add(size(&patch)));
    follows(&once, &patch);
    if !has_null(&patch) && !has_directive(&patch) && !has_directive(&object) && patch.is_object() {
        // Without a type, lists are replaced too.
        if object.is_object() {
            assert_eq!(strategic_merge_patch(&object, &patch, None), Ok(once.clone()));
        }
    }
    assert_eq!(merge_patch(&once, &patch), Ok(once.clone()), "a patch that was applied");
}

/// Checks each field that a merge patch sets or removes.
fn follows(merged: &Value, patch: &Value) {
    for (key, value) in patch.as_object().into_iter().flatten() {
        match value {
            Value::Null => assert_eq!(merged.get(key), None, "null removes {key:?}"),
            Value::Object(_) => follows(merged.get(key).expect("an object"), value),
            other => assert_eq!(merged.get(key), Some(other), "{key:?} is replaced"),
        }
    }
}

/// Each object of the API, and one without a type.
fn schemas() -> [Option<Schema>; 3] {
    [Schema::of("v1", "Pod"), Schema::of("apps/v1", "Deployment"), None]
}

/// True if a text of the object could be a directive of a strategic merge patch.
fn has_directive(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_directive),
        Value::Object(map) => {
            map.iter().any(|(key, value)| key.starts_with('$') || has_directive(value))
        }
        _ => false,
    }
}

/// Kubernetes' strategic merge patch. An object that is valid for its type is not changed by itself.
pub fn strategic(data: &[u8]) {
    let Some([object, patch]) = values(data) else { return };
    for schema in schemas() {
        let most = size(&object).saturating_add(size(&patch).saturating_mul(2));
        if let Ok(patched) = strategic_merge_patch(&object, &patch, schema) {
            assert!(size(&patched) <= most, "{patched}");
        }
        let Some(schema) = schema else { continue };
        let mut valid = object.clone();
        if check(&mut valid, schema).is_err() || has_directive(&valid) || has_null(&valid) {
            continue;
        }
        // An apply refuses lists in which a key is there twice, and so does this property.
        if Applied::default().apply(&json!({}), &valid, "fuzz", false, Some(schema)).is_err() {
            continue;
        }
        if let Ok(same) = strategic_merge_patch(&valid, &valid, Some(schema)) {
            assert_eq!(same, valid, "an object and itself");
        }
    }
}

/// Server-side apply: an object, and what two managers apply. The same apply again has no effect.
pub fn apply(data: &[u8]) {
    let Some([object, first, second]) = values(data) else { return };
    for schema in schemas() {
        let Ok((live, managers)) = Applied::default().apply(&object, &first, "a", false, schema)
        else {
            continue;
        };
        let again = managers.apply(&live, &first, "a", false, schema);
        assert_eq!(again, Ok((live.clone(), managers.clone())), "the same apply");
        let Ok((live, managers)) = managers.apply(&live, &second, "b", true, schema) else {
            continue;
        };
        let again = managers.apply(&live, &second, "b", false, schema);
        assert_eq!(
            again,
            Ok((live.clone(), managers.clone())),
            "the same apply of another manager"
        );
        let stored = serde_json::to_string(&managers).expect("managers are stored");
        assert_eq!(serde_json::from_str::<Applied>(&stored).ok(), Some(managers));
    }
}
