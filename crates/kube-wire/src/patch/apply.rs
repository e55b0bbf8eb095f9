//! Server-side apply, as a merge of three: the live object, what a manager applied last, and what it
//! applies now.
//!
//! For each manager the object that it applied last is kept, where Kubernetes keeps the set of its
//! fields. A field that a manager stops applying is removed if no other one applies it and no other write has
//! changed it since. A field that another manager applies with another value is a conflict, unless
//! the live object has the new value already or the request has `force`. Changes by other writes have
//! no manager: the next apply overwrites them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{PatchError, check_depth};
use crate::schema::Schema;
use crate::status::{Cause, Status};

mod conflict;
mod item;
mod merge;
mod prune;

/// Most managers of an object.
const MAX_MANAGERS: usize = 16;
/// Most bytes that a manager applies.
const MAX_APPLIED: usize = 64 * 1024;

/// Fields that no manager owns: they name the object, or the server sets them.
const UNOWNED: [&str; 10] = [
    "name",
    "namespace",
    "generateName",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
    "selfLink",
];

/// Why an object cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Other managers apply these fields with other values: manager and field.
    #[error("Apply failed with {} conflict{}", .0.len(), if .0.len() == 1 { "" } else { "s" })]
    Conflicts(Vec<(String, String)>),
    /// The object has another form, or is too large.
    #[error(transparent)]
    Patch(#[from] PatchError),
}

impl ApplyError {
    /// The 409 that kubectl prints, with the version of the object that was applied.
    pub fn into_status(self, api_version: &str) -> Status {
        let conflicts = match self {
            Self::Patch(error) => return error.into(),
            Self::Conflicts(conflicts) => conflicts,
        };
        let text = |manager: &str| format!("conflict with {manager:?} using {api_version}");
        let causes = conflicts.iter().map(|(manager, field)| {
            Cause::new("FieldManagerConflict", text(manager), field.clone())
        });
        let message = match conflicts.as_slice() {
            [(manager, field)] => {
                format!("Apply failed with 1 conflict: {}: {field}", text(manager))
            }
            several => {
                let lines = several.iter().map(|(it, field)| format!("- {}: {field}", text(it)));
                let lines = lines.collect::<Vec<_>>().join("\n");
                format!("Apply failed with {} conflicts:\n{lines}", several.len())
            }
        };
        Status::apply_conflict(message, causes.collect())
    }
}

/// What each manager applied last. It is stored beside the object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Applied {
    managers: BTreeMap<String, Value>,
}

impl Applied {
    /// Applies an object of a manager. Returns the live object and the managers as they are then.
    pub fn apply(
        &self,
        live: &Value,
        config: &Value,
        manager: &str,
        force: bool,
        schema: Option<Schema>,
    ) -> Result<(Value, Self), ApplyError> {
        check_depth(config)?;
        let Value::Object(config) = config else {
            return Err(PatchError::Malformed("an applied object is an object".to_owned()).into());
        };
        let config = owned(config);
        if config.to_string().len() > MAX_APPLIED {
            return Err(PatchError::TooLarge.into());
        }
        item::check_unique(&config, schema)?;
        let mut next = self.clone();
        let previous = next.managers.remove(manager).unwrap_or(Value::Null);
        let found = conflict::find(live, &config, &next.managers, schema);
        if !found.is_empty() {
            if !force {
                return Err(ApplyError::Conflicts(found));
            }
            let others = next.managers.values_mut();
            others.for_each(|other| conflict::give_up(other, live, &config, schema));
        }
        let mut merged = live.clone();
        merge::merge(&mut merged, &config, schema);
        let others: Vec<_> = next.managers.values().collect();
        prune::prune(&mut merged, &previous, &config, &others, schema);
        next.managers.insert(manager.to_owned(), config);
        if next.managers.len() > MAX_MANAGERS {
            return Err(PatchError::TooLarge.into());
        }
        Ok((merged, next))
    }

    /// The managers' names.
    pub fn managers(&self) -> impl Iterator<Item = &str> {
        self.managers.keys().map(String::as_str)
    }
}

/// The part of an object that a manager owns: without nulls, and without what names the object.
fn owned(config: &Map<String, Value>) -> Value {
    let mut owned: Map<_, _> = config
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind"))
        .filter_map(|(key, value)| Some((key.clone(), without_nulls(value)?)))
        .collect();
    if let Some(Value::Object(metadata)) = owned.get_mut("metadata") {
        metadata.retain(|key, _| !UNOWNED.contains(&key.as_str()));
    }
    Value::Object(owned)
}

fn without_nulls(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(map) => {
            let kept = map.iter().filter_map(|(key, it)| Some((key.clone(), without_nulls(it)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => Some(items.iter().filter_map(without_nulls).collect()),
        other => Some(other.clone()),
    }
}
