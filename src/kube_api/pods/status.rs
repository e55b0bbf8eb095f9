//! Writes of `pods/status`: the conditions that others than the daemon decide.

use probelet_kube_wire::status::{FieldError, Status};
use serde_json::Value;

use super::super::errors::{invalid_pod, of_supervisor};
use super::super::writes::{Change, Live, Outcome};
use super::{Pods, text};
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{ConditionStatus, SetCondition};
use crate::supervisor::now;

/// Conditions of one request.
const CONDITIONS: usize = 64;

impl Pods {
    /// Sets the conditions that differ. Everything else of the status is the daemon's.
    pub(super) async fn set_conditions(
        &self,
        live: &Live,
        change: Change<'_>,
    ) -> Result<Outcome, Status> {
        let name = text(&live.object, "name").to_owned();
        let key = PodKey::new(text(&live.object, "namespace"), &*name);
        let mut view = self.view(live)?;
        let mut spec = (*view.spec).clone();
        let (old, new) = (conditions(&live.object), conditions(&change.object));
        let mut set = Vec::new();
        for (index, condition) in new.iter().take(CONDITIONS).enumerate() {
            let kind = field(condition, "type");
            let before = old.iter().find(|before| field(before, "type") == kind);
            let is_same = |name| before.map(|it| field(it, name)) == Some(field(condition, name));
            if ["status", "reason", "message"].into_iter().all(is_same) {
                continue;
            }
            let at = format!("status.conditions[{index}]");
            let condition = read(condition).map_err(|supported| {
                let error = FieldError::not_supported(
                    format!("{at}.status"),
                    field(condition, "status"),
                    &supported,
                );
                invalid_pod(&name, &[error])
            })?;
            spec = spec.with_condition(kind, condition.clone()).map_err(|errors| {
                let located = errors.0.iter().map(|error| {
                    FieldError::of_text(format!("{at}.{}", error.field), &error.reason)
                });
                invalid_pod(&name, &located.collect::<Vec<_>>())
            })?;
            set.push((kind.to_owned(), condition));
        }
        let mut warnings = ignored(&live.object, &change.object);
        let more = new.len().saturating_sub(CONDITIONS);
        if more > 0 {
            warnings.push(format!("status.conditions: {more} are ignored: there are too many"));
        }
        if change.dry_run || set.is_empty() {
            view.spec = spec.into();
            let mut object = super::pod_objects::pod(&view);
            super::settled::set_version(&mut object, &live.object);
            return Ok(Outcome { object: object.into(), warnings });
        }
        for (kind, condition) in set {
            let changed =
                self.supervisor.live_changes().set_condition(&key, &kind, condition).await;
            view = changed.map_err(|error| of_supervisor(&name, error))?;
        }
        let object = self.settled.after(&view).await?;
        Ok(Outcome { object, warnings })
    }
}

fn conditions(object: &Value) -> &[Value] {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
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

/// The parts of a written status that differ and stay as they are.
fn ignored(live: &Value, new: &Value) -> Vec<String> {
    let (Some(live), Some(new)) = (live.get("status"), new.get("status")) else {
        return Vec::new();
    };
    let fields = new.as_object().into_iter().flatten();
    let differs =
        fields.filter(|(key, value)| *key != "conditions" && live.get(key) != Some(value));
    differs.map(|(key, _)| format!("status.{key}: ignored: made by the server")).collect()
}
