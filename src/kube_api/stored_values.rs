//! The ConfigMaps and Secrets of pods, which the store has.

use std::collections::BTreeMap;
use std::sync::Arc;

use probelet_kube_wire::discovery::Catalog;
use probelet_kube_wire::feed::{Key, Stored};
use serde_json::{Map, Value, json};

use super::pod_objects;
use crate::domain::notice::Notice;
use crate::domain::spec::{ObjectKind, PodSpec};
use crate::kube_objects::StoredObjects;
use crate::manifest::{self, SourceObjects};
use crate::supervisor::{PodView, Supervisor, SupervisorError, now};

/// Finds the objects that pods refer to.
#[derive(Clone)]
pub struct StoredValues {
    objects: StoredObjects,
    config_maps: Stored,
    secrets: Stored,
}

impl StoredValues {
    /// `None` if the catalog does not serve ConfigMaps and Secrets.
    pub fn new(objects: StoredObjects, catalog: &Catalog) -> Option<Self> {
        let stored = |name: &str| catalog.find("", "v1", name).map(Stored::of);
        Some(Self { objects, config_maps: stored("configmaps")?, secrets: stored("secrets")? })
    }

    /// The objects that a pod's object refers to. A live pod that has copies of its own keeps them.
    pub fn sources(&self, pod: &Value, live: Option<&PodSpec>) -> SourceObjects {
        if let Some(live) = live.filter(|live| live.stored.is_none()) {
            return SourceObjects::Copies(manifest::live_sources(live));
        }
        let namespace = pod.pointer("/metadata/namespace").and_then(Value::as_str);
        let namespace = namespace.unwrap_or_default();
        let found = manifest::references(pod).into_iter().filter_map(|(kind, name)| {
            let object = self.get(kind, namespace, &name)?;
            Some(source(&object, kind, namespace, &name))
        });
        SourceObjects::Stored(found.collect())
    }

    fn get(&self, kind: ObjectKind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let stored = match kind {
            ObjectKind::ConfigMap => self.config_maps,
            ObjectKind::Secret => self.secrets,
        };
        self.objects.get(stored, &Key::new(namespace, name))
    }

    /// The versions of objects; an empty one for an object that does not exist.
    fn versions(&self, namespace: &str, references: &[(ObjectKind, String)]) -> Vec<String> {
        let version = |(kind, name): &(ObjectKind, String)| {
            let object = self.get(*kind, namespace, name);
            let version = object.as_ref().and_then(|it| it.pointer("/metadata/resourceVersion"));
            version.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        references.iter().map(version).collect()
    }
}

/// The object with its data alone.
fn source(object: &Value, kind: ObjectKind, namespace: &str, name: &str) -> Value {
    let (kind, fields) = match kind {
        ObjectKind::ConfigMap => ("ConfigMap", &["data", "binaryData"][..]),
        ObjectKind::Secret => ("Secret", &["data"][..]),
    };
    let data = fields.iter().filter_map(|field| {
        let data = object.get(*field).filter(|data| data.is_object())?;
        Some(((*field).to_owned(), data.clone()))
    });
    let mut source: Map<String, Value> = data.collect();
    source.insert("apiVersion".to_owned(), json!("v1"));
    source.insert("kind".to_owned(), json!(kind));
    source.insert("metadata".to_owned(), json!({"name": name, "namespace": namespace}));
    Value::Object(source)
}

/// What a pod was last given.
struct Given {
    spec: Arc<PodSpec>,
    references: Vec<(ObjectKind, String)>,
    versions: Vec<String>,
}

/// Gives live pods the changed values of the objects that they refer to.
pub struct ValueFollower {
    supervisor: Arc<Supervisor>,
    values: StoredValues,
    /// By the pods' uids.
    given: BTreeMap<String, Given>,
}

impl ValueFollower {
    pub fn new(supervisor: Arc<Supervisor>, values: StoredValues) -> Self {
        Self { supervisor, values, given: BTreeMap::new() }
    }

    /// Follows all changes, until it is dropped.
    pub async fn run(mut self) {
        let mut pods = self.supervisor.changes();
        let mut objects = self.values.objects.changes();
        loop {
            pods.mark_unchanged();
            objects.mark_unchanged();
            self.follow().await;
            tokio::select! {
                changed = pods.changed() => if changed.is_err() { return },
                changed = objects.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn follow(&mut self) {
        let views = self.supervisor.list();
        let mut before = std::mem::take(&mut self.given);
        for view in views.into_iter().filter(|view| view.spec.stored.is_some()) {
            let given = before.remove(&view.spec.uid);
            let given = given.filter(|given| Arc::ptr_eq(&given.spec, &view.spec));
            let (references, last) = match given {
                Some(Given { references, versions, .. }) => (references, Some(versions)),
                None => {
                    let object = pod_objects::pod(&view);
                    (manifest::references(&object).into_iter().collect(), None)
                }
            };
            let versions = self.values.versions(&view.spec.namespace, &references);
            if last.as_ref() != Some(&versions) && !self.give(&view).await {
                // The pod has changed meanwhile, so another round follows.
                continue;
            }
            let given = Given { spec: view.spec.clone(), references, versions };
            self.given.insert(view.spec.uid.clone(), given);
        }
    }

    /// Reads the pod's object again, with the objects as they are now. False if it was changed
    /// meanwhile.
    async fn give(&self, view: &PodView) -> bool {
        let mut object = pod_objects::pod(view);
        let kept = view.spec.submitted.as_ref();
        // The generation of a deleted pod's object is one more than that of its spec.
        if let (Some(generation), Some(kept)) = (object.pointer_mut("/metadata/generation"), kept) {
            *generation = json!(kept.generation);
        }
        let managers = kept.map(|kept| kept.managers.clone());
        let sources = self.values.sources(&object, Some(&view.spec));
        let uid = &view.spec.uid;
        let read = manifest::submit(&object, uid, managers.unwrap_or_default(), sources);
        let pod = match read {
            Ok(read) => read.pod,
            Err(error) => {
                self.warn(view, &error.to_string());
                return true;
            }
        };
        match self.supervisor.live_changes().submit(&view.spec, pod).await {
            Ok(_) | Err(SupervisorError::BeingDeleted(_)) => true,
            Err(SupervisorError::Changed(_)) => false,
            Err(error) => {
                self.warn(view, &error.to_string());
                true
            }
        }
    }

    fn warn(&self, view: &PodView, why: &str) {
        let message = format!("A changed ConfigMap or Secret has no effect on the pod: {why}");
        let notice = Notice::warning("ValuesNotUsed", message).of_pod();
        self.supervisor.events().record(&view.spec, "", notice, now().wall);
    }
}
