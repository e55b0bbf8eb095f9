//! Events in the form of `events.k8s.io/v1`, which k9s reads: `regarding`, `note`, and the fields of
//! the core group with `deprecated` in front.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::discovery::Served;

#[cfg(test)]
mod tests;

/// The fields whose names differ: core group, `events.k8s.io`.
const FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// True if a served resource has the form in which its objects are stored. Only events have two forms.
pub fn is_stored_form(served: &Served) -> bool {
    (served.group, served.name) != ("events.k8s.io", "events")
}

/// The stored object in the form of a served resource.
pub fn served_as<'a>(served: &Served, object: &'a Value) -> Cow<'a, Value> {
    match object {
        Value::Object(event) if !is_stored_form(served) => {
            Cow::Owned(Value::Object(events_k8s_io(event)))
        }
        _ => Cow::Borrowed(object),
    }
}

/// As [`served_as`], of an object that is not needed any more.
pub fn into_served(served: &Served, object: Value) -> Value {
    match served_as(served, &object) {
        Cow::Owned(other) => other,
        Cow::Borrowed(_) => object,
    }
}

fn events_k8s_io(event: &Map<String, Value>) -> Map<String, Value> {
    let renamed = event.iter().map(|(key, value)| {
        let row = FIELDS.iter().find(|(core, _)| core == key);
        let value = match key.as_str() {
            "apiVersion" => Value::String("events.k8s.io/v1".to_owned()),
            _ => value.clone(),
        };
        (row.map_or_else(|| key.clone(), |(_, name)| (*name).to_owned()), value)
    });
    renamed.collect()
}
