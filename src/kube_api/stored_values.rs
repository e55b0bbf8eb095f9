//! The ConfigMaps and Secrets of pods, which the store has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use probelet_kube_wire::discovery::Catalog;
use probelet_kube_wire::feed::{Key, Stored};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::pod_objects;
use super::pod_tokens::{PodTokens, next_renewal};
use crate::domain::notice::Notice;
use crate::domain::spec::{ObjectKind, PodSpec};
use crate::kube_objects::StoredObjects;
use crate::manifest::{self, ManifestError, SourceObjects, Submission};
use crate::supervisor::{PodView, Supervisor, SupervisorError, now};

/// Least and most time between two looks at the tokens of pods.
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(60);

/// Finds the objects that pods refer to.
#[derive(Clone)]
pub struct StoredValues {
    objects: StoredObjects,
    config_maps: Stored,
    secrets: Stored,
    tokens: PodTokens,
}

impl StoredValues {
    /// `None` if the catalog does not serve ConfigMaps and Secrets.
    pub fn new(objects: StoredObjects, catalog: &Catalog, tokens: PodTokens) -> Option<Self> {
        let stored = |name: &str| catalog.find("", "v1", name).map(Stored::of);
        let (config_maps, secrets) = (stored("configmaps")?, stored("secrets")?);
        Some(Self { objects, config_maps, secrets, tokens })
    }

    /// Reads a pod's object, with the objects that it refers to and the tokens of its account.
    pub fn submit(
        &self,
        object: &Value,
        uid: &str,
        managers: String,
        live: Option<&PodSpec>,
    ) -> Result<Submission, ManifestError> {
        let read = manifest::submit(object, uid, managers, self.sources(object, live))?;
        let pod = self.tokens.fill(read.pod, live, now().wall);
        Ok(Submission { pod: pod.map_err(|errors| ManifestError(errors.0))?, ..read })
    }

    /// The objects that a pod's object refers to. A live pod that has copies of its own keeps them.
    fn sources(&self, pod: &Value, live: Option<&PodSpec>) -> SourceObjects {
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

    /// The versions of a pod's objects, an empty one for an object that does not exist; and the UID
    /// of its account if it has tokens.
    fn versions(&self, pod: &PodSpec, references: &[(ObjectKind, String)]) -> Vec<String> {
        let version = |(kind, name): &(ObjectKind, String)| {
            let object = self.get(*kind, &pod.namespace, name);
            let version = object.as_ref().and_then(|it| it.pointer("/metadata/resourceVersion"));
            version.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        references.iter().map(version).chain(self.tokens.account_uid(pod)).collect()
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

/// Waits until this time, or for ever. The clock may be set meanwhile, and a renewal may fail.
async fn until(renewal: Option<SystemTime>) {
    let Some(renewal) = renewal else { return std::future::pending().await };
    let left = renewal.duration_since(now().wall).unwrap_or_default();
    sleep(left.clamp(SHORTEST, LONGEST)).await;
}

/// Gives live pods the changed values of the objects that they refer to.
pub struct ValueFollower {
    supervisor: Arc<Supervisor>,
    values: StoredValues,
    /// By the pods' uids.
    given: BTreeMap<String, Given>,
    /// When the next token of a pod is to be renewed.
    renewal: Option<SystemTime>,
}

impl ValueFollower {
    pub fn new(supervisor: Arc<Supervisor>, values: StoredValues) -> Self {
        Self { supervisor, values, given: BTreeMap::new(), renewal: None }
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
                () = until(self.renewal) => {}
            }
        }
    }

    async fn follow(&mut self) {
        let now = now().wall;
        self.renewal = None;
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
            let versions = self.values.versions(&view.spec, &references);
            let renewal = next_renewal(&view, now);
            // The last of the versions is the account's.
            let has_account = versions.last().is_some_and(|uid| !uid.is_empty());
            let is_due = has_account && renewal.is_some_and(|at| at <= now);
            self.renewal = self.renewal.into_iter().chain(renewal).min();
            if (is_due || last.as_ref() != Some(&versions)) && !self.give(&view).await {
                // The pod changes, or is recovered, so another round follows.
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
        let (uid, managers) = (&view.spec.uid, managers.unwrap_or_default());
        let read = self.values.submit(&object, uid, managers, Some(&view.spec));
        let pod = match read {
            Ok(read) => read.pod,
            Err(error) => {
                self.warn(view, &error.to_string());
                return true;
            }
        };
        match self.supervisor.live_changes().submit(&view.spec, pod).await {
            Ok(_) | Err(SupervisorError::BeingDeleted(_)) => true,
            Err(SupervisorError::Changed(_) | SupervisorError::Recovering(_)) => false,
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
