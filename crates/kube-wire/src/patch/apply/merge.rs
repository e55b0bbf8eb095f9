//! Writes an applied object over the live one.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::item::{Items, identity, schema_of};
use crate::schema::Schema;

/// Sets every field of `config`; lists with keys are merged, and new items come last.
pub(super) fn merge(live: &mut Value, config: &Value, schema: Option<Schema>) {
    let Value::Object(config) = config else {
        config.clone_into(live);
        return;
    };
    if !live.is_object() {
        *live = Value::Object(Map::new());
    }
    let Value::Object(live) = live else { return };
    for (name, value) in config {
        let field = schema.and_then(|schema| schema.by_name(name));
        let place = live.entry(name.clone()).or_insert(Value::Null);
        match (value, Items::of(field)) {
            (Value::Array(items), Items::Keyed(keys, schema)) => {
                merge_items(place, items, &keys, schema);
            }
            (Value::Array(items), Items::Set) => {
                let Some(list) = as_list(place) else { continue };
                let new = items.iter().filter(|item| !list.contains(item)).cloned();
                let new: Vec<_> = new.collect();
                list.extend(new);
            }
            _ => merge(place, value, schema_of(field)),
        }
    }
}

fn merge_items(place: &mut Value, items: &[Value], keys: &[(&str, &str)], schema: Option<Schema>) {
    let Some(list) = as_list(place) else { return };
    let places = list.iter().enumerate().map(|(at, item)| (identity(item, keys), at));
    let places: BTreeMap<_, _> = places.collect();
    for item in items {
        let at = places.get(&identity(item, keys)).copied();
        match at.and_then(|at| list.get_mut(at)) {
            Some(live) => merge(live, item, schema),
            None => list.push(item.clone()),
        }
    }
}

/// The list at a place; anything else there is replaced by an empty one.
fn as_list(place: &mut Value) -> Option<&mut Vec<Value>> {
    if !place.is_array() {
        *place = Value::Array(Vec::new());
    }
    place.as_array_mut()
}
