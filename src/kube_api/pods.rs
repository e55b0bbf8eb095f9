//! Pods as a kind that clients write.
//!
//! - A pod is created, changed and deleted through the supervisor, as by the other APIs. It is never
//!   replaced: a change that a live pod cannot take is refused, as in Kubernetes.
//! - `rules` has what may change, `status` the conditions that clients set, and `settled` waits until
//!   the store has what the supervisor has.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use probelet_kube_wire::discovery::Catalog;
use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::options::DeleteOptions;
use probelet_kube_wire::patch::Applied;
use probelet_kube_wire::query::Query;
use probelet_kube_wire::rules::{NameForm, metadata_errors};
use probelet_kube_wire::status::{FieldError, GroupResource, Status};
use serde_json::{Value, json};

use super::errors::{invalid_pod, of_supervisor};
use super::identity::Identity;
use super::pod_objects;
use super::stored_values::StoredValues;
use super::writes::{Change, Deletion, Kind, Live, Outcome};
use crate::domain::container::Wanted;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{PodSpec, Source, Validated};
use crate::kube_objects::Store;
use crate::manifest::{self, ManifestError, Submission};
use crate::supervisor::{PodView, Supervisor};

mod rules;
mod settled;
mod status;

use settled::Settled;

/// The pods of the supervisor.
pub struct Pods {
    supervisor: Arc<Supervisor>,
    values: StoredValues,
    settled: Settled,
}

fn pods() -> GroupResource {
    GroupResource::new("", "pods")
}

fn key_of(key: &Key) -> PodKey {
    PodKey::new(key.namespace(), key.name())
}

impl Pods {
    /// `None` if the catalog serves no pods.
    pub fn new(
        supervisor: Arc<Supervisor>,
        store: Store,
        values: StoredValues,
        catalog: &Catalog,
    ) -> Option<Self> {
        let stored = catalog.find("", "v1", "pods").map(Stored::of)?;
        let settled = Settled::new(supervisor.clone(), store, stored);
        Some(Self { supervisor, values, settled })
    }

    /// The kind, with what its objects are stored as.
    pub fn kind(self) -> (Stored, Arc<dyn Kind>) {
        (self.settled.stored(), Arc::new(self))
    }

    /// Reads an object as a pod of its uid.
    fn read(
        &self,
        object: &Value,
        applied: &Applied,
        live: Option<&PodSpec>,
    ) -> Result<Submission, ManifestError> {
        let managers = match applied.managers().next() {
            Some(_) => serde_json::to_string(applied).unwrap_or_default(),
            None => String::new(),
        };
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        self.values.submit(object, uid, managers, live)
    }

    /// Reads an object as a new pod; 422 with all its errors.
    fn read_new(&self, object: &Value, applied: &Applied) -> Result<Submission, Status> {
        // The name is checked with the pod.
        let mut errors = metadata_errors(object, Some(&Value::Null), NameForm::Subdomain);
        match self.read(object, applied, None) {
            Ok(read) if errors.is_empty() => return Ok(read),
            Ok(_) => {}
            Err(ManifestError(more)) => {
                errors.extend(more.iter().map(|it| FieldError::of_text(&*it.field, &it.reason)));
            }
        }
        Err(invalid_pod(text(object, "name"), &errors))
    }

    /// The pod whose object is the live one; 409 if it is another pod or was written meanwhile. Its
    /// status may have changed.
    fn view(&self, live: &Live) -> Result<PodView, Status> {
        let name = text(&live.object, "name");
        let key = PodKey::new(text(&live.object, "namespace"), name);
        let view = self.supervisor.get(&key).map_err(|error| of_supervisor(name, error))?;
        let object = pod_objects::pod(&view);
        let is_same = text(&live.object, "uid") == view.spec.uid
            && manifest::written(&object) == manifest::written(&live.object);
        if is_same { Ok(view) } else { Err(Status::modified(&pods(), name)) }
    }

    /// Replaces what a client may change of a live pod.
    async fn change(&self, live: &Live, change: Change<'_>) -> Result<Outcome, Status> {
        let name = text(&live.object, "name").to_owned();
        let view = self.view(live)?;
        check_writable(&view, &name)?;
        let Change { mut object, applied, dry_run, .. } = change;
        let mut before = Value::clone(&live.object);
        self.default(&mut before);
        let is_same = manifest::written(&before) == manifest::written(&object);
        if is_same && applied == live.applied {
            return Ok(Outcome { object: live.object.clone(), warnings: Vec::new() });
        }
        let generation = view.spec.submitted.as_ref().map_or(1, |kept| kept.generation);
        let grows = u64::from(before.get("spec") != object.get("spec"));
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("generation".to_owned(), json!(generation.saturating_add(grows)));
        }
        let mut errors = rules::check(&before, &object);
        errors.extend(metadata_errors(&object, Some(&before), NameForm::Subdomain));
        let read = self.read(&object, &applied, Some(&view.spec));
        let Submission { pod, warnings } = match read {
            Ok(read) if errors.is_empty() => read,
            Ok(_) => return Err(invalid_pod(&name, &errors)),
            Err(ManifestError(more)) => {
                errors.extend(more.iter().map(|it| FieldError::of_text(&*it.field, &it.reason)));
                return Err(invalid_pod(&name, &errors));
            }
        };
        let pod = with_live_values(pod, &view.spec)?;
        if let Some(error) = rules::fixed(&view.spec, &pod) {
            return Err(invalid_pod(&name, &[error]));
        }
        // A field that had no effect before the change needs no warning again.
        let old = self.read(&before, &live.applied, Some(&view.spec));
        let old = old.map(|read| read.warnings).unwrap_or_default();
        let warnings = warnings.into_iter().filter(|warning| !old.contains(warning)).collect();
        if dry_run {
            let spec = Arc::new(pod.into_inner().in_place_of(&view.spec));
            let mut object = pod_objects::pod(&PodView { spec, ..view });
            settled::set_version(&mut object, &live.object);
            return Ok(Outcome { object: Arc::new(object), warnings });
        }
        let changed = self.supervisor.live_changes().submit(&view.spec, pod).await;
        let changed = changed.map_err(|error| of_supervisor(&name, error))?;
        let object = self.settled.after(&changed).await?;
        Ok(Outcome { object, warnings })
    }

    async fn remove(
        &self,
        live: &Live,
        options: &DeleteOptions,
        by: &Identity,
    ) -> Result<Arc<Value>, Status> {
        let name = text(&live.object, "name");
        let key = PodKey::new(text(&live.object, "namespace"), name);
        let view = self.view(live)?;
        if view.spec.is_adopted() {
            return Err(Status::method_not_supported(&pods(), "delete"));
        }
        if options.dry_run {
            return Ok(live.object.clone());
        }
        let grace = options.grace_period_seconds.map(Duration::from_secs);
        let asked =
            self.supervisor.requests().want(&key, Wanted::Removed, grace, Some(by.caller()));
        asked.map_err(|error| of_supervisor(name, error))?;
        self.settled.deleted(&view, live).await
    }
}

#[async_trait]
impl Kind for Pods {
    fn default(&self, object: &mut Value) {
        manifest::set_defaults(object);
    }

    async fn live(&self, key: &Key) -> Result<Option<Live>, Status> {
        let pod = key_of(key);
        let recovered = self.supervisor.recovered(&pod).await;
        recovered.map_err(|error| of_supervisor(pod.name(), error))?;
        let Some((view, object)) = self.settled.live(&pod).await? else { return Ok(None) };
        let managers = view.spec.submitted.as_ref().map(|kept| kept.managers.as_str());
        let managers = managers.filter(|managers| !managers.is_empty());
        let applied = managers.map(serde_json::from_str).transpose();
        let applied = applied.map_err(|error| Status::internal(&error.to_string()))?;
        Ok(Some(Live { object, applied: applied.unwrap_or_default() }))
    }

    fn check_new(&self, object: &Value) -> Result<(), Status> {
        self.read_new(object, &Applied::default()).map(drop)
    }

    async fn create(&self, change: Change<'_>) -> Result<Outcome, Status> {
        let Change { object, applied, dry_run, .. } = change;
        let name = text(&object, "name").to_owned();
        let Submission { pod, warnings } = self.read_new(&object, &applied)?;
        if dry_run {
            let checked = self.supervisor.check(&pod).await;
            checked.map_err(|error| of_supervisor(&name, error))?;
            let object = Arc::new(pod_objects::pending(pod.into_inner()));
            return Ok(Outcome { object, warnings });
        }
        let created = self.supervisor.create(pod).await;
        let view = created.map_err(|error| of_supervisor(&name, error))?;
        let object = self.settled.after(&view).await?;
        Ok(Outcome { object, warnings })
    }

    async fn update(&self, live: &Live, change: Change<'_>) -> Result<Outcome, Status> {
        match change.subresource {
            None => self.change(live, change).await,
            Some("status") => self.write_status(live, change).await,
            Some(_) => Err(Status::method_not_supported(&pods(), "update")),
        }
    }

    async fn delete(&self, live: &Live, deletion: Deletion<'_>) -> Result<Arc<Value>, Status> {
        self.remove(live, deletion.options, deletion.by).await
    }

    /// `eviction` is a deletion: there are no disruption budgets here.
    async fn create_subresource(
        &self,
        live: &Live,
        subresource: &str,
        body: &Value,
        by: &Identity,
    ) -> Result<Value, Status> {
        if subresource != "eviction" {
            return Err(Status::method_not_supported(&pods(), "create"));
        }
        let name = text(&live.object, "name");
        let wanted = text(body, "name");
        if !wanted.is_empty() && wanted != name {
            let why = format!("name in URL does not match name in Eviction object: {wanted}");
            return Err(Status::bad_request(why));
        }
        let options = body.get("deleteOptions").filter(|options| !options.is_null());
        let options = DeleteOptions::parse(&Query::parse("")?, options)?;
        options.check(&pods(), name, &live.object)?;
        self.remove(live, &options, by).await?;
        Ok(json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
        }))
    }
}

/// Refuses a pod that no manifest describes.
fn check_writable(view: &PodView, name: &str) -> Result<(), Status> {
    if view.spec.is_adopted() {
        return Err(Status::method_not_supported(&pods(), "update"));
    }
    if view.spec.all().any(|container| matches!(container.source, Source::Bundle { .. })) {
        let why = "the container was made from an OCI spec, not from a manifest";
        return Err(invalid_pod(name, &[FieldError::forbidden("spec", why)]));
    }
    Ok(())
}

/// The credentials of pulls are not among the sources of a live pod: a reference that stays keeps
/// them.
fn with_live_values(pod: Validated<PodSpec>, live: &PodSpec) -> Result<Validated<PodSpec>, Status> {
    let mut spec = pod.into_inner();
    let copies = live.stored.is_none().then_some(&mut spec.pull_secrets);
    for secret in copies.into_iter().flatten().filter(|secret| secret.keyring.is_none()) {
        let before = live.pull_secrets.iter().find(|before| before.name == secret.name);
        secret.keyring = before.and_then(|before| before.keyring.clone());
    }
    spec.origin.clone_from(&live.origin);
    spec.validate().map_err(|errors| Status::internal(&errors.to_string()))
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    let metadata = object.get("metadata");
    metadata.and_then(|it| it.get(field)).and_then(Value::as_str).unwrap_or_default()
}
