//! Merged lists: which items are the same, and their order. Items that the patch orders come in its
//! order, and those that only the object has stay in front of the items that they were in front of.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value;

use super::PatchError;

/// What two items are the same by: keys of their maps, or the items themselves.
#[derive(Clone, Copy)]
pub(super) struct Identity<'a> {
    key: Option<&'a str>,
}

impl<'a> Identity<'a> {
    pub(super) fn new(key: Option<&'a str>) -> Self {
        Self { key }
    }

    /// The identity of an item as a text. An error if the item does not have the key.
    pub(super) fn of(&self, item: &Value) -> Result<String, PatchError> {
        let Some(key) = self.key else { return Ok(item.to_string()) };
        item.get(key).map(Value::to_string).ok_or_else(|| {
            PatchError::DoesNotFit(format!(
                "map: {item} does not contain declared merge key: {key}"
            ))
        })
    }

    /// Where each item is, the first one of an identity. Items without the key are left out.
    pub(super) fn places(&self, list: &[Value]) -> Places {
        let mut places = BTreeMap::new();
        for (at, item) in list.iter().enumerate() {
            if let Ok(identity) = self.of(item) {
                places.entry(identity).or_insert(at);
            }
        }
        Places(places)
    }
}

/// The places of items by their identities.
pub(super) struct Places(BTreeMap<String, usize>);

impl Places {
    pub(super) fn get(&self, identity: &str) -> Option<usize> {
        self.0.get(identity).copied()
    }

    pub(super) fn into_map(self) -> BTreeMap<String, usize> {
        self.0
    }
}

/// Merged items in order. `order` is the order of the patch, `before` the list of the object before.
pub(super) fn ordered(
    merged: Vec<Value>,
    order: &[Value],
    before: &[Value],
    identity: Identity<'_>,
) -> Vec<Value> {
    let (order, before) = (identity.places(order), identity.places(before));
    let (mut patched, mut others) = (Vec::new(), Vec::new());
    for item in merged {
        let name = identity.of(&item).unwrap_or_default();
        match order.get(&name) {
            Some(place) => patched.push((Some(place), before.get(&name), item)),
            None => others.push((before.get(&name), item)),
        }
    }
    patched.sort_by(|(a, ..), (b, ..)| compare(*a, *b));
    others.sort_by(|(a, _), (b, _)| compare(*a, *b));
    let mut result = Vec::with_capacity(patched.len() + others.len());
    let mut patched = patched.into_iter().peekable();
    for (place, other) in others {
        while let Some((_, _, item)) = patched.next_if(|(_, before, _)| !is_before(place, *before))
        {
            result.push(item);
        }
        result.push(other);
    }
    result.extend(patched.map(|(_, _, item)| item));
    result
}

/// True if both places are known and the first is in front.
fn is_before(a: Option<usize>, b: Option<usize>) -> bool {
    a.zip(b).is_some_and(|(a, b)| a < b)
}

fn compare(a: Option<usize>, b: Option<usize>) -> Ordering {
    a.zip(b).map_or(Ordering::Equal, |(a, b)| a.cmp(&b))
}
