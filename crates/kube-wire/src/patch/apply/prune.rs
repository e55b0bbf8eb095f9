//! Removes what a manager applied before and does not apply now.

use std::collections::BTreeMap;

use serde_json::Value;

use super::item::{Items, by_identity, identity, schema_of};
use crate::schema::Schema;

/// Removes from the live object what is in `previous`, not in `config`, and in none of the others.
pub(super) fn prune(
    live: &mut Value,
    previous: &Value,
    config: &Value,
    others: &[&Value],
    schema: Option<Schema>,
) {
    let (Value::Object(live), Value::Object(previous)) = (live, previous) else { return };
    for (name, previous) in previous {
        let Some(place) = live.get_mut(name) else { continue };
        let field = schema.and_then(|schema| schema.by_name(name));
        let others: Vec<_> = others.iter().filter_map(|other| other.get(name)).collect();
        let config = config.get(name);
        let gone = match (previous, Items::of(field)) {
            (Value::Array(items), Items::Keyed(keys, schema)) => {
                prune_items(place, items, config, &others, &keys, schema);
                config.is_none() && is_empty(place)
            }
            (Value::Array(items), Items::Set) => {
                let has = |list: &Value, item: &Value| {
                    list.as_array().is_some_and(|it| it.contains(item))
                };
                let is_kept = |item: &Value| {
                    !items.contains(item)
                        || config.is_some_and(|config| has(config, item))
                        || others.iter().any(|other| has(other, item))
                };
                if let Some(list) = place.as_array_mut() {
                    list.retain(is_kept);
                }
                config.is_none() && is_empty(place)
            }
            (Value::Object(_), _) => {
                let now = config.unwrap_or(&Value::Null);
                prune(place, previous, now, &others, schema_of(field));
                config.is_none() && others.is_empty() && is_empty(place)
            }
            // A value that somebody has changed since is not this manager's any more.
            _ => config.is_none() && others.is_empty() && place == previous,
        };
        if gone {
            live.remove(name);
        }
    }
}

/// An item that no manager applies any more goes as a whole, with what the server has set in it.
fn prune_items(
    live: &mut Value,
    previous: &[Value],
    config: Option<&Value>,
    others: &[&Value],
    keys: &[(&str, &str)],
    schema: Option<Schema>,
) {
    let Some(list) = live.as_array_mut() else { return };
    let previous = previous.iter().map(|item| (identity(item, keys), item));
    let previous: BTreeMap<_, _> = previous.collect();
    let config = by_identity(config, keys);
    let others: Vec<_> = others.iter().map(|other| by_identity(Some(other), keys)).collect();
    list.retain_mut(|item| {
        let name = identity(item, keys);
        let Some(previous) = previous.get(&name) else { return true };
        let now = config.get(&name).copied();
        let others: Vec<_> = others.iter().filter_map(|other| other.get(&name).copied()).collect();
        if now.is_none() && others.is_empty() {
            return false;
        }
        // The keys stay: this manager or another one still applies the item.
        prune(item, previous, now.unwrap_or(&Value::Null), &others, schema);
        true
    });
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}
