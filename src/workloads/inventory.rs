//! What the controllers see of the stored objects.

use std::collections::BTreeSet;

use probelet_kube_wire::feed::{Key, Stored};
use probelet_workload::Kind;
use serde_json::Value;

use super::api;
use super::queue::{Seen, Work};
use crate::kube_objects::StoredObjects;

/// The workloads and the node, as they were when the stored objects last changed.
#[derive(Debug, Default)]
pub struct Inventory {
    workloads: Vec<Seen>,
    /// The versions of all Jobs, by which a CronJob is reconciled again.
    jobs: BTreeSet<(Key, String)>,
    /// True if the node is cordoned.
    pub is_cordoned: bool,
}

/// What another look at the stored objects has found.
#[derive(Debug, Default)]
pub struct Differences {
    pub is_cordon_changed: bool,
    /// The namespaces whose Jobs have changed.
    pub of_jobs: BTreeSet<String>,
}

impl Inventory {
    /// Reads the stored objects again.
    pub fn refresh(&mut self, objects: &StoredObjects) -> Differences {
        let mut new = Self { is_cordoned: is_cordoned(objects), ..Self::default() };
        for kind in Kind::ALL {
            let heads = api::served(kind).map(|served| objects.heads(Stored::of(served)));
            for head in heads.into_iter().flatten() {
                new.add(kind, &head);
            }
        }
        let differing = new.jobs.symmetric_difference(&self.jobs);
        let differences = Differences {
            is_cordon_changed: new.is_cordoned != self.is_cordoned,
            of_jobs: differing.map(|(key, _)| key.namespace().to_owned()).collect(),
        };
        *self = new;
        differences
    }

    fn add(&mut self, kind: Kind, head: &Value) {
        let Ok(key) = Key::of(head) else { return };
        let version = text(head, "/metadata/resourceVersion").to_owned();
        if kind == Kind::Job {
            self.jobs.insert((key.clone(), version.clone()));
        }
        let uid = text(head, "/metadata/uid");
        let generation = head.pointer("/metadata/generation").and_then(Value::as_u64);
        let cause = format!("{uid} {}", generation.unwrap_or_default());
        self.workloads.push(Seen { work: Work::Object(kind, key), version, cause });
    }

    /// The workloads that there are.
    pub fn workloads(&self) -> impl Iterator<Item = Seen> {
        self.workloads.iter().cloned()
    }
}

fn is_cordoned(objects: &StoredObjects) -> bool {
    let nodes = api::core("nodes").map(Stored::of);
    let nodes = nodes.map(|nodes| objects.list(nodes, None)).unwrap_or_default();
    let mut bits = nodes.iter().filter_map(|node| node.pointer("/spec/unschedulable"));
    bits.any(|bit| *bit == true)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
