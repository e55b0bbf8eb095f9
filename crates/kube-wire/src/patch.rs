//! Patches on JSON values.
//!
//! - JSON patch and merge patch: `kubectl patch --type json|merge`, `kubectl label`, `kubectl scale`.
//! - Strategic merge patch: `kubectl apply`, `edit`, `set image`, `rollout restart`. Items of lists
//!   are merged by their keys, which the schema has.
//! - Server-side apply: `kubectl apply --server-side`, Helm 4. For each manager the object that it
//!   applied last is kept, and a manager conflicts with another one's field of another value.
//!
//! A patch cannot grow an object without bounds: operations, copied bytes and depth are limited.

use serde_json::Value;

use crate::schema::Schema;
use crate::status::{Status, protocol};

mod apply;
mod directives;
mod json;
mod lists;
mod merge;
mod pointer;
mod strategic;

pub use apply::{Applied, ApplyError};
pub use json::json_patch;
pub use merge::merge_patch;

#[cfg(test)]
mod tests;

/// How deep a patched object may be.
const MAX_DEPTH: usize = 128;

/// A patch that cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch has another form.
    #[error("{0}")]
    Malformed(String),
    /// There are too many operations.
    #[error("The allowed maximum operations in a JSON patch is {limit}, got {found}")]
    TooManyOperations {
        /// The most that are allowed.
        limit: usize,
        /// How many there are.
        found: usize,
    },
    /// The patch does not fit the object.
    #[error("{0}")]
    DoesNotFit(String),
    /// The patched object would be too large or too deep.
    #[error("the patched object would be too large or too deep")]
    TooLarge,
}

impl From<PatchError> for Status {
    fn from(error: PatchError) -> Self {
        match &error {
            PatchError::Malformed(why) => Self::bad_request(why),
            PatchError::TooManyOperations { .. } | PatchError::TooLarge => {
                protocol::too_large(&error.to_string())
            }
            PatchError::DoesNotFit(why) => Self::unprocessable(why),
        }
    }
}

/// Applies a strategic merge patch to an object of this type. Without a type all lists are replaced.
pub fn strategic_merge_patch(
    object: &Value,
    patch: &Value,
    schema: Option<Schema>,
) -> Result<Value, PatchError> {
    let (Value::Object(object), Value::Object(patch)) = (object, patch) else {
        return Err(PatchError::Malformed("a strategic merge patch is an object".to_owned()));
    };
    check_depth(&Value::Object(patch.clone()))?;
    let merged = strategic::merge_map(object.clone(), patch.clone(), schema)?;
    Ok(Value::Object(merged))
}

fn check_depth(value: &Value) -> Result<(), PatchError> {
    if depth(value) > MAX_DEPTH { Err(PatchError::TooLarge) } else { Ok(()) }
}

/// How deep a value is; 0 for one that is no object or array. Values here are at most some hundred
/// deep, so the recursion is bounded.
fn depth(value: &Value) -> usize {
    let below = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(map) => map.values().map(depth).max(),
        _ => return 0,
    };
    below.unwrap_or(0) + 1
}
