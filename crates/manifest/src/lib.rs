//! Kubernetes Pod manifests ⇄ the domain's spec and status.
//!
//! Nothing in a manifest is silently ignored: every field is honoured, warned about or refused by its
//! name, and `fields.rs` has the table. Reading has four stages. Each finds all of its errors before
//! the reading ends:
//!
//! 1. text → JSON values (`document`): no duplicate keys;
//! 2. JSON value → Kubernetes' type (`strict`): unknown fields and wrong types, by their paths;
//! 3. the walk over the fields that are set (`field_walk`): warned about or refused;
//! 4. Kubernetes' type → [`PodSpec`](probelet_domain::spec::PodSpec) (`convert`): defaults, names of
//!    enumerations, ranges.
//!
//! Modules of one field or group of fields have `read` (Kubernetes' type → domain) and `render`
//! (domain → Kubernetes' type).

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

mod annotations;
mod backoff;
mod batch;
mod bounds;
mod container;
mod container_view;
mod convert;
mod defaults;
mod devices;
mod directory;
mod document;
mod downward;
mod durations;
mod env;
mod evidence;
mod explain;
mod export;
mod field_path;
mod field_texts;
mod field_walk;
mod fields;
mod http_get;
mod jobs;
mod kinds;
mod labels;
mod lifecycle;
mod lists;
mod live_sources;
mod log_limits;
mod manifest_error;
mod mark_reader;
mod marks;
mod message;
mod object_defaults;
mod object_refs;
mod objects;
mod optional_fields;
mod parse;
mod pod_view;
mod ports;
mod positions;
mod probe_report;
mod probe_settings;
mod probes;
mod pull_policy;
mod pull_secrets;
mod references;
mod render;
mod resources;
mod restart_policy;
mod security;
mod security_profiles;
mod server_annotations;
pub mod setting_texts;
mod sources;
mod streams;
mod strict;
mod submitted;
mod suggestion;
mod surroundings;
mod table_names;
#[cfg(test)]
mod tests;
mod unreadable;
mod unsupported_kinds;
mod volume_mounts;
mod volume_parts;
mod volumes;

pub use annotations::settings;
pub use batch::{Batch, batch, batch_of_stored};
pub use bounds::BYTES as LARGEST;
pub use directory::reading;
pub use explain::{Explanation, explain};
pub use export::{Export, export};
pub use kinds::pod_key;
pub use labels::{restart, settings_of_labels};
pub use lists::{Member, members};
pub use live_sources::live_sources;
pub use manifest_error::ManifestError;
pub use object_defaults::set_defaults;
pub use parse::{Parsed, documents, parse, parse_value, validate};
pub use pod_view::{followed, to_json, to_v1_pod, v1_pod};
pub use positions::{Position, Positions};
pub use probe_report::{outcome, verdict};
pub use probe_settings::on_failure;
pub use probes::of_short_form;
pub use references::references;
pub use server_annotations::{MANIFEST_ERROR, ServerMade};
pub use sources::{File, Finding, Severity, Sources};
pub use submitted::{SourceObjects, Submission, ignored_fields, submit, written};

/// Quantities, signals and the errors of fields, for clients that read manifests and print objects.
pub use probelet_domain::{quantity, signal, spec::SpecError};
