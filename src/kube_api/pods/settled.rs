//! Waits until the store has what the supervisor has. The publisher fills the store a moment after a
//! change, and the answer of a write must not be older than what a read gives.

use std::sync::Arc;
use std::time::Duration;

use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::status::{GroupResource, Status};
use serde_json::Value;
use tokio::time::timeout;

use super::super::pod_objects;
use super::super::times::micros;
use super::Live;
use crate::domain::pod_key::PodKey;
use crate::kube_objects::Store;
use crate::supervisor::{PodView, Supervisor, now};

/// The time for the publisher, which awaits nothing.
const WAIT: Duration = Duration::from_secs(10);

pub struct Settled {
    supervisor: Arc<Supervisor>,
    store: Store,
    stored: Stored,
}

impl Settled {
    pub fn new(supervisor: Arc<Supervisor>, store: Store, stored: Stored) -> Self {
        Self { supervisor, store, stored }
    }

    pub fn stored(&self) -> Stored {
        self.stored
    }

    /// The pod and its object, once the store has what the supervisor has. `None` if there is none.
    pub async fn live(&self, pod: &PodKey) -> Result<Option<(PodView, Arc<Value>)>, Status> {
        let key = Key::new(pod.namespace(), pod.name());
        self.wait(|| match (self.view(pod), self.object(&key)) {
            (None, None) => Some(None),
            (Some(view), Some(object)) if is_of(&object, &view) => Some(Some((view, object))),
            _ => None,
        })
        .await
    }

    /// The object of a pod that was created or changed. If the pod is removed meanwhile, the object
    /// as it was.
    pub async fn after(&self, changed: &PodView) -> Result<Arc<Value>, Status> {
        let pod = changed.spec.key();
        let key = Key::new(pod.namespace(), pod.name());
        let last = || Arc::new(pod_objects::pod(changed));
        self.wait(|| match (self.view(&pod), self.object(&key)) {
            (Some(view), _) if view.spec.uid != changed.spec.uid => Some(last()),
            (Some(view), Some(object)) if is_of(&object, &view) => Some(object),
            (None, _) => Some(last()),
            _ => None,
        })
        .await
    }

    /// The object of a pod whose removal was asked for: with the time of the deletion, or as it was
    /// last if nothing is left of it.
    pub async fn deleted(&self, before: &PodView, live: &Live) -> Result<Arc<Value>, Status> {
        let pod = before.spec.key();
        let Ok(key) = Key::of(&live.object) else { return Ok(live.object.clone()) };
        self.wait(|| match (self.view(&pod), self.object(&key)) {
            (Some(view), Some(object)) if view.spec.uid == before.spec.uid => {
                let is_deleted = view.status.deletion.is_some() && is_of(&object, &view);
                is_deleted.then_some(object)
            }
            (Some(view), None) if view.spec.uid == before.spec.uid => None,
            _ => Some(live.object.clone()),
        })
        .await
    }

    /// Publishes a status that a client wrote, and then the daemon's again. Returns the written
    /// object; 404 if nothing is left of the pod.
    pub fn write_once(&self, written: Value) -> Result<Arc<Value>, Status> {
        let pods = GroupResource::new("", "pods");
        let name = super::text(&written, "name").to_owned();
        let published = self.store.publish_once(self.stored, written, micros(now().wall));
        let published = published.map_err(|error| Status::internal(&error.to_string()))?;
        published.ok_or_else(|| Status::not_found(&pods, &name))
    }

    fn view(&self, pod: &PodKey) -> Option<PodView> {
        // An adopted container is also found by its ID, as another pod.
        self.supervisor.get(pod).ok().filter(|view| view.spec.key() == *pod)
    }

    fn object(&self, key: &Key) -> Option<Arc<Value>> {
        self.store.read(|feed| feed.get(self.stored, key))
    }

    async fn wait<T>(&self, mut settled: impl FnMut() -> Option<T>) -> Result<T, Status> {
        let (mut objects, mut pods) = (self.store.changes(), self.supervisor.changes());
        let waiting = async {
            loop {
                objects.mark_unchanged();
                pods.mark_unchanged();
                if let Some(found) = settled() {
                    return Ok(found);
                }
                let changed = tokio::select! {
                    changed = objects.changed() => changed,
                    changed = pods.changed() => changed,
                };
                changed.map_err(|_| Status::unavailable("the daemon stops", 1))?;
            }
        };
        let late = |_| Status::timeout("the change is not published", 1);
        timeout(WAIT, waiting).await.map_err(late)?
    }
}

/// True if the object is that of the view, whatever its version is.
pub fn is_of(object: &Value, view: &PodView) -> bool {
    let mut rendered = pod_objects::pod(view);
    set_version(&mut rendered, object);
    rendered == *object
}

/// Gives an object the version of another one.
pub fn set_version(object: &mut Value, from: &Value) {
    let version = from.pointer("/metadata/resourceVersion").cloned();
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    if let (Some(metadata), Some(version)) = (metadata, version) {
        metadata.insert("resourceVersion".to_owned(), version);
    }
}
