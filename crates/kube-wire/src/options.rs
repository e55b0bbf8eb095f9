//! The options of a request, read from its query: lists and watches, logs, exec, attach,
//! port-forward, writes, deletions, Tables.
//!
//! An option with a value that Kubernetes refuses gets Kubernetes' answer: client-go falls back from
//! a watch with initial events to list and watch on 422, and people see which parameter is wrong.

use crate::query::{ParameterError, Query};
use crate::status::{FieldError, GroupResource, Status};

mod delete;
mod list;
mod log;
mod stream;
mod write;

pub use delete::{DeleteOptions, Propagation};
pub use list::{ListOptions, VersionMatch, VersionRequest};
pub use log::{LogOptions, LogStream};
pub use stream::{CommandOptions, forwarded_ports};
pub use write::{FieldValidation, WriteKind, WriteOptions};

#[cfg(test)]
mod tests;

/// The group of options in error messages.
const META: &str = "meta.k8s.io";

/// 422 if there are errors in an option object of this kind.
fn checked(group: &str, kind: &str, errors: &[FieldError]) -> Result<(), Status> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(&GroupResource::new(group, kind), "", errors))
}

/// How much of an object a row of a Table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IncludeObject {
    /// No object.
    None,
    /// Its metadata, as `PartialObjectMetadata`.
    #[default]
    Metadata,
    /// The whole object: `kubectl get --sort-by`.
    Object,
}

impl IncludeObject {
    /// Reads `includeObject`.
    pub fn parse(query: &Query) -> Result<Self, Status> {
        match query.text("includeObject") {
            None | Some("Metadata") => Ok(Self::Metadata),
            Some("None") => Ok(Self::None),
            Some("Object") => Ok(Self::Object),
            Some(other) => {
                let expected = "must be one of None, Metadata, Object";
                Err(ParameterError::value("includeObject", other, expected).into())
            }
        }
    }
}

/// True if the response is to be indented: the parameter `pretty`, or a browser or a command-line
/// tool without it.
pub fn is_pretty(query: &Query, user_agent: &str) -> bool {
    match query.text("pretty") {
        Some(value) => matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True"),
        None => ["curl", "Wget", "Mozilla/5.0"].iter().any(|it| user_agent.starts_with(it)),
    }
}
