//! What an object is stored under.

use serde_json::Value;

use crate::discovery::Served;

/// A resource as it is stored. Events of both groups are the same objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    group: &'static str,
    resource: &'static str,
}

impl Stored {
    /// Where the objects of a served resource are.
    pub fn of(served: &Served) -> Self {
        let group = match (served.group, served.name) {
            ("events.k8s.io", "events") => "",
            (group, _) => group,
        };
        Self { group, resource: served.name }
    }
}

/// The plural name, with `.GROUP` outside the core group.
impl std::fmt::Display for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// The object has no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an object without metadata.name cannot be stored")]
pub struct NoKey;

/// The namespace and name of an object, in the order of lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    namespace: String,
    name: String,
}

impl Key {
    /// The namespace is empty for objects without one.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object.
    pub fn of(object: &Value) -> Result<Self, NoKey> {
        let text = |name| object.get("metadata")?.get(name)?.as_str();
        let name = text("name").filter(|name| !name.is_empty()).ok_or(NoKey)?;
        Ok(Self::new(text("namespace").unwrap_or_default(), name))
    }

    /// The namespace; empty if there is none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}
