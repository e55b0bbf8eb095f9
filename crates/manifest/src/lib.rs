//! Kubernetes Pod manifests ⇄ the domain's spec and status.
//!
//! One promise: nothing in a manifest is silently ignored. Every field is honoured, warned about
//! or refused by its name; `fields.rs` holds the one list. The way in has four stages, and each
//! gathers all that it can say before it gives up:
//!
//! 1. text → JSON value ([`document`]): one document, no duplicate keys;
//! 2. value → Kubernetes' own type ([`strict`]): unknown fields and wrong types, by path;
//! 3. the walk over what is set ([`fields`]): warned or refused;
//! 4. Kubernetes' type → [`PodSpec`] ([`convert`]): defaults, enumerations, ranges.
//!
//! The spec is not validated here: callers have [`validate`] for that.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

use std::collections::HashSet;

use serde_json::Value;

use objects::Objects;
use probelet_domain::spec::{PodSpec, SUMMARY, SpecError, SpecErrors, Validated};

mod annotations;
mod backoff;
mod batch;
mod bounds;
mod convert;
mod defaults;
mod directory;
mod document;
mod downward;
mod env;
mod evidence;
mod export;
mod fields;
mod kinds;
mod labels;
mod lifecycle;
mod lists;
mod log_limits;
mod marks;
mod message;
mod objects;
mod others;
mod probes;
mod probes_out;
mod pull_secrets;
mod resources;
mod security;
mod sources;
mod spec_out;
mod status_out;
mod strict;
mod surroundings;
#[cfg(test)]
mod tests;
mod volumes;
mod volumes_out;

pub use annotations::{MANIFEST_ERROR, ServerMade, on_failure};
pub use batch::{Batch, batch};
pub use bounds::BYTES as LARGEST;
pub use directory::reading;
pub use export::{Export, export};
pub use kinds::pod_name;
pub use labels::{care, restart};
pub use lists::{Member, members};
pub use probes_out::{outcome, verdict};
pub use sources::{File, Finding, Place, Severity, Sources};
pub use status_out::{to_json, to_v1_pod};

/// What a manifest asks for, and what in it has no effect here.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub spec: PodSpec,
    /// `field: ignored: why`, for people.
    pub warnings: Vec<String>,
}

/// All that is wrong with a manifest; text that is no YAML at all has the field `manifest`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", SpecErrors::summary(.0, SUMMARY))]
pub struct ManifestError(pub Vec<SpecError>);

/// What is wrong with a manifest, and what else there is to say of it.
#[derive(Debug, Default)]
struct Refused {
    errors: Vec<SpecError>,
    warnings: Vec<String>,
}

impl From<Refused> for ManifestError {
    fn from(refused: Refused) -> Self {
        Self(refused.errors)
    }
}

impl From<ManifestError> for Refused {
    fn from(errors: ManifestError) -> Self {
        Self { errors: errors.0, warnings: Vec::new() }
    }
}

impl From<SpecError> for ManifestError {
    fn from(error: SpecError) -> Self {
        Self(vec![error])
    }
}

/// Reads one Pod from YAML or JSON. `uid` is the caller's: a new random one for a new pod.
pub fn parse(text: &str, uid: String) -> Result<Parsed, ManifestError> {
    parse_value(document::single(text)?, uid)
}

/// Every document in `text` that holds something; each is one for [`members`].
pub fn documents(text: &str) -> Result<Vec<Value>, ManifestError> {
    Ok(document::all(text).map_err(SpecError::from)?)
}

/// [`PodSpec::validate`], with the fields of a manifest.
pub fn validate(spec: PodSpec) -> Result<Validated<PodSpec>, ManifestError> {
    let errors = match spec.clone().validate() {
        Ok(valid) => return Ok(valid),
        Err(errors) => errors.0.into_iter(),
    };
    let renamed = errors.map(|error| match annotations::field(&spec, &error.field) {
        Some(field) => SpecError { field, ..error },
        None => error,
    });
    Err(ManifestError(renamed.collect()))
}

/// Reads one Pod from a JSON value.
pub fn parse_value(value: Value, uid: String) -> Result<Parsed, ManifestError> {
    Ok(parse_with(value, uid, &Objects::default())?)
}

fn parse_with(value: Value, uid: String, objects: &Objects) -> Result<Parsed, Refused> {
    let walked = fields::walk(&value);
    let mut warnings = walked.warnings;
    let (pod, unknown) = match strict::pod(&value) {
        Ok(read) => read,
        Err(ManifestError(errors)) => return Err(Refused { errors, warnings }),
    };
    let mut converted = convert::pod(pod, uid, objects);
    warnings.append(&mut converted.warnings);
    if unknown.is_empty() && walked.refused.is_empty() && converted.errors.is_empty() {
        return Ok(Parsed { spec: converted.spec, warnings });
    }
    // Whoever has to edit the manifest anyway should hear of everything in one go. But what is
    // missing may be what an unknown field was meant to be.
    let is_misspelt = !unknown.is_empty();
    let more = validate(converted.spec).err().map(|errors| errors.0).unwrap_or_default();
    let more = converted.errors.into_iter().chain(more);
    let more = more.filter(|error| !(is_misspelt && error.reason.starts_with("Required")));
    let mut fields = HashSet::new();
    let mut errors: Vec<SpecError> =
        unknown.into_iter().chain(walked.refused).chain(more).collect();
    errors.retain(|error| fields.insert(error.field.clone()));
    Err(Refused { errors, warnings })
}
