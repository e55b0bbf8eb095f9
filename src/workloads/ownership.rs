//! Which objects own which, by `metadata.ownerReferences`.

use std::collections::BTreeSet;
use std::sync::Arc;

use probelet_kube_wire::discovery::{Catalog, Served};
use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::rules::Rules;
use probelet_workload::{Deletion, Kind, OwnerReference, is_garbage};
use serde_json::Value;

use super::dependent::Dependent;
use super::pods::Pods;
use crate::kube_objects::StoredObjects;

/// A stored object that is being deleted, and waits for its dependents.
#[derive(Debug, Clone)]
pub struct Unwound {
    pub served: &'static Served,
    pub key: Key,
    pub object: Arc<Value>,
    pub deletion: Deletion,
}

/// What the collector sees of the stored objects. Pods are observed apart.
#[derive(Debug, Default)]
pub struct Ownership {
    /// The counter of changes that this is of.
    counter: Option<u64>,
    /// Resource, namespace and UID of all stored objects.
    uids: BTreeSet<(Stored, String, String)>,
    dependents: Vec<(&'static Served, Dependent)>,
    unwound: Vec<Unwound>,
}

impl Ownership {
    /// Reads the stored objects again if they have changed. Returns true if they have.
    pub fn refresh(&mut self, objects: &StoredObjects) -> bool {
        let counter = Some(*objects.changes().borrow());
        if self.counter == counter {
            return false;
        }
        *self = Self { counter, ..Self::default() };
        for served in stored() {
            let stored = Stored::of(served);
            for head in objects.heads(stored) {
                self.insert(served, &head);
                let deletion = Deletion::of(&head).filter(|_| served.namespaced);
                if let (Some(deletion), Ok(key)) = (deletion, Key::of(&head))
                    && let Some(object) = objects.get(stored, &key)
                {
                    self.unwound.push(Unwound { served, key, object, deletion });
                }
            }
        }
        true
    }

    /// Adds an object, of which only kind and metadata count.
    pub fn insert(&mut self, served: &'static Served, object: &Value) {
        let Ok(key) = Key::of(object) else { return };
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        self.uids.insert((Stored::of(served), key.namespace().to_owned(), uid.to_owned()));
        self.dependents.extend(Dependent::of(object).map(|it| (served, it)));
    }

    /// The objects that are deleted with their dependents, or released from them.
    pub fn unwound(&self) -> &[Unwound] {
        &self.unwound
    }

    /// All objects that have owners.
    fn dependents(&self, pods: &Pods) -> impl Iterator<Item = (&'static Served, Dependent)> {
        let of_pods = super::api::core("pods").into_iter();
        let of_pods = of_pods.flat_map(|served| pods.dependents().map(move |it| (served, it)));
        of_pods.chain(self.dependents.iter().cloned())
    }

    /// The objects in the namespace of this owner that refer to it. Each has whether another owner of
    /// it exists, which keeps it.
    pub fn of_owner(
        &self,
        pods: &Pods,
        key: &Key,
        uid: &str,
    ) -> Vec<(&'static Served, Dependent, bool)> {
        let mine = self
            .dependents(pods)
            .filter(|(_, it)| it.key.namespace() == key.namespace() && it.reference(uid).is_some());
        let is_kept = |it: &Dependent| {
            let mut others = it.owners.iter().filter(|owner| owner.uid != uid);
            others.any(|owner| self.exists(pods, &it.key, owner))
        };
        mine.map(|(served, it)| {
            let kept = is_kept(&it);
            (served, it, kept)
        })
        .collect()
    }

    /// The objects whose owners do not exist any more.
    pub fn garbage(&self, pods: &Pods) -> Vec<(&'static Served, Dependent)> {
        let exists = |it: &Dependent, owner: &OwnerReference| self.exists(pods, &it.key, owner);
        self.dependents(pods)
            .filter(|(_, it)| !it.deleting && is_garbage(&it.owners, |owner| exists(it, owner)))
            .collect()
    }

    /// True if there is such an owner of the object `of`, or its kind is neither a pod nor stored.
    fn exists(&self, pods: &Pods, of: &Key, owner: &OwnerReference) -> bool {
        if (owner.api_version.as_str(), owner.kind.as_str()) == ("v1", "Pod") {
            return pods.has(of.namespace(), &owner.uid);
        }
        let is_kind =
            |row: &&Served| row.kind == owner.kind && row.api_version() == owner.api_version;
        let Some(row) = stored().find(|row| is_kind(row)) else { return true };
        let namespace = if row.namespaced { of.namespace() } else { "" };
        let key = (Stored::of(row), namespace.to_owned(), owner.uid.clone());
        self.uids.contains(&key)
    }
}

/// The resources whose objects clients store.
fn stored() -> impl Iterator<Item = &'static Served> {
    let is_core = |row: &Served| row.group.is_empty() && Rules::of_core(row.kind).is_some();
    let is_stored =
        move |row: &&Served| is_core(row) || Kind::of_resource(row.group, row.name).is_some();
    Catalog::default().rows().iter().filter(is_stored)
}
