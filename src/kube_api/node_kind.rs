//! The node as a kind that clients write: `kubectl cordon`, `uncordon` and `drain`.
//!
//! Only `spec.unschedulable` can change. On a cordoned node the controllers create no pods, but for
//! DaemonSets; a pod that a client creates runs, because there is no scheduler.

use std::sync::Arc;

use async_trait::async_trait;
use probelet_kube_wire::discovery::{Catalog, Served};
use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::status::{FieldError, GroupResource, Status};
use serde_json::Value;

use super::identity::Identity;
use super::writes::{Change, Deletion, Kind, Live, Outcome, group_kind, text};
use crate::kube_objects::{Edit, StoreError, StoredObjects};

const BIT: &str = "unschedulable";

pub struct NodeKind {
    served: &'static Served,
    objects: StoredObjects,
}

impl NodeKind {
    /// The kind, with what its objects are stored as; `None` if the catalog serves no nodes.
    pub fn kind(catalog: &Catalog, objects: &StoredObjects) -> Option<(Stored, Arc<dyn Kind>)> {
        let served = catalog.find("", "v1", "nodes")?;
        Some((Stored::of(served), Arc::new(Self { served, objects: objects.clone() })))
    }

    fn unsupported(verb: &str) -> Status {
        Status::method_not_supported(&resource(), verb)
    }
}

fn resource() -> GroupResource {
    GroupResource::new("", "nodes")
}

/// The object without the field that may change.
fn without_bit(node: &Value) -> Value {
    let mut node = node.clone();
    if let Some(spec) = node.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove(BIT);
    }
    node
}

#[async_trait]
impl Kind for NodeKind {
    /// As in Kubernetes, a node that is not cordoned does not have the field.
    fn default(&self, object: &mut Value) {
        let Some(object) = object.as_object_mut() else { return };
        let spec = object.entry("spec").or_insert_with(|| Value::Object(serde_json::Map::new()));
        if let Some(spec) = spec.as_object_mut().filter(|spec| spec.get(BIT) == Some(&false.into()))
        {
            spec.remove(BIT);
        }
    }

    async fn live(&self, key: &Key) -> Result<Option<Live>, Status> {
        let stored = Stored::of(self.served);
        let found = self.objects.get(stored, key);
        Ok(found.map(|object| Live { object, applied: self.objects.applied(stored, key) }))
    }

    fn check_new(&self, _: &Value) -> Result<(), Status> {
        Err(Self::unsupported("create"))
    }

    async fn create(&self, _: Change<'_>) -> Result<Outcome, Status> {
        Err(Self::unsupported("create"))
    }

    async fn update(&self, live: &Live, change: Change<'_>) -> Result<Outcome, Status> {
        let Change { object, applied, dry_run, .. } = change;
        let (before, after) = (without_bit(&live.object), without_bit(&object));
        let name = text(&live.object, "name");
        for field in ["metadata", "spec"] {
            if before.get(field) != after.get(field) {
                let why = "this node describes its host: only spec.unschedulable can be changed";
                let error = FieldError::forbidden(field, why);
                return Err(Status::invalid(&group_kind(self.served), name, &[error]));
            }
        }
        let is_same = object == *live.object && applied == live.applied;
        if is_same || dry_run {
            return Ok(Outcome { object: Arc::new(object), warnings: Vec::new() });
        }
        let version = text(&live.object, "resourceVersion").to_owned();
        let edit = Edit::Update { version, object, applied };
        let edited = self.objects.edit(Stored::of(self.served), edit).await;
        let object = edited.map_err(|error| match error {
            StoreError::Modified => Status::modified(&resource(), name),
            StoreError::Late => Status::timeout(&error.to_string(), 1),
            other => Status::internal(&other.to_string()),
        })?;
        Ok(Outcome { object, warnings: Vec::new() })
    }

    async fn delete(&self, _: &Live, _: Deletion<'_>) -> Result<Arc<Value>, Status> {
        Err(Self::unsupported("delete"))
    }

    async fn create_subresource(
        &self,
        _: &Live,
        _: &str,
        _: &Value,
        _: &Identity,
    ) -> Result<Value, Status> {
        Err(Self::unsupported("create"))
    }
}
