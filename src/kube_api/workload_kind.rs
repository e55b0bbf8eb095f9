//! Deployments, DaemonSets, StatefulSets, Jobs and CronJobs as kinds that clients write. The rules are
//! those of `probelet-workload`, the template of a pod is checked as a pod is, and the storage is that
//! of all stored kinds.

use std::sync::Arc;

use async_trait::async_trait;
use probelet_kube_wire::discovery::{Catalog, Served};
use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::rules::{NameForm, metadata_errors};
use probelet_kube_wire::status::{FieldError, Status};
use probelet_workload as workload;
use serde_json::{Value, json};

use super::identity::Identity;
use super::stored_kind::StoredKind;
use super::writes::{Change, Deletion, Kind, Live, Outcome, group_kind, text};
use crate::kube_objects::StoredObjects;
use crate::manifest::{self, ManifestError, SourceObjects, Submission};
use crate::workloads::zone;

/// One kind of workloads.
struct WorkloadKind {
    served: &'static Served,
    kind: workload::Kind,
    objects: StoredKind,
}

/// All kinds of workloads that the catalog serves.
pub fn workload_kinds(catalog: &Catalog, objects: &StoredObjects) -> Vec<(Stored, Arc<dyn Kind>)> {
    let kind = |served: &'static Served| {
        let kind = workload::Kind::of_resource(served.group, served.name)?;
        let objects = StoredKind::of_workload(served, objects.clone());
        let kind = WorkloadKind { served, kind, objects };
        Some((Stored::of(served), Arc::new(kind) as Arc<dyn Kind>))
    };
    catalog.rows().iter().filter_map(kind).collect()
}

impl WorkloadKind {
    /// 422 if the object breaks rules. Returns what people are warned of.
    fn check(&self, new: &Value, old: Option<&Value>) -> Result<Vec<String>, Status> {
        let mut errors = metadata_errors(new, old, NameForm::Subdomain);
        errors.extend(workload::validate(self.kind, new, old, zone));
        let template = self.kind.template();
        let mut warnings = Vec::new();
        // An old template was checked when it was written.
        if old.is_none_or(|old| old.pointer(template) != new.pointer(template)) {
            match self.check_template(new) {
                Ok(found) => warnings = found,
                Err(found) => errors.extend(found),
            }
        }
        match errors.as_slice() {
            [] => Ok(warnings),
            errors => Err(Status::invalid(&group_kind(self.served), text(new, "name"), errors)),
        }
    }

    /// 422 if labels or annotations break rules: a write of the status may change them.
    fn check_metadata(&self, new: &Value, old: &Value) -> Result<Vec<String>, Status> {
        let errors = metadata_errors(new, Some(old), NameForm::Subdomain);
        match errors.as_slice() {
            [] => Ok(Vec::new()),
            errors => Err(Status::invalid(&group_kind(self.served), text(new, "name"), errors)),
        }
    }

    /// Checks the template as the pod that it makes. The fields of errors are those of the object.
    fn check_template(&self, object: &Value) -> Result<Vec<String>, Vec<FieldError>> {
        let Some(template) = object.pointer(self.kind.template()) else { return Ok(Vec::new()) };
        let metadata = |field: &str| template.get("metadata").and_then(|it| it.get(field)).cloned();
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "pod", "namespace": text(object, "namespace"),
                "labels": metadata("labels"), "annotations": metadata("annotations"),
            },
            "spec": template.get("spec"),
        });
        let path = self.kind.template().trim_start_matches('/').replace('/', ".");
        match manifest::submit(&pod, "", String::new(), SourceObjects::Stored(Vec::new())) {
            Ok(Submission { warnings, .. }) => {
                Ok(warnings.into_iter().map(|warning| format!("{path}.{warning}")).collect())
            }
            Err(ManifestError(errors)) => {
                let located = |it: &manifest::SpecError| {
                    FieldError::of_text(format!("{path}.{}", it.field), &it.reason)
                };
                Err(errors.iter().map(located).collect())
            }
        }
    }
}

#[async_trait]
impl Kind for WorkloadKind {
    fn default(&self, object: &mut Value) {
        workload::default(self.kind, object, manifest::set_defaults);
    }

    async fn live(&self, key: &Key) -> Result<Option<Live>, Status> {
        self.objects.live(key).await
    }

    fn check_new(&self, object: &Value) -> Result<(), Status> {
        self.check(object, None).map(drop)
    }

    async fn create(&self, change: Change<'_>) -> Result<Outcome, Status> {
        let warnings = self.check(&change.object, None)?;
        let outcome = self.objects.create(change).await?;
        Ok(Outcome { warnings, ..outcome })
    }

    async fn update(&self, live: &Live, change: Change<'_>) -> Result<Outcome, Status> {
        let warnings = match change.subresource {
            None => self.check(&change.object, Some(&live.object))?,
            // The status is the controller's, which a client may correct.
            Some(_) => self.check_metadata(&change.object, &live.object)?,
        };
        let outcome = self.objects.update(live, change).await?;
        Ok(Outcome { warnings, ..outcome })
    }

    async fn delete(&self, live: &Live, deletion: Deletion<'_>) -> Result<Arc<Value>, Status> {
        self.objects.delete(live, deletion).await
    }

    async fn create_subresource(
        &self,
        live: &Live,
        subresource: &str,
        body: &Value,
        by: &Identity,
    ) -> Result<Value, Status> {
        self.objects.create_subresource(live, subresource, body, by).await
    }
}
