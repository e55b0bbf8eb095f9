//! A JSON value → Kubernetes' type. Each unknown field and each wrong type is an error with its path.

use k8s_openapi::Resource;
use k8s_openapi::api::core::v1::Pod;
use serde::de::DeserializeOwned;
use serde_ignored::Path;
use serde_json::Value;

use crate::field_path::{WHOLE, member};
use crate::manifest_error::ManifestError;
use crate::suggestion::unknown_field;
use probelet_domain::spec::SpecError;

/// The pod without its unknown fields, and an error for each of those.
pub fn pod(value: &Value) -> Result<(Pod, Vec<SpecError>), ManifestError> {
    tolerant(value, "v1")
}

/// An object of any kind, whose `apiVersion` must be `version`.
pub fn typed<T: DeserializeOwned + Resource>(
    value: &Value,
    version: &str,
) -> Result<T, ManifestError> {
    let (object, unknown) = tolerant(value, version)?;
    if unknown.is_empty() { Ok(object) } else { Err(ManifestError(unknown)) }
}

/// The object without its unknown fields, and an error for each of those.
fn tolerant<T: DeserializeOwned + Resource>(
    value: &Value,
    version: &str,
) -> Result<(T, Vec<SpecError>), ManifestError> {
    identity(value, version, T::KIND)?;
    let mut errors = Vec::new();
    let unknown = &mut |path: Path<'_>| {
        let path = text_of(&path);
        let why = unknown_field(&path);
        errors.push(SpecError::new(path, why));
    };
    match read(value, unknown) {
        Ok(object) => Ok((object, errors)),
        Err(error) => {
            errors.push(error);
            Err(ManifestError(errors))
        }
    }
}

/// The value as one of Kubernetes' types. `unknown` gets the path of each field that the type does
/// not have.
///
/// All readers of Kubernetes' types use this function, and all of them use it with the same
/// deserializer. The compiler makes the large code that reads a pod once for each deserializer.
pub fn read<T: DeserializeOwned>(
    value: &Value,
    mut unknown: &mut dyn FnMut(Path<'_>),
) -> Result<T, SpecError> {
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
    let tracked = serde_ignored::Deserializer::new(tracked, &mut unknown);
    let read = T::deserialize(tracked);
    read.map_err(|error| {
        let path = track.path().to_string();
        let field = if path == "." { WHOLE.to_owned() } else { path };
        SpecError::new(field, error.to_string())
    })
}

/// Checks kind and version: one error is clearer than an unknown field for each field of another
/// kind.
fn identity(value: &Value, version: &str, kind: &str) -> Result<(), ManifestError> {
    if !value.is_object() {
        return Err(SpecError::new(WHOLE, "is not a mapping: expected one Pod").into());
    }
    let mut errors = Vec::new();
    for (field, wanted) in [("apiVersion", version), ("kind", kind)] {
        match value.get(field) {
            Some(Value::String(text)) if text == wanted => {}
            None | Some(Value::Null) => {
                errors.push(SpecError::required(field, &format!("must be {wanted}")))
            }
            Some(Value::String(text)) => {
                errors.push(SpecError::unsupported(field, text, &[wanted]))
            }
            Some(other) => {
                errors.push(SpecError::new(
                    field,
                    format!("Invalid value: {other}: must be {wanted}"),
                ));
            }
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(ManifestError(errors)) }
}

/// `spec.containers[0].livenessProb`, where serde_ignored writes `spec.containers.0.?.livenessProb`.
fn text_of(path: &Path<'_>) -> String {
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", text_of(parent)),
        Path::Map { parent, key } => member(&text_of(parent), key),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => text_of(parent),
    }
}
