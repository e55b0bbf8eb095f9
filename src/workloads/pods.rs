//! What the controllers see of the pods.

use std::collections::{BTreeMap, BTreeSet};

use probelet_kube_wire::feed::Key;
use probelet_workload::{OwnerReference, PodFacts};

use super::dependent::Dependent;
use crate::manifest;
use crate::supervisor::PodView;

/// The facts of all pods.
#[derive(Debug, Default)]
pub struct Pods(BTreeMap<Key, Observed>);

#[derive(Debug)]
struct Observed {
    generation: u64,
    facts: PodFacts,
    owners: Vec<OwnerReference>,
}

impl Pods {
    /// Reads the pods that have changed. Returns the namespaces of these, and of removed ones.
    pub fn refresh(&mut self, views: &[PodView]) -> BTreeSet<String> {
        let mut changed = BTreeSet::new();
        let mut gone: BTreeSet<_> = self.0.keys().cloned().collect();
        for view in views {
            let pod = view.spec.key();
            let key = Key::new(pod.namespace(), pod.name());
            gone.remove(&key);
            let is_same = |before: &Observed| {
                (before.generation, before.facts.uid.as_str()) == (view.generation, &*view.spec.uid)
            };
            if self.0.get(&key).is_some_and(is_same) {
                continue;
            }
            changed.insert(pod.namespace().to_owned());
            let object = manifest::to_json(view);
            let (facts, owners) = (PodFacts::of(&object), OwnerReference::all(&object));
            self.0.insert(key, Observed { generation: view.generation, facts, owners });
        }
        for key in gone {
            changed.insert(key.namespace().to_owned());
            self.0.remove(&key);
        }
        changed
    }

    /// The pods of a namespace.
    pub fn of(&self, namespace: &str) -> Vec<PodFacts> {
        let inside = self.0.iter().filter(|(key, _)| key.namespace() == namespace);
        inside.map(|(_, pod)| pod.facts.clone()).collect()
    }

    /// True if there is a pod of this UID in the namespace.
    pub fn has(&self, namespace: &str, uid: &str) -> bool {
        let mut inside = self.0.iter().filter(|(key, _)| key.namespace() == namespace);
        inside.any(|(_, pod)| pod.facts.uid == uid)
    }

    /// The pods that have owners.
    pub fn dependents(&self) -> impl Iterator<Item = Dependent> {
        let owned = self.0.iter().filter(|(_, pod)| !pod.owners.is_empty());
        owned.map(|(key, pod)| Dependent {
            key: key.clone(),
            uid: pod.facts.uid.clone(),
            owners: pod.owners.clone(),
            deleting: pod.facts.deleting,
        })
    }
}
