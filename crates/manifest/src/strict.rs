//! JSON value → Kubernetes' own type, with every unknown field and the path of a wrong type.

use k8s_openapi::Resource;
use k8s_openapi::api::core::v1::Pod;
use serde::de::DeserializeOwned;
use serde_ignored::Path;
use serde_json::Value;

use super::ManifestError;
use super::document::WHOLE;
use probelet_domain::spec::SpecError;

/// The pod without the fields that are unknown, and an error for each of those.
pub(super) fn pod(value: &Value) -> Result<(Pod, Vec<SpecError>), ManifestError> {
    known(value, "v1")
}

/// Any kind of object; `version` as it is written.
pub(super) fn typed<T: DeserializeOwned + Resource>(
    value: &Value,
    version: &str,
) -> Result<T, ManifestError> {
    let (object, unknown) = known(value, version)?;
    if unknown.is_empty() { Ok(object) } else { Err(ManifestError(unknown)) }
}

fn known<T: DeserializeOwned + Resource>(
    value: &Value,
    version: &str,
) -> Result<(T, Vec<SpecError>), ManifestError> {
    identity(value, version, T::KIND)?;
    let mut errors = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
    let result = serde_ignored::deserialize(tracked, |path| {
        errors.push(SpecError::new(written(&path), "unknown field"));
    });
    match result {
        Ok(object) => Ok((object, errors)),
        Err(error) => {
            let path = track.path().to_string();
            let field = if path == "." { WHOLE.to_owned() } else { path };
            errors.push(SpecError::new(field, error.to_string()));
            Err(ManifestError(errors))
        }
    }
}

/// Another kind's fields would all be unknown; one error that says so is worth more.
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
fn written(path: &Path<'_>) -> String {
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", written(parent)),
        Path::Map { parent, key } => super::fields::member(&written(parent), key),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => written(parent),
    }
}
