//! Namespaces: which there are, what each one has from the beginning, and how one ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use probelet_kube_wire::discovery::{Catalog, Served};
use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::patch::Applied;
use probelet_kube_wire::rules::{PERMANENT, Rules, is_being_deleted, is_kept};
use probelet_kube_wire::status::{Cause, GroupResource, Status};
use probelet_workload::Kind;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::times::seconds;
use crate::domain::container::Wanted;
use crate::kube_objects::{Edit, Store, StoreError, StoredObjects};
use crate::service::RecoveryGate;
use crate::supervisor::{PodView, Supervisor, now};

/// The wait before a failed step is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// The ServiceAccount that each namespace has.
const ACCOUNT: &str = "default";
/// The ConfigMap with the authority's certificate that each namespace has.
const AUTHORITY: &str = "kube-root-ca.crt";

/// 404 if there is no such namespace, 403 if it is being deleted: then nothing is created in it.
/// `resource` and `name` are those of the object that is to be created.
pub fn check_open(
    store: &Store,
    namespace: &str,
    resource: &GroupResource,
    name: &str,
) -> Result<(), Status> {
    let of = GroupResource::new("", "namespaces");
    let stored = Catalog::default().find("", "v1", "namespaces").map(Stored::of);
    let found = stored.and_then(|it| store.read(|feed| feed.get(it, &Key::new("", namespace))));
    let found = found.ok_or_else(|| Status::not_found(&of, namespace))?;
    if !is_being_deleted(&found) {
        return Ok(());
    }
    let why = format!(
        "unable to create new content in namespace {namespace} because it is being terminated"
    );
    let text = format!("namespace {namespace} is being terminated");
    let cause = Cause::new("NamespaceTerminating", text, "metadata.namespace");
    Err(Status::forbidden(resource, name, &why).with_cause(cause))
}

/// The controller of namespaces.
pub struct Namespaces {
    supervisor: Arc<Supervisor>,
    objects: StoredObjects,
    namespaces: Stored,
    accounts: Stored,
    config_maps: Stored,
    /// All stored kinds whose objects are in namespaces.
    contents: Vec<Stored>,
    /// The certificate of the authority, in PEM.
    certificate: String,
    /// Open when all pods are known. Before, a namespace may look empty.
    gate: RecoveryGate,
}

impl Namespaces {
    /// `None` if the catalog does not serve the kinds that a namespace needs.
    pub fn new(
        supervisor: Arc<Supervisor>,
        objects: StoredObjects,
        catalog: &Catalog,
        certificate: &str,
        gate: RecoveryGate,
    ) -> Option<Self> {
        let stored = |name: &str| catalog.find("", "v1", name).map(Stored::of);
        let is_workload = |row: &Served| Kind::of_resource(row.group, row.name).is_some();
        let is_core = |row: &Served| row.group.is_empty() && Rules::of_core(row.kind).is_some();
        let rows = catalog.rows().iter();
        let rows = rows.filter(|row| row.namespaced && (is_core(row) || is_workload(row)));
        Some(Self {
            supervisor,
            objects,
            namespaces: stored("namespaces")?,
            accounts: stored("serviceaccounts")?,
            config_maps: stored("configmaps")?,
            contents: rows.map(Stored::of).collect(),
            certificate: certificate.to_owned(),
            gate,
        })
    }

    /// Makes what must be there before the first request.
    pub async fn prepare(&self) {
        let names = PERMANENT.map(str::to_owned).into();
        self.create_missing(&names).await;
        for name in PERMANENT {
            self.fill(name).await;
        }
    }

    /// Keeps the namespaces, until it is dropped.
    pub async fn run(self) {
        let mut pods = self.supervisor.changes();
        let mut objects = self.objects.changes();
        loop {
            pods.mark_unchanged();
            objects.mark_unchanged();
            let is_done = self.reconcile().await;
            tokio::select! {
                changed = pods.changed() => if changed.is_err() { return },
                changed = objects.changed() => if changed.is_err() { return },
                () = sleep(RETRY), if !is_done => {}
            }
        }
    }

    /// Returns false if a step failed.
    async fn reconcile(&self) -> bool {
        let views = self.supervisor.list();
        let of_pods = views.iter().map(|view| view.spec.key().namespace().to_owned());
        let names = PERMANENT.map(str::to_owned).into_iter().chain(of_pods).collect();
        let mut is_done = self.create_missing(&names).await;
        for namespace in self.objects.list(self.namespaces, None) {
            let Ok(key) = Key::of(&namespace) else { continue };
            is_done &= match is_being_deleted(&namespace) {
                true => self.empty(key.name(), &namespace, &views).await,
                false => self.fill(key.name()).await,
            };
        }
        is_done
    }

    /// Makes the namespaces that pods are in: the command line and the manifest directory make pods
    /// without making a namespace.
    async fn create_missing(&self, names: &BTreeSet<String>) -> bool {
        let mut is_done = true;
        for name in names {
            if self.objects.get(self.namespaces, &Key::new("", &**name)).is_none() {
                let object = json!({"apiVersion": "v1", "kind": "Namespace"});
                is_done &= self.create(self.namespaces, object, ("", name)).await;
            }
        }
        is_done
    }

    /// Gives a namespace what each one has.
    async fn fill(&self, namespace: &str) -> bool {
        let mut is_done = true;
        if self.objects.get(self.accounts, &Key::new(namespace, ACCOUNT)).is_none() {
            let account = json!({"apiVersion": "v1", "kind": "ServiceAccount"});
            is_done &= self.create(self.accounts, account, (namespace, ACCOUNT)).await;
        }
        let data = json!({"ca.crt": self.certificate});
        match self.objects.get(self.config_maps, &Key::new(namespace, AUTHORITY)) {
            None => {
                let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data});
                is_done & self.create(self.config_maps, map, (namespace, AUTHORITY)).await
            }
            Some(map) if map.get("data") != Some(&data) => {
                let mut new = Value::clone(&map);
                if let Some(fields) = new.as_object_mut() {
                    fields.insert("data".to_owned(), data);
                    fields.remove("immutable");
                }
                is_done & self.update(self.config_maps, &map, new).await
            }
            Some(_) => is_done,
        }
    }

    /// Deletes what is in a namespace, and the namespace when it is empty.
    async fn empty(&self, name: &str, namespace: &Value, views: &[PodView]) -> bool {
        if !self.gate.is_open() {
            return false;
        }
        let (mut is_empty, mut is_done) = (true, true);
        for view in views.iter().filter(|view| view.spec.key().namespace() == name) {
            is_empty = false;
            if view.status.deletion.is_some() {
                continue;
            }
            let pod = view.spec.key();
            // A pod of the manifest directory stays until its file is removed, and so does its
            // namespace.
            if let Err(error) = self.supervisor.requests().want(&pod, Wanted::Removed, None, None) {
                tracing::debug!(%pod, %error, "a pod of a namespace that is being deleted stays");
            }
        }
        for stored in &self.contents {
            for object in self.objects.list(*stored, Some(name)) {
                is_empty = false;
                is_done &= self.delete(*stored, &object).await;
            }
        }
        let left = self.contents.iter().any(|it| !self.objects.list(*it, Some(name)).is_empty());
        let is_kept = namespace
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty());
        if !left && !is_kept && (is_empty || !has_pods(&self.supervisor, name)) {
            is_done &= self.remove(self.namespaces, namespace).await;
        }
        is_done
    }

    async fn delete(&self, stored: Stored, object: &Value) -> bool {
        if !is_kept(object) {
            return self.remove(stored, object).await;
        }
        if is_being_deleted(object) {
            return true;
        }
        let mut begun = object.clone();
        set(&mut begun, "deletionTimestamp", json!(seconds(now().wall)));
        set(&mut begun, "deletionGracePeriodSeconds", json!(0));
        self.update(stored, object, begun).await
    }

    async fn create(&self, stored: Stored, mut object: Value, (space, name): (&str, &str)) -> bool {
        set(&mut object, "name", json!(name));
        if !space.is_empty() {
            set(&mut object, "namespace", json!(space));
        }
        set(&mut object, "uid", json!(uuid::Uuid::new_v4().to_string()));
        set(&mut object, "creationTimestamp", json!(seconds(now().wall)));
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        if let Some(rules) = Rules::of_core(kind) {
            (rules.default)(&mut object);
        }
        let edit = Edit::Create { object, applied: Applied::default() };
        report(self.objects.edit(stored, edit).await.map(drop))
    }

    async fn update(&self, stored: Stored, live: &Value, object: Value) -> bool {
        let applied = Key::of(live).map(|key| self.objects.applied(stored, &key));
        let edit =
            Edit::Update { version: version(live), object, applied: applied.unwrap_or_default() };
        report(self.objects.edit(stored, edit).await.map(drop))
    }

    async fn remove(&self, stored: Stored, object: &Value) -> bool {
        let Ok(key) = Key::of(object) else { return true };
        let edit = Edit::Remove { version: version(object), key };
        report(self.objects.edit(stored, edit).await.map(drop))
    }
}

fn has_pods(supervisor: &Supervisor, namespace: &str) -> bool {
    supervisor.list().iter().any(|view| view.spec.key().namespace() == namespace)
}

fn version(object: &Value) -> String {
    let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    version.unwrap_or_default().to_owned()
}

fn set(object: &mut Value, field: &str, value: Value) {
    let Some(fields) = object.as_object_mut() else { return };
    let metadata = fields.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert(field.to_owned(), value);
    }
}

/// True if the edit succeeded, or another writer was first: its change leads to another round.
fn report(edited: Result<(), StoreError>) -> bool {
    match edited {
        Ok(()) | Err(StoreError::AlreadyExists | StoreError::NotFound | StoreError::Modified) => {
            true
        }
        Err(error) => {
            tracing::warn!(%error, "a namespace cannot be kept");
            false
        }
    }
}
