//! Objects that have owners.

use probelet_kube_wire::feed::Key;
use probelet_workload::OwnerReference;
use serde_json::Value;

/// An object that has owners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent {
    pub key: Key,
    pub uid: String,
    pub owners: Vec<OwnerReference>,
    /// True if its deletion has begun.
    pub deleting: bool,
}

impl Dependent {
    /// An object as a dependent; none without owners.
    pub fn of(object: &Value) -> Option<Self> {
        let owners = OwnerReference::all(object);
        let text = |field: &str| object.pointer(field).and_then(Value::as_str);
        (!owners.is_empty()).then_some(())?;
        Some(Self {
            key: Key::of(object).ok()?,
            uid: text("/metadata/uid").unwrap_or_default().to_owned(),
            owners,
            deleting: text("/metadata/deletionTimestamp").is_some(),
        })
    }

    /// The reference to this owner.
    pub fn reference(&self, uid: &str) -> Option<&OwnerReference> {
        self.owners.iter().find(|owner| owner.uid == uid)
    }
}
