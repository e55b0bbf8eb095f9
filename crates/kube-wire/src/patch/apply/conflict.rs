//! Fields that two managers want with different values.

use std::collections::BTreeMap;

use serde_json::Value;

use super::item::{Items, by_identity, identity, schema_of};
use crate::schema::Schema;

/// Most conflicts that are reported.
const MAX_CONFLICTS: usize = 64;

/// The conflicts of an applied object: manager and field, such as `.spec.replicas`.
pub(super) fn find(
    live: &Value,
    config: &Value,
    others: &BTreeMap<String, Value>,
    schema: Option<Schema>,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (manager, other) in others {
        let mut path = String::new();
        walk(Some(live), config, other, schema, &mut path, &mut |path| {
            if found.len() < MAX_CONFLICTS {
                found.push((manager.clone(), path.to_owned()));
            }
        });
    }
    found
}

/// Calls `conflict` with the path of each value that differs from what the other manager applied and
/// from the live object.
fn walk(
    live: Option<&Value>,
    config: &Value,
    other: &Value,
    schema: Option<Schema>,
    path: &mut String,
    conflict: &mut impl FnMut(&str),
) {
    let (Value::Object(config), Value::Object(other)) = (config, other) else {
        if config != other && live != Some(config) {
            conflict(path);
        }
        return;
    };
    for (name, config) in config {
        let Some(other) = other.get(name) else { continue };
        let field = schema.and_then(|schema| schema.by_name(name));
        let live = live.and_then(|live| live.get(name));
        let length = path.len();
        path.push_str(&format!(".{name}"));
        match (config, Items::of(field)) {
            // Each manager adds items to a set.
            (Value::Array(_), Items::Set) => {}
            (Value::Array(items), Items::Keyed(keys, schema)) => {
                let (others, live) = (by_identity(Some(other), &keys), by_identity(live, &keys));
                for item in items {
                    let name = identity(item, &keys);
                    let Some(other) = others.get(&name) else { continue };
                    let live = live.get(&name).copied();
                    let length = path.len();
                    path.push_str(&name);
                    walk(live, item, other, schema, path, conflict);
                    path.truncate(length);
                }
            }
            _ => walk(live, config, other, schema_of(field), path, conflict),
        }
        path.truncate(length);
    }
}

/// Removes from what another manager applied the fields that are in conflict: it does not own them
/// any more.
pub(super) fn give_up(other: &mut Value, live: &Value, config: &Value, schema: Option<Schema>) {
    give_up_in(other, Some(live), config, schema);
}

/// True if the whole value is to be given up.
fn give_up_in(
    other: &mut Value,
    live: Option<&Value>,
    config: &Value,
    schema: Option<Schema>,
) -> bool {
    let (Value::Object(other), Value::Object(config)) = (&mut *other, config) else {
        return other != config && live != Some(config);
    };
    for (name, config) in config {
        let Some(place) = other.get_mut(name) else { continue };
        let field = schema.and_then(|schema| schema.by_name(name));
        let live = live.and_then(|live| live.get(name));
        let gone = match (config, Items::of(field)) {
            (Value::Array(_), Items::Set) => false,
            (Value::Array(items), Items::Keyed(keys, schema)) => {
                let items = items.iter().map(|item| (identity(item, &keys), item));
                let items: BTreeMap<_, _> = items.collect();
                let live = by_identity(live, &keys);
                for place in place.as_array_mut().into_iter().flatten() {
                    let name = identity(place, &keys);
                    if let Some(item) = items.get(&name) {
                        give_up_in(place, live.get(&name).copied(), item, schema);
                    }
                }
                false
            }
            _ => give_up_in(place, live, config, schema_of(field)),
        };
        if gone {
            other.remove(name);
        }
    }
    false
}
