//! Deletes pods and Jobs whose owner does not exist any more.

use std::collections::BTreeSet;

use probelet_kube_wire::discovery::Served;
use probelet_kube_wire::feed::Key;
use probelet_workload::{Kind, OwnerReference, is_garbage};
use serde_json::Value;

use super::api::Api;
use super::pods::Dependent;
use super::queue::Done;

/// The name of the collector in causes.
const BY: &str = "garbage-collector";

/// The UIDs of all workloads.
#[derive(Debug, Default)]
pub struct Owners(BTreeSet<(Kind, String)>);

impl Owners {
    pub fn insert(&mut self, kind: Kind, uid: &str) {
        self.0.insert((kind, uid.to_owned()));
    }

    /// True if the dependent is to be deleted.
    pub fn miss(&self, dependent: &Dependent) -> bool {
        let exists = |kind: Kind, uid: &str| self.0.contains(&(kind, uid.to_owned()));
        !dependent.deleting && is_garbage(&dependent.owners, exists)
    }
}

/// A Job as a dependent.
pub fn dependent(job: &Value) -> Option<Dependent> {
    let text = |field: &str| job.pointer(field).and_then(Value::as_str);
    Some(Dependent {
        key: Key::of(job).ok()?,
        uid: text("/metadata/uid").unwrap_or_default().to_owned(),
        owners: OwnerReference::all(job),
        deleting: text("/metadata/deletionTimestamp").is_some(),
    })
}

/// Deletes a dependent.
pub async fn collect(api: &dyn Api, served: &'static Served, dependent: &Dependent) -> Done {
    let Dependent { key, uid, .. } = dependent;
    match api.delete(served, (key, uid), false, BY).await {
        Err(status) if status.code() != 404 => {
            let (object, error) = (key.name(), status.message());
            tracing::warn!(
                resource = served.name,
                object,
                error,
                "an object without an owner stays"
            );
            Done { failed: true, next: None }
        }
        _ => Done::default(),
    }
}
