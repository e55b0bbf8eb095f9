//! Rules of the kinds that are only stored: what they are defaulted to, and which objects are valid.
//! The texts of errors are Kubernetes'.

use serde_json::Value;

use crate::status::FieldError;

mod config_map;
mod data;
mod metadata;
mod names;
mod namespace;
mod secret;
mod service_account;
#[cfg(test)]
mod tests;

pub use metadata::{is_being_deleted, is_kept, metadata_errors};
pub use namespace::{NAME_LABEL, PERMANENT};

/// The rules of one kind.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Sets the fields that the object does not have.
    pub default: fn(&mut Value),
    /// Returns the errors of an object, also against the one that it replaces.
    pub validate: fn(new: &Value, old: Option<&Value>) -> Vec<FieldError>,
    /// True if `metadata.generation` counts the changes of `spec`.
    pub has_generation: bool,
    /// Names of objects that cannot be deleted.
    pub permanent: &'static [&'static str],
    /// Changes an object whose deletion begins, beside its `deletionTimestamp`.
    pub delete: fn(&mut Value),
    /// What clients are warned of when they write an object.
    pub warning: Option<&'static str>,
}

/// The rules of a kind without any.
const NONE: Rules = Rules {
    default: |_| {},
    validate: |_, _| Vec::new(),
    has_generation: false,
    permanent: &[],
    delete: |_| {},
    warning: None,
};

impl Rules {
    /// The rules of a kind that has others elsewhere, and a generation.
    pub const COUNTED: Self = Self { has_generation: true, ..NONE };

    /// The rules of a kind of the core group; `None` for a kind that has others.
    pub fn of_core(kind: &str) -> Option<Self> {
        match kind {
            "ConfigMap" => Some(config_map::RULES),
            "Namespace" => Some(namespace::RULES),
            "Secret" => Some(secret::RULES),
            "ServiceAccount" => Some(service_account::RULES),
            _ => None,
        }
    }
}

/// The name of an object: a label, or a subdomain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameForm {
    /// An RFC 1123 label of at most 63 bytes.
    Label,
    /// An RFC 1123 subdomain of at most 253 bytes.
    Subdomain,
}
