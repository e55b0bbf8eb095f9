//! One Pod manifest → [`PodSpec`].

use std::collections::HashSet;

use serde_json::Value;

use crate::manifest_error::{ManifestError, Refused};
use crate::objects::Objects;
use crate::{annotations, convert, document, field_walk, strict};
use probelet_domain::spec::{PodSpec, SpecError, Validated};

/// The spec that a manifest asks for, and its warnings.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The spec, which is not validated yet: see [`validate`].
    pub spec: PodSpec,
    /// `field: ignored: why`, for people.
    pub warnings: Vec<String>,
}

/// Reads one Pod from YAML or JSON. `uid` becomes the pod's: a new pod needs a new random one.
///
/// # Errors
///
/// All errors of the manifest, also if the text holds no document or more than one.
pub fn parse(text: &str, uid: String) -> Result<Parsed, ManifestError> {
    parse_value(document::single(text)?, uid)
}

/// Reads one Pod from a JSON value, as [`parse`] does from a text.
///
/// # Errors
///
/// All errors of the manifest.
pub fn parse_value(value: Value, uid: String) -> Result<Parsed, ManifestError> {
    Ok(parse_with(&value, uid, &Objects::default())?)
}

/// The documents of a text that are not empty. Each may be a list: see [`members`](crate::members).
///
/// # Errors
///
/// One error if the text is not YAML or JSON, or exceeds a bound.
pub fn documents(text: &str) -> Result<Vec<Value>, ManifestError> {
    Ok(document::all(text).map_err(SpecError::from)?)
}

/// Validates a spec as [`PodSpec::validate`] does, but names the fields of a manifest: some
/// settings are annotations there.
///
/// # Errors
///
/// All errors of the spec.
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

/// Reads one Pod that may refer to these ConfigMaps and Secrets.
pub fn parse_with(value: &Value, uid: String, objects: &Objects) -> Result<Parsed, Refused> {
    let walked = field_walk::walk(value);
    let mut warnings = walked.warnings;
    let (pod, unknown) = match strict::pod(value) {
        Ok(read) => read,
        Err(ManifestError(errors)) => return Err(Refused { errors, warnings }),
    };
    let mut converted = convert::pod(pod, uid, objects);
    warnings.append(&mut converted.warnings);
    if unknown.is_empty() && walked.refused.is_empty() && converted.errors.is_empty() {
        return Ok(Parsed { spec: converted.spec, warnings });
    }
    // All errors are reported at once, also those of the validation. But a field that is missing
    // may be the one that an unknown field was meant to be.
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
