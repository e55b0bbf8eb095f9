//! Environment variables, and where their values come from.

use serde::{Deserialize, Serialize};

use super::PodSpec;

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
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodField {
    Name,
    Namespace,
    Uid,
    Label(String),
    Annotation(String),
    NodeName,
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

impl PodField {
    /// A `fieldPath`, as Kubernetes writes it.
    pub fn parse(path: &str) -> Option<Self> {
        let subscript = |field: &str| {
            let key = path.strip_prefix(field)?.strip_prefix("['")?.strip_suffix("']")?;
            (!key.is_empty()).then(|| key.to_owned())
        };
        match path {
            "metadata.name" => Some(Self::Name),
            "metadata.namespace" => Some(Self::Namespace),
            "metadata.uid" => Some(Self::Uid),
            "spec.nodeName" => Some(Self::NodeName),
            _ => subscript("metadata.labels")
                .map(Self::Label)
                .or_else(|| subscript("metadata.annotations").map(Self::Annotation)),
        }
    }

    pub fn path(&self) -> String {
        match self {
            Self::Name => "metadata.name".to_owned(),
            Self::Namespace => "metadata.namespace".to_owned(),
            Self::Uid => "metadata.uid".to_owned(),
            Self::NodeName => "spec.nodeName".to_owned(),
            Self::Label(key) => format!("metadata.labels['{key}']"),
            Self::Annotation(key) => format!("metadata.annotations['{key}']"),
        }
    }
}

impl PodSpec {
    /// A variable's value on the machine of that name. A label that is not there is empty, as in
    /// Kubernetes.
    pub fn value_of(&self, var: &EnvVar, node_name: &str) -> String {
        let Some(EnvSource::Field(field)) = &var.from else { return var.value.clone() };
        self.field(field, node_name)
    }

    pub fn field(&self, field: &PodField, node_name: &str) -> String {
        match field {
            PodField::Name => self.name.clone(),
            PodField::Namespace => self.namespace.clone(),
            PodField::Uid => self.uid.clone(),
            PodField::NodeName => node_name.to_owned(),
            PodField::Label(key) => self.labels.get(key).cloned().unwrap_or_default(),
            PodField::Annotation(key) => self.annotations.get(key).cloned().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::sample;

    #[test]
    fn a_field_path_reads_back_and_has_its_value() {
        let mut pod = sample::pod();
        pod.annotations.insert("a/b".into(), "note".into());
        for (path, value) in [
            ("metadata.name", "web"),
            ("metadata.namespace", "default"),
            ("metadata.uid", "0a1b"),
            ("metadata.labels['app']", "web"),
            ("metadata.labels['none']", ""),
            ("metadata.annotations['a/b']", "note"),
            ("spec.nodeName", "host"),
        ] {
            let field = PodField::parse(path).unwrap();
            assert_eq!(field.path(), path);
            let var = EnvVar { from: Some(EnvSource::Field(field)), ..EnvVar::new("X", "") };
            assert_eq!(pod.value_of(&var, "host"), value, "{path}");
        }
        for path in ["", "metadata.labels", "metadata.labels['']", "status.podIP"] {
            assert_eq!(PodField::parse(path), None, "{path}");
        }
    }

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
