//! Keeps the store's objects as the supervisor has them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use probelet_kube_wire::discovery::Catalog;
use probelet_kube_wire::feed::{Key, Stored};
use serde_json::Value;

use super::host_objects::{self, HostFacts};
use super::pod_objects;
use super::store::Store;
use super::times::micros;
use crate::network;
use crate::supervisor::{PodView, Subject, Supervisor, now};

/// The namespace that always exists.
pub const DEFAULT: &str = "default";
/// Events that are published before those that the log has dropped are removed from the store.
const NEW_EVENTS: usize = 64;

/// What is known of a published pod.
#[derive(Debug, PartialEq, Eq)]
struct Published {
    uid: String,
    generation: u64,
    manifest_error: Option<String>,
}

impl Published {
    fn of(view: &PodView) -> Self {
        let (uid, manifest_error) = (view.spec.uid.clone(), view.manifest_error.clone());
        Self { uid, generation: view.generation, manifest_error }
    }
}

/// The kinds of objects that are published.
#[derive(Debug, Clone, Copy)]
struct Kinds {
    pods: Stored,
    events: Stored,
    nodes: Stored,
    namespaces: Stored,
}

impl Kinds {
    /// `None` if the catalog does not serve one of them.
    fn of(catalog: &Catalog) -> Option<Self> {
        let stored = |name: &str| catalog.find("", "v1", name).map(Stored::of);
        Some(Self {
            pods: stored("pods")?,
            events: stored("events")?,
            nodes: stored("nodes")?,
            namespaces: stored("namespaces")?,
        })
    }
}

/// The task that fills the store.
pub struct Publisher {
    supervisor: Arc<Supervisor>,
    store: Store,
    kinds: Kinds,
    facts: HostFacts,
    pods: BTreeMap<Key, Published>,
    namespaces: BTreeSet<String>,
    events: BTreeMap<u64, Key>,
    new_events: usize,
    addresses: Vec<IpAddr>,
}

impl Publisher {
    /// Returns the publisher of the resources that `catalog` serves; `None` if it serves no pods.
    pub fn new(
        supervisor: Arc<Supervisor>,
        store: Store,
        catalog: &Catalog,
        facts: HostFacts,
    ) -> Option<Self> {
        Some(Self {
            supervisor,
            store,
            kinds: Kinds::of(catalog)?,
            facts,
            pods: BTreeMap::new(),
            namespaces: BTreeSet::new(),
            events: BTreeMap::new(),
            new_events: 0,
            addresses: Vec::new(),
        })
    }

    /// Publishes all changes, until it is dropped.
    pub async fn run(mut self) {
        let mut changes = self.supervisor.changes();
        let mut events = self.supervisor.events().newest();
        let mut link = self.supervisor.link();
        loop {
            changes.mark_unchanged();
            events.mark_unchanged();
            link.mark_unchanged();
            self.publish_pods();
            self.publish_events();
            self.publish_node();
            let changed = tokio::select! {
                changed = changes.changed() => changed,
                changed = events.changed() => changed,
                changed = link.changed() => changed,
            };
            // The supervisor has ended.
            if changed.is_err() {
                return;
            }
        }
    }

    fn put(&self, stored: Stored, object: Value) {
        if let Err(error) = self.store.publish(stored, object, micros(now().wall)) {
            tracing::warn!(%error, "an object is not served");
        }
    }

    fn publish_pods(&mut self) {
        let views = self.supervisor.list();
        let namespaces = views.iter().map(|view| view.spec.key().namespace().to_owned());
        self.publish_namespaces(namespaces.chain([DEFAULT.to_owned()]).collect());
        let mut gone: BTreeSet<_> = self.pods.keys().cloned().collect();
        for view in &views {
            let pod = view.spec.key();
            let key = Key::new(pod.namespace(), pod.name());
            gone.remove(&key);
            let published = Published::of(view);
            if self.pods.get(&key) == Some(&published) {
                continue;
            }
            // A pod of the same name is another object.
            if self.pods.get(&key).is_some_and(|before| before.uid != published.uid) {
                self.store.remove(self.kinds.pods, &key, micros(now().wall));
            }
            self.put(self.kinds.pods, pod_objects::pod(view));
            self.pods.insert(key, published);
        }
        for key in gone {
            self.pods.remove(&key);
            self.store.remove(self.kinds.pods, &key, micros(now().wall));
        }
    }

    fn publish_namespaces(&mut self, names: BTreeSet<String>) {
        for name in names.difference(&self.namespaces) {
            self.put(self.kinds.namespaces, host_objects::namespace(name, self.facts.started));
        }
        for name in self.namespaces.difference(&names) {
            self.store.remove(self.kinds.namespaces, &Key::new("", &**name), micros(now().wall));
        }
        self.namespaces = names;
    }

    fn publish_events(&mut self) {
        let last = self.events.last_key_value().map_or(0, |(sequence, _)| *sequence);
        let new = self.supervisor.events().after(last, &Subject::All);
        self.new_events = self.new_events.saturating_add(new.len());
        for event in new {
            let key = Key::new(&*event.namespace, pod_objects::event_name(&event));
            self.put(self.kinds.events, pod_objects::event(&event));
            self.events.insert(event.sequence, key);
        }
        if self.new_events >= NEW_EVENTS {
            self.new_events = 0;
            self.remove_dropped_events();
        }
    }

    /// Removes events that the log does not have any more. An event that occurs again has a new
    /// number, so its older object goes too.
    fn remove_dropped_events(&mut self) {
        let log = self.supervisor.events().after(0, &Subject::All);
        let kept: BTreeSet<_> = log.iter().map(|event| event.sequence).collect();
        let (events, store) = (self.kinds.events, &self.store);
        self.events.retain(|sequence, key| {
            let is_kept = kept.contains(sequence);
            if !is_kept {
                store.remove(events, key, micros(now().wall));
            }
            is_kept
        });
    }

    fn publish_node(&mut self) {
        match network::host::addresses() {
            Ok(addresses) => self.addresses = addresses,
            Err(error) => tracing::debug!(%error, "the host's addresses are not known"),
        }
        let link = self.supervisor.link().borrow().clone();
        self.put(self.kinds.nodes, host_objects::node(&self.facts, &self.addresses, &link));
    }
}
