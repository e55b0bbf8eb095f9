//! Kinds whose objects clients store.

use std::sync::Arc;

use async_trait::async_trait;
use probelet_kube_wire::discovery::{Catalog, Served};
use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::options::Propagation;
use probelet_kube_wire::rules::{Rules, is_being_deleted, is_kept};
use probelet_kube_wire::status::{GroupResource, Status, deleted, protocol};
use probelet_objects::ObjectsError;
use probelet_workload as workload;
use serde_json::{Value, json};

use super::identity::Identity;
use super::times::seconds;
use super::writes::{Change, Deletion, Kind, Live, Outcome, group_kind, text};
use crate::kube_objects::{Edit, StoreError, StoredObjects};
use crate::supervisor::now;

/// One kind with its rules.
#[derive(Clone)]
pub struct StoredKind {
    served: &'static Served,
    rules: Rules,
    objects: StoredObjects,
}

/// All stored kinds that the catalog serves.
pub fn stored_kinds(catalog: &Catalog, objects: &StoredObjects) -> Vec<(Stored, Arc<dyn Kind>)> {
    let kind = |served: &'static Served| {
        let rules = Rules::of_core(served.kind).filter(|_| served.group.is_empty())?;
        let kind = StoredKind { served, rules, objects: objects.clone() };
        Some((Stored::of(served), Arc::new(kind) as Arc<dyn Kind>))
    };
    catalog.rows().iter().filter_map(kind).collect()
}

impl StoredKind {
    /// A kind of workloads, whose rules the caller checks.
    pub fn of_workload(served: &'static Served, objects: StoredObjects) -> Self {
        Self { served, rules: Rules::COUNTED, objects }
    }

    fn stored(&self) -> Stored {
        Stored::of(self.served)
    }

    fn resource(&self) -> GroupResource {
        GroupResource::new(self.served.group, self.served.name)
    }

    /// 422 if the object breaks rules.
    fn check(&self, new: &Value, old: Option<&Value>) -> Result<(), Status> {
        let errors = (self.rules.validate)(new, old);
        match errors.as_slice() {
            [] => Ok(()),
            errors => Err(Status::invalid(&group_kind(self.served), text(new, "name"), errors)),
        }
    }

    fn outcome(&self, object: Arc<Value>) -> Outcome {
        Outcome { object, warnings: self.rules.warning.map(str::to_owned).into_iter().collect() }
    }

    async fn edit(&self, name: &str, edit: Edit) -> Result<Arc<Value>, Status> {
        let edited = self.objects.edit(self.stored(), edit).await;
        edited.map_err(|error| status(&self.resource(), name, error))
    }

    /// Counts the change in `metadata.generation` if the kind has one.
    fn count(&self, new: &mut Value, old: Option<&Value>) {
        let counted = old.and_then(|old| old.pointer("/metadata/generation")?.as_u64());
        let differs = old.is_some_and(|old| old.get("spec") != new.get("spec"));
        let number = counted.unwrap_or(1).saturating_add(u64::from(differs));
        let Some(metadata) = new.get_mut("metadata").and_then(Value::as_object_mut) else { return };
        match self.rules.has_generation {
            true => metadata.insert("generation".to_owned(), json!(number)),
            false => metadata.remove("generation"),
        };
    }
}

#[async_trait]
impl Kind for StoredKind {
    fn default(&self, object: &mut Value) {
        (self.rules.default)(object);
    }

    async fn live(&self, key: &Key) -> Result<Option<Live>, Status> {
        let found = self.objects.get(self.stored(), key);
        Ok(found.map(|object| Live { object, applied: self.objects.applied(self.stored(), key) }))
    }

    fn check_new(&self, object: &Value) -> Result<(), Status> {
        self.check(object, None)
    }

    async fn create(&self, change: Change<'_>) -> Result<Outcome, Status> {
        let Change { mut object, applied, dry_run, .. } = change;
        self.count(&mut object, None);
        self.check(&object, None)?;
        if dry_run {
            return Ok(self.outcome(Arc::new(object)));
        }
        let name = text(&object, "name").to_owned();
        let created = self.edit(&name, Edit::Create { object, applied }).await?;
        Ok(self.outcome(created))
    }

    async fn update(&self, live: &Live, change: Change<'_>) -> Result<Outcome, Status> {
        let Change { mut object, applied, dry_run, .. } = change;
        self.count(&mut object, Some(&live.object));
        self.check(&object, Some(&live.object))?;
        if object == *live.object && applied == live.applied {
            return Ok(self.outcome(live.object.clone()));
        }
        if dry_run {
            return Ok(self.outcome(Arc::new(object)));
        }
        // The object waited for its last finalizer to be removed.
        if is_being_deleted(&object) && !is_kept(&object) {
            self.remove(&live.object).await?;
            return Ok(self.outcome(Arc::new(object)));
        }
        let name = text(&object, "name").to_owned();
        let version = text(&live.object, "resourceVersion").to_owned();
        let edited = self.edit(&name, Edit::Update { version, object, applied }).await?;
        Ok(self.outcome(edited))
    }

    async fn delete(&self, live: &Live, deletion: Deletion<'_>) -> Result<Arc<Value>, Status> {
        let (object, name) = (&live.object, text(&live.object, "name"));
        if self.rules.permanent.contains(&name) {
            let why = format!("this {} may not be deleted", self.served.singular);
            return Err(Status::forbidden(&self.resource(), name, &why));
        }
        if is_being_deleted(object) && is_kept(object) {
            return Ok(object.clone());
        }
        let mut begun = self.unwound(object, deletion.options.propagation);
        if !is_kept(&begun) {
            if !deletion.options.dry_run {
                self.remove(object).await?;
            }
            return Ok(Arc::new(deleted(&self.resource(), name, text(object, "uid"))));
        }
        if let Some(metadata) = begun.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("deletionTimestamp".to_owned(), json!(seconds(now().wall)));
            metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(0));
        }
        (self.rules.delete)(&mut begun);
        if deletion.options.dry_run {
            return Ok(Arc::new(begun));
        }
        let version = text(object, "resourceVersion").to_owned();
        let applied = live.applied.clone();
        self.edit(name, Edit::Update { version, object: begun, applied }).await
    }

    async fn create_subresource(
        &self,
        live: &Live,
        subresource: &str,
        _: &Value,
        _: &Identity,
    ) -> Result<Value, Status> {
        let name = format!("{}/{subresource}", text(&live.object, "name"));
        Err(Status::not_found(&self.resource(), &name))
    }
}

impl StoredKind {
    /// The object with the finalizer of its deletion, which keeps it until the controllers have
    /// deleted its dependents, or released them. Without one, they are deleted after it.
    fn unwound(&self, object: &Value, propagation: Option<Propagation>) -> Value {
        let kind = workload::Kind::of_resource(self.served.group, self.served.name);
        let default = match kind.is_some_and(workload::Kind::orphans_by_default) {
            true => Propagation::Orphan,
            false => Propagation::Background,
        };
        let unwinding = match propagation.unwrap_or(default) {
            Propagation::Orphan => workload::Deletion::Orphan,
            Propagation::Foreground => workload::Deletion::Foreground,
            Propagation::Background => return object.clone(),
        };
        // What is in a namespace does not refer to it as its owner.
        if self.served.namespaced { unwinding.begun(object) } else { object.clone() }
    }

    async fn remove(&self, object: &Value) -> Result<(), Status> {
        let version = text(object, "resourceVersion").to_owned();
        let key = Key::of(object).map_err(|error| Status::internal(&error.to_string()))?;
        let name = key.name().to_owned();
        self.edit(&name, Edit::Remove { version, key }).await.map(drop)
    }
}

fn status(resource: &GroupResource, name: &str, error: StoreError) -> Status {
    match error {
        StoreError::AlreadyExists => Status::already_exists(resource, name),
        StoreError::NotFound => Status::not_found(resource, name),
        StoreError::Modified => Status::modified(resource, name),
        StoreError::Folder(ObjectsError::TooLarge(_)) => protocol::too_large(&error.to_string()),
        StoreError::Full(_) => Status::forbidden(resource, name, &error.to_string()),
        StoreError::Late => Status::timeout(&error.to_string(), 1),
        StoreError::Name(_) | StoreError::NoName => Status::bad_request(error.to_string()),
        StoreError::Folder(_) | StoreError::Parent { .. } | StoreError::Panicked(_) => {
            Status::internal(&error.to_string())
        }
    }
}
