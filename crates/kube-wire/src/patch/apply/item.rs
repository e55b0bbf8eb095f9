//! How the parts of an object are compared: fields by name, items of keyed lists by their keys, and
//! everything else as a whole.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::patch::PatchError;
use crate::schema::{Field, Label, Merge, Schema};

/// Second keys of lists in which one key is not unique: the type, the field, and its default.
const SECOND_KEYS: [(&str, &str, &str); 3] = [
    ("core.v1.ContainerPort", "protocol", "TCP"),
    ("core.v1.ServicePort", "protocol", "TCP"),
    ("core.v1.TopologySpreadConstraint", "whenUnsatisfiable", "DoNotSchedule"),
];

/// What a list is.
pub(super) enum Items {
    /// Items with keys: fields, and the texts of those that are absent.
    Keyed(Vec<(&'static str, &'static str)>, Option<Schema>),
    /// A set of texts.
    Set,
    /// One value.
    Atomic,
}

impl Items {
    pub(super) fn of(field: Option<&'static Field>) -> Self {
        let Some(field) = field else { return Self::Atomic };
        match field.merge {
            Merge::Replace => Self::Atomic,
            Merge::Union => Self::Set,
            Merge::Key(key) => {
                let schema = field.schema();
                let second = SECOND_KEYS
                    .iter()
                    .filter(|(name, _, _)| schema.is_some_and(|schema| schema.name() == *name));
                let second = second.map(|(_, key, absent)| (*key, *absent));
                Self::Keyed(std::iter::once((key, "")).chain(second).collect(), schema)
            }
        }
    }
}

/// The identity of an item as it is in the path of a field: `[name="app"]`.
pub(super) fn identity(item: &Value, keys: &[(&str, &str)]) -> String {
    let key = |(name, absent): &(&str, &str)| match item.get(*name) {
        Some(value) => format!("{name}={value}"),
        None => format!("{name}={absent:?}"),
    };
    format!("[{}]", keys.iter().map(key).collect::<Vec<_>>().join(","))
}

/// The items of a list by their identities.
pub(super) fn by_identity<'a>(
    list: Option<&'a Value>,
    keys: &[(&str, &str)],
) -> BTreeMap<String, &'a Value> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.map(|item| (identity(item, keys), item)).collect()
}

/// The type of a field that is an object; `None` for a map, whose values are fields of no type.
pub(super) fn schema_of(field: Option<&'static Field>) -> Option<Schema> {
    field.filter(|field| field.label != Label::Map).and_then(Field::schema)
}

/// Refuses an object with two items of one identity, or with an item that is not an object.
pub(super) fn check_unique(value: &Value, schema: Option<Schema>) -> Result<(), PatchError> {
    let Value::Object(map) = value else { return Ok(()) };
    for (name, value) in map {
        let field = schema.and_then(|schema| schema.by_name(name));
        match (value, Items::of(field)) {
            (Value::Array(items), Items::Keyed(keys, schema)) => {
                let mut seen = BTreeSet::new();
                for item in items {
                    let identity = identity(item, &keys);
                    if !item.is_object() || !seen.insert(identity.clone()) {
                        let why = format!("{name}: duplicate entries for key {identity}");
                        return Err(PatchError::DoesNotFit(why));
                    }
                    check_unique(item, schema)?;
                }
            }
            _ => check_unique(value, schema_of(field))?,
        }
    }
    Ok(())
}
