//! Environment variables, and where their values come from.

use serde::{Deserialize, Serialize};

use super::{PodField, ResourceField};

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvVar {
    pub name: String,
    /// Of a ConfigMap or Secret what it said when the pod was applied: a restart needs it, and
    /// the object itself is kept nowhere.
    pub value: String,
    #[serde(default)]
    pub from: Option<EnvSource>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnvSource {
    ConfigMap {
        name: String,
        key: String,
    },
    Secret {
        name: String,
        key: String,
    },
    /// Read at each start.
    Field(PodField),
    Resource(ResourceField),
}

impl EnvVar {
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), from: None }
    }
}

/// A secret stays one in whatever is logged.
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
    fn a_secret_is_not_in_what_is_logged() {
        let from = EnvSource::Secret { name: "db".into(), key: "password".into() };
        let var = EnvVar { from: Some(from), ..EnvVar::new("PASSWORD", "hunter2") };
        let shown = format!("{var:?}");
        assert!(shown.contains("password") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_record_from_before_sources_is_read() {
        let old: EnvVar = serde_json::from_str(r#"{"name": "A", "value": "b"}"#).unwrap();
        assert_eq!(old, EnvVar::new("A", "b"));
    }
}
