//! Environment variables, and where their values come from.

use super::{PodField, ResourceField};

/// An environment variable of a container.
#[derive(Clone, PartialEq)]
pub struct EnvVar {
    /// Name of printable ASCII characters without `=`.
    pub name: String,
    /// Literal value, or the value that the ConfigMap or Secret had when the pod was applied. It is
    /// stored because a restart needs it and the object itself is not stored.
    pub value: String,
    /// Kubernetes' `valueFrom`; `None` for a literal value.
    pub from: Option<EnvSource>,
    /// Whether the value follows an object that the Kubernetes API stores. A change of it takes effect
    /// at the next start.
    pub is_stored: bool,
}

/// Source of a variable's value other than a literal; Kubernetes' `EnvVarSource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvSource {
    /// A key of a ConfigMap.
    ConfigMap {
        /// Name of the ConfigMap, in the pod's namespace.
        name: String,
        /// Key of its data.
        key: String,
    },
    /// A key of a Secret.
    Secret {
        /// Name of the Secret, in the pod's namespace.
        name: String,
        /// Key of its data.
        key: String,
    },
    /// A field of the pod, read at each start.
    Field(PodField),
    /// A resource request or limit of a container, computed at each start.
    Resource(ResourceField),
}

impl EnvVar {
    /// Makes a variable with a literal value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), from: None, is_stored: false }
    }
}

/// Leaves out the value of a Secret, so that it is not logged.
impl std::fmt::Debug for EnvVar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("EnvVar");
        shown.field("name", &self.name);
        if !matches!(self.from, Some(EnvSource::Secret { .. })) {
            shown.field("value", &self.value);
        }
        shown.field("from", &self.from).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_no_value_of_a_secret() {
        let from = EnvSource::Secret { name: "db".into(), key: "password".into() };
        let var = EnvVar { from: Some(from), ..EnvVar::new("PASSWORD", "hunter2") };
        let shown = format!("{var:?}");
        assert!(shown.contains("password") && !shown.contains("hunter2"), "{shown}");
    }
}
