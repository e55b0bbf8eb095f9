//! Label and field selectors: `kubectl get -l app=web,tier!=db`, `--field-selector
//! status.phase=Running`, the watches of client-go on one name, and the selections of stern,
//! `kubectl describe node` and the e2e framework.
//!
//! Grammar and error texts are Kubernetes' own. An absent field is an empty text, or the default of
//! its kind, so `spec.unschedulable=false` selects a node without that field.

use crate::status::Status;

mod fields;
mod labels;
mod lexer;
mod names;
mod parser;
mod requirement;
mod selectable;

pub use fields::FieldSelector;
pub use labels::LabelSelector;
pub use names::{key_error as label_key_error, value_error as label_value_error};
pub use selectable::Selectable;

#[cfg(test)]
mod tests;

/// Most bytes of a selector.
const MAX_BYTES: usize = 64 * 1024;

/// A selector that cannot be read, with Kubernetes' text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(String);

impl SelectorError {
    fn too_long() -> Self {
        Self(format!("the selector is longer than {MAX_BYTES} bytes"))
    }
}

impl From<SelectorError> for Status {
    fn from(error: SelectorError) -> Self {
        Self::bad_request(error.0)
    }
}
