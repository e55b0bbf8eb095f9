//! Strategic merge patch: a merge patch whose lists are merged by the keys of the schema.

use serde_json::{Map, Value};

use super::PatchError;
use super::directives::{DELETE_FROM, Directive, ORDER, PATCH, cleaned, directive, retain_keys};
use super::lists::{Identity, ordered};
use crate::schema::{Field, Label, Merge, Schema};

/// Merges a patch into an object of a type. The depth of the patch bounds the recursion.
pub(super) fn merge_map(
    mut object: Map<String, Value>,
    mut patch: Map<String, Value>,
    schema: Option<Schema>,
) -> Result<Map<String, Value>, PatchError> {
    match directive(&patch)? {
        Some(Directive::Delete) => return Ok(Map::new()),
        Some(Directive::Replace) => {
            patch.remove(PATCH);
            return Ok(map(cleaned(Value::Object(patch))));
        }
        None => {}
    }
    retain_keys(&mut object, &mut patch)?;
    delete_from_lists(&mut object, &mut patch)?;
    merge_ordered_lists(&mut object, &mut patch, schema)?;
    for (key, value) in patch {
        let field = schema.and_then(|schema| schema.by_name(&key));
        match merge_value(object.remove(&key), value, field)? {
            Some(merged) => object.insert(key, merged),
            None => None,
        };
    }
    Ok(object)
}

/// A value of the object and one of the patch. `None` if nothing is left.
fn merge_value(
    before: Option<Value>,
    patch: Value,
    field: Option<&'static Field>,
) -> Result<Option<Value>, PatchError> {
    Ok(match (before, patch) {
        (_, Value::Null) => None,
        (Some(Value::Object(before)), Value::Object(patch)) => {
            // The values of a map are not fields of a type.
            let field = field.filter(|field| field.label != Label::Map);
            let schema = field.and_then(|field| field.schema());
            Some(Value::Object(merge_map(before, patch, schema)?))
        }
        (Some(Value::Array(before)), Value::Array(patch)) => {
            Some(Value::Array(merge_list(before, patch, None, field)?))
        }
        (_, patch) => cleaned(patch),
    })
}

/// Merges two lists. `order` is the order that the patch gives, which is else that of its items.
fn merge_list(
    before: Vec<Value>,
    patch: Vec<Value>,
    order: Option<&[Value]>,
    field: Option<&'static Field>,
) -> Result<Vec<Value>, PatchError> {
    let merge = field.map_or(Merge::Replace, |field| field.merge);
    let identity = Identity::new(key(merge));
    match merge {
        Merge::Replace => Ok(list(cleaned(Value::Array(patch)))),
        Merge::Union => {
            let mut merged = before.clone();
            merged.extend(patch.iter().cloned());
            let places = identity.places(&merged);
            let mut at = 0;
            merged.retain(|item| {
                let is_first = places.get(&item.to_string()) == Some(at);
                at += 1;
                is_first
            });
            Ok(ordered(merged, order.unwrap_or(&patch), &before, identity))
        }
        Merge::Key(key) => {
            let (before, patch) = delete_items(before, patch, key)?;
            let merged = merge_items(&before, &patch, identity, field.and_then(Field::schema))?;
            Ok(ordered(merged, order.unwrap_or(&patch), &before, identity))
        }
    }
}

/// Carries out `$patch: delete` and `$patch: replace` of items, which are taken from the patch.
fn delete_items(
    mut before: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let identity = Identity::new(Some(key));
    let (mut rest, mut deleted, mut replace) = (Vec::new(), Vec::new(), false);
    for item in patch {
        let Value::Object(map) = &item else {
            let why = format!("{item} is not an object, but the list is merged by {key}");
            return Err(PatchError::DoesNotFit(why));
        };
        match directive(map)? {
            None => rest.push(item),
            Some(Directive::Delete) => {
                identity.of(&item)?;
                deleted.push(item);
            }
            Some(Directive::Replace) => replace = true,
        }
    }
    if replace {
        before.clear();
    } else if !deleted.is_empty() {
        let deleted = identity.places(&deleted);
        before.retain(|item| identity.of(item).is_ok_and(|it| deleted.get(&it).is_none()));
    }
    Ok((before, rest))
}

fn merge_items(
    before: &[Value],
    patch: &[Value],
    identity: Identity<'_>,
    schema: Option<Schema>,
) -> Result<Vec<Value>, PatchError> {
    let mut merged = before.to_vec();
    let mut places = identity.places(before).into_map();
    for item in patch {
        let name = identity.of(item)?;
        match places.get(&name).and_then(|at| merged.get_mut(*at)) {
            Some(place) => {
                let (before, item) = (map(Some(place.take())), map(Some(item.clone())));
                *place = Value::Object(merge_map(before, item, schema)?);
            }
            None => {
                places.insert(name, merged.len());
                merged.extend(cleaned(item.clone()));
            }
        }
    }
    Ok(merged)
}

/// Carries out `$deleteFromPrimitiveList/FIELD`.
fn delete_from_lists(
    object: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
) -> Result<(), PatchError> {
    for (name, deleted) in take_directives(patch, DELETE_FROM) {
        let Value::Array(deleted) = deleted else {
            return Err(malformed(DELETE_FROM, &name));
        };
        let deleted = Identity::new(None).places(&deleted);
        if let Some(Value::Array(items)) = object.get_mut(&name) {
            items.retain(|item| deleted.get(&item.to_string()).is_none());
        }
    }
    Ok(())
}

/// Carries out `$setElementOrder/FIELD`, and the patches of the lists that it orders.
fn merge_ordered_lists(
    object: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    schema: Option<Schema>,
) -> Result<(), PatchError> {
    for (name, order) in take_directives(patch, ORDER) {
        let Value::Array(order) = order else { return Err(malformed(ORDER, &name)) };
        let field = schema.and_then(|schema| schema.by_name(&name));
        let patched = match patch.remove(&name) {
            None => Vec::new(),
            Some(Value::Array(patched)) => patched,
            // The list is removed, or has another type.
            Some(other) => {
                patch.insert(name, other);
                continue;
            }
        };
        let identity = Identity::new(key(field.map_or(Merge::Replace, |field| field.merge)));
        let places = identity.places(&order);
        for item in patched.iter().filter(|item| item.get(PATCH).is_none()) {
            if places.get(&identity.of(item)?).is_none() {
                let why = format!("the order of {name} in the patch does not have {item}");
                return Err(PatchError::DoesNotFit(why));
            }
        }
        let before = match object.remove(&name) {
            Some(Value::Array(before)) => before,
            _ if patched.is_empty() => continue,
            _ => Vec::new(),
        };
        let merged = if patched.is_empty() {
            ordered(before.clone(), &order, &before, identity)
        } else {
            merge_list(before, patched, Some(&order), field)?
        };
        object.insert(name, Value::Array(merged));
    }
    Ok(())
}

/// Takes the directives with this prefix from a patch: the field's name, and the value.
fn take_directives(patch: &mut Map<String, Value>, prefix: &str) -> Vec<(String, Value)> {
    let keys: Vec<_> = patch.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
    let taken = keys.into_iter().filter_map(|key| {
        let name = key.strip_prefix(prefix)?.to_owned();
        Some((name, patch.remove(&key)?))
    });
    taken.collect()
}

fn malformed(directive: &str, name: &str) -> PatchError {
    PatchError::Malformed(format!("{directive}{name} is not a list"))
}

fn key(merge: Merge) -> Option<&'static str> {
    match merge {
        Merge::Key(key) => Some(key),
        Merge::Replace | Merge::Union => None,
    }
}

fn map(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}
