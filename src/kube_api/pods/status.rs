//! Writes of `pods/status`, which replace the status as in Kubernetes.
//!
//! Conditions that the daemon does not decide are kept. Everything else of the status is the daemon's:
//! it is published as the client wrote it, and then the daemon's own status again, as a kubelet
//! corrects what others write into a status.

use std::sync::Arc;

use probelet_kube_wire::feed::Key;
use probelet_kube_wire::status::{FieldError, Status};
use serde_json::{Map, Value};

use super::super::errors::{invalid_pod, of_supervisor};
use super::super::writes::{Change, Kind, Live, Outcome};
use super::{Pods, pods, text};
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{ConditionStatus, PodSpec, SetCondition, is_decided_condition};
use crate::manifest;
use crate::supervisor::now;

/// What a client does with a condition that the daemon does not decide.
enum Edit {
    Set(String, SetCondition),
    Remove(String),
}

impl Pods {
    /// Replaces the status, with labels and annotations, which the same write may change.
    pub(super) async fn write_status(
        &self,
        live: &Live,
        change: Change<'_>,
    ) -> Result<Outcome, Status> {
        let Change { object, applied, dry_run, by, .. } = change;
        let mut status = object.get("status").cloned().unwrap_or_default();
        keep_class(&live.object, &mut status);
        let (mut live, mut warnings) = (live.clone(), Vec::new());
        if dry_run {
            let view = self.view(&live)?;
            edits(text(&live.object, "name"), &view.spec, &status)?;
        }
        if manifest::written(&live.object) != manifest::written(&object) {
            let change = Change { object, applied, subresource: None, dry_run, by };
            let outcome = self.change(&live, change).await?;
            live.object = outcome.object;
            warnings = outcome.warnings;
        }
        if !dry_run {
            live = self.set_conditions(live, &status).await?;
        }
        let mut written = Value::clone(&live.object);
        let Some(fields) = written.as_object_mut() else {
            return Err(Status::internal("the pod is no object"));
        };
        fields.insert("status".to_owned(), status);
        warnings.extend(corrected(&live.object, &written));
        let object = if same_but_order(&live.object, &written) {
            live.object
        } else if dry_run {
            Arc::new(written)
        } else {
            self.settled.write_once(written)?
        };
        Ok(Outcome { object, warnings })
    }

    /// Carries the edits of conditions out. Returns the pod as it is then.
    async fn set_conditions(&self, live: Live, status: &Value) -> Result<Live, Status> {
        let name = text(&live.object, "name");
        let key = PodKey::new(text(&live.object, "namespace"), name);
        let view = self.view(&live)?;
        let edits = edits(name, &view.spec, status)?;
        if edits.is_empty() {
            return Ok(live);
        }
        let changes = self.supervisor.live_changes();
        for edit in edits {
            let changed = match edit {
                Edit::Set(kind, condition) => changes.set_condition(&key, &kind, condition).await,
                Edit::Remove(kind) => changes.remove_condition(&key, &kind).await,
            };
            changed.map_err(|error| of_supervisor(name, error))?;
        }
        let of = Key::new(key.namespace(), key.name());
        let changed = self.live(&of).await?;
        changed.ok_or_else(|| Status::not_found(&pods(), name))
    }
}

/// The edits of the pod's conditions by which it has those of a written status; 422 if one of them
/// is not valid.
fn edits(name: &str, spec: &PodSpec, status: &Value) -> Result<Vec<Edit>, Status> {
    let (mut after, mut edits) = (spec.clone(), Vec::new());
    let new = conditions(status);
    for kind in spec.gates.conditions.keys() {
        if !new.iter().any(|condition| field(condition, "type") == kind) {
            after = after.without_condition(kind);
            edits.push(Edit::Remove(kind.clone()));
        }
    }
    for (index, condition) in new.iter().enumerate() {
        let kind = field(condition, "type");
        if is_decided_condition(kind) {
            continue;
        }
        let at = format!("status.conditions[{index}]");
        let set = read(condition).map_err(|supported| {
            let given = field(condition, "status");
            let error = FieldError::not_supported(format!("{at}.status"), given, &supported);
            invalid_pod(name, &[error])
        })?;
        let before = after.clone();
        after = after.with_condition(kind, set.clone()).map_err(|errors| {
            let located = errors
                .0
                .iter()
                .map(|error| FieldError::of_text(format!("{at}.{}", error.field), &error.reason));
            invalid_pod(name, &located.collect::<Vec<_>>())
        })?;
        if after != before {
            edits.push(Edit::Set(kind.to_owned(), set));
        }
    }
    Ok(edits)
}

/// The class of a pod follows from its spec, so no write changes it.
fn keep_class(live: &Value, status: &mut Value) {
    const FIELD: &str = "qosClass";
    if !status.is_object() {
        *status = Value::Object(Map::new());
    }
    let class = live.pointer("/status/qosClass").cloned();
    if let (Some(status), Some(class)) = (status.as_object_mut(), class) {
        status.insert(FIELD.to_owned(), class);
    }
}

fn conditions(status: &Value) -> &[Value] {
    let conditions = status.get("conditions").and_then(Value::as_array);
    conditions.map(Vec::as_slice).unwrap_or_default()
}

fn field<'a>(condition: &'a Value, name: &str) -> &'a str {
    condition.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A condition as the domain has it; the values of `status` that there are if it has another.
fn read(condition: &Value) -> Result<SetCondition, [&'static str; 3]> {
    let status = field(condition, "status");
    let known = ConditionStatus::ALL.into_iter().find(|known| known.as_str() == status);
    Ok(SetCondition {
        status: known.ok_or(ConditionStatus::ALL.map(ConditionStatus::as_str))?,
        reason: field(condition, "reason").to_owned(),
        message: field(condition, "message").to_owned(),
        since: now().wall,
    })
}

/// The fields of a written status that the daemon publishes again as they were.
fn corrected(live: &Value, written: &Value) -> Vec<String> {
    let of = |object: &Value| object.get("status").and_then(Value::as_object).cloned();
    let (live, written) = (of(live).unwrap_or_default(), of(written).unwrap_or_default());
    let differs =
        |field: &&String| *field != "conditions" && live.get(*field) != written.get(*field);
    let fields = written.keys().chain(live.keys().filter(|field| !written.contains_key(*field)));
    let text = |field| format!("status.{field}: the daemon sets its own value again");
    fields.filter(differs).map(text).collect()
}

/// True if a write of the status changes nothing: the daemon has conditions in an order of its own.
fn same_but_order(live: &Value, written: &Value) -> bool {
    let sorted = |object: &Value| {
        let mut object = object.clone();
        if let Some(list) = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
            list.sort_by_key(|condition| field(condition, "type").to_owned());
            for condition in list.iter_mut().filter_map(Value::as_object_mut) {
                condition.retain(|key, value| key != "lastTransitionTime" && !value.is_null());
            }
        }
        object
    };
    sorted(live) == sorted(written)
}
