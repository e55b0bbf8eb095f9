//! Keeps the store's objects as the supervisor has them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use probelet_kube_wire::discovery::Catalog;
use probelet_kube_wire::feed::{Key, Stored};
use serde_json::Value;

use super::host_objects::{self, HostFacts};
use super::pod_objects;
use super::times::micros;
use crate::domain::notice::Event;
use crate::kube_objects::Store;
use crate::network;
use crate::service::{RecoveryGate, Stage};
use crate::supervisor::{PodView, Subject, Supervisor, now};

/// An event by what its occurrences have in common. A further occurrence changes its object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Occurrence {
    pod_uid: String,
    container: String,
    reason: String,
    message: String,
}

impl Occurrence {
    fn of(event: &Event) -> Self {
        let Event { pod_uid, container, reason, message, .. } = event.clone();
        Self { pod_uid, container, reason, message }
    }
}

/// Events that are published before those that the log has dropped are removed from the store.
const NEW_EVENTS: usize = 64;
/// The host's addresses are read again after this time, at the next change of a pod.
const NODE: Duration = Duration::from_secs(60);

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
    services: Stored,
}

impl Kinds {
    /// `None` if the catalog does not serve one of them.
    fn of(catalog: &Catalog) -> Option<Self> {
        let stored = |name: &str| catalog.find("", "v1", name).map(Stored::of);
        Some(Self {
            pods: stored("pods")?,
            events: stored("events")?,
            nodes: stored("nodes")?,
            services: stored("services")?,
        })
    }
}

/// The task that fills the store.
pub struct Publisher {
    supervisor: Arc<Supervisor>,
    store: Store,
    kinds: Kinds,
    facts: HostFacts,
    /// Where the API listens.
    listen: Option<SocketAddr>,
    recovery: RecoveryGate,
    /// Open once the store has all pods: a first list must not be empty because the daemon starts.
    published: RecoveryGate,
    pods: BTreeMap<Key, Published>,
    events: BTreeMap<Occurrence, Key>,
    /// The number of the newest published event.
    last_event: u64,
    new_events: usize,
    addresses: Vec<IpAddr>,
    /// When the addresses were read.
    node_read: SystemTime,
}

impl Publisher {
    /// Returns the publisher of the resources that `catalog` serves; `None` if it serves no pods. It
    /// opens `published` when the store has the pods that are listed once `recovery` is open.
    pub fn new(
        supervisor: Arc<Supervisor>,
        store: Store,
        catalog: &Catalog,
        (facts, listen): (HostFacts, Option<SocketAddr>),
        (recovery, published): (RecoveryGate, RecoveryGate),
    ) -> Option<Self> {
        Some(Self {
            supervisor,
            store,
            kinds: Kinds::of(catalog)?,
            facts,
            listen,
            recovery,
            published,
            pods: BTreeMap::new(),
            events: BTreeMap::new(),
            last_event: 0,
            new_events: 0,
            addresses: Vec::new(),
            node_read: SystemTime::UNIX_EPOCH,
        })
    }

    /// Publishes all changes, until it is dropped.
    pub async fn run(mut self) {
        let mut changes = self.supervisor.changes();
        let mut events = self.supervisor.events().newest();
        let mut link = self.supervisor.link();
        let mut is_node_due = true;
        loop {
            changes.mark_unchanged();
            events.mark_unchanged();
            link.mark_unchanged();
            let are_listed = self.recovery.is_open();
            self.publish_pods();
            self.publish_events();
            if is_node_due || self.is_node_old() {
                self.publish_node();
            }
            is_node_due = false;
            if are_listed {
                self.published.reached(Stage::Listed);
            }
            let changed = tokio::select! {
                () = self.recovery.until(Stage::Listed), if !are_listed => Ok(()),
                changed = changes.changed() => changed,
                changed = events.changed() => changed,
                changed = link.changed() => {
                    is_node_due = true;
                    changed
                }
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

    fn publish_events(&mut self) {
        let new = self.supervisor.events().after(self.last_event, &Subject::All);
        self.new_events = self.new_events.saturating_add(new.len());
        for event in new {
            self.last_event = self.last_event.max(event.sequence);
            // The controllers store the events of their objects.
            if event.object.is_some() {
                continue;
            }
            let key = self
                .events
                .entry(Occurrence::of(&event))
                .or_insert_with(|| Key::new(&*event.namespace, pod_objects::event_name(&event)));
            let object = pod_objects::event(&event, key.name());
            self.put(self.kinds.events, object);
        }
        if self.new_events >= NEW_EVENTS {
            self.new_events = 0;
            self.remove_dropped_events();
        }
    }

    /// Removes events that the log does not have any more.
    fn remove_dropped_events(&mut self) {
        let log = self.supervisor.events().after(0, &Subject::All);
        let kept: BTreeSet<_> = log.iter().map(Occurrence::of).collect();
        let (events, store) = (self.kinds.events, &self.store);
        self.events.retain(|occurrence, key| {
            let is_kept = kept.contains(occurrence);
            if !is_kept {
                store.remove(events, key, micros(now().wall));
            }
            is_kept
        });
    }

    /// True if the host's addresses may have changed since they were read.
    fn is_node_old(&self) -> bool {
        let age = now().wall.duration_since(self.node_read);
        age.is_err() || age.is_ok_and(|age| age >= NODE)
    }

    /// Removes the node that the host had under another name: its file has whether it was cordoned.
    fn remove_other_nodes(&self) {
        let nodes = self.store.read(|feed| feed.objects(self.kinds.nodes, None));
        for key in nodes.iter().filter_map(|node| Key::of(&node.head()).ok()) {
            if key.name() != self.facts.name {
                self.store.remove(self.kinds.nodes, &key, micros(now().wall));
            }
        }
    }

    fn publish_node(&mut self) {
        self.node_read = now().wall;
        match network::host::addresses() {
            Ok(addresses) => self.addresses = addresses,
            Err(error) => tracing::debug!(%error, "the host's addresses are not known"),
        }
        let link = self.supervisor.link().borrow().clone();
        let node = host_objects::node(&self.facts, &self.addresses, &link);
        let published = self.store.publish_keeping(
            self.kinds.nodes,
            node,
            micros(now().wall),
            host_objects::keep_spec,
        );
        if let Err(error) = published {
            tracing::warn!(%error, "the node is not served");
        }
        self.remove_other_nodes();
        if let Some(listen) = self.listen {
            let service = host_objects::api_service(&self.facts, listen, &self.addresses);
            self.put(self.kinds.services, service);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notice::{Notice, NoticeType};
    use crate::kube_api::tests::supervisor;

    #[tokio::test]
    async fn a_further_occurrence_changes_the_event_and_a_dropped_event_is_removed() {
        let (supervisor, _services) = supervisor("web").await;
        let facts = HostFacts::read(crate::node::host_facts(), now().wall);
        let (catalog, store) = (Catalog::default(), Store::new(1));
        let mut publisher = Publisher::new(
            supervisor.clone(),
            store.clone(),
            &catalog,
            (facts, None),
            Default::default(),
        )
        .unwrap();
        let spec = supervisor.list().remove(0).spec;
        let record = |message: &str| {
            let (kind, reason) = (NoticeType::Warning, "Unhealthy");
            let notice = Notice { kind, reason, message: message.into(), of_pod: false };
            supervisor.events().record(&spec, "app", notice, now().wall);
        };
        let stored = |publisher: &Publisher, message: &str| {
            let found = publisher.events.iter().find(|(it, _)| it.message == message);
            let key = found.map(|(_, key)| key.clone())?;
            store.read(|feed| feed.get(publisher.kinds.events, &key))
        };
        record("refused");
        publisher.publish_events();
        record("refused");
        publisher.publish_events();
        let of_message = publisher.events.keys().filter(|it| it.message == "refused").count();
        assert_eq!(of_message, 1);
        assert_eq!(stored(&publisher, "refused").unwrap()["count"], 2);
        let find = |it: &(&Occurrence, &Key)| it.0.message == "refused";
        let key = publisher.events.iter().find(find).map(|(_, key)| key.clone()).unwrap();
        // The log keeps a limited number of events of one container.
        (0..10_000).for_each(|n| record(&n.to_string()));
        publisher.publish_events();
        let dropped = store.read(|feed| feed.get(publisher.kinds.events, &key));
        assert!(dropped.is_none() && stored(&publisher, "9999").is_some());
    }

    #[tokio::test]
    async fn no_object_is_served_before_the_store_has_the_recovered_pods() {
        let (supervisor, _services) = supervisor("web").await;
        let facts = HostFacts::read(crate::node::host_facts(), now().wall);
        let (catalog, store) = (Catalog::default(), Store::new(1));
        let (recovery, published) = (RecoveryGate::default(), RecoveryGate::default());
        let gates = (recovery.clone(), published.clone());
        let publisher =
            Publisher::new(supervisor, store.clone(), &catalog, (facts, None), gates).unwrap();
        let pods = publisher.kinds.pods;
        let checked = async {
            let mut changes = store.changes();
            while store.read(|feed| feed.objects(pods, None)).is_empty() {
                changes.changed().await.unwrap();
            }
            assert!(!published.is_open(), "further pods may not be listed yet");
            recovery.reached(Stage::Listed);
            published.until(Stage::Listed).await;
        };
        tokio::select! {
            () = publisher.run() => unreachable!("the supervisor has not ended"),
            () = checked => {}
        }
    }
}
