//! The errors of a manifest, and the warnings that were found with them.

use probelet_domain::spec::{SUMMARY, SpecError, SpecErrors};

/// All errors of a manifest. A text that is not YAML has one error, of the field `manifest`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", SpecErrors::summary(.0, SUMMARY))]
pub struct ManifestError(pub Vec<SpecError>);

/// The errors of a manifest, with the warnings of the same manifest.
#[derive(Debug, Default)]
pub struct Refused {
    pub(crate) errors: Vec<SpecError>,
    pub(crate) warnings: Vec<String>,
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
