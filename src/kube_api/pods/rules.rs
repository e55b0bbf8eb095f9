//! What may change of a live pod: what Kubernetes allows, and what takes effect here without a new
//! instance, such as probes and restart policies.

use probelet_kube_wire::status::FieldError;
use serde_json::Value;

use crate::domain::spec::{Change, PodSpec};
use crate::manifest::ignored_fields;

/// Kubernetes' text, which clients compare.
const FIXED: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions \
    to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
    previously negative)";

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// The changes of fields that Kubernetes fixes and that have no effect here, and of the deadline.
pub fn check(before: &Value, after: &Value) -> Vec<FieldError> {
    let of = |object: &'_ Value, field: &str| {
        let value = object.get("spec").and_then(|spec| spec.get(field)).cloned();
        value.filter(|value| !is_empty(value))
    };
    let mut changed = Vec::new();
    for field in ignored_fields() {
        let (old, new) = (of(before, field), of(after, field));
        let is_allowed = match field {
            "tolerations" => adds_only(old.as_ref(), new.as_ref()),
            _ => old == new,
        };
        if !is_allowed {
            changed.push(format!("spec.{field}"));
        }
    }
    changed.extend(changed_in_containers(before, after));
    let mut errors: Vec<_> =
        (!changed.is_empty()).then(|| forbidden(&changed)).into_iter().collect();
    errors.extend(deadline(
        of(before, "activeDeadlineSeconds").and_then(|it| it.as_i64()),
        of(after, "activeDeadlineSeconds").and_then(|it| it.as_i64()),
    ));
    errors
}

/// The changed parts of containers that the comparison of specs does not see: environments that
/// refer to objects (see `PodSpec::change_to`), and resize policies, which are only given back.
fn changed_in_containers(before: &Value, after: &Value) -> Vec<String> {
    let mut changed = Vec::new();
    for list in ["initContainers", "containers"] {
        let of = |object: &Value| {
            let containers = object.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
            containers.cloned().unwrap_or_default()
        };
        for (index, (old, new)) in of(before).iter().zip(of(after).iter()).enumerate() {
            for field in ["env", "envFrom"] {
                let refers = |container: &Value| {
                    let list = container.get(field).and_then(Value::as_array);
                    let is_reference = |item: &&Value| item.get("value").is_none();
                    list.into_iter().flatten().filter(is_reference).cloned().collect::<Vec<_>>()
                };
                if refers(old) != refers(new) {
                    changed.push(format!("spec.{list}[{index}].{field}"));
                }
            }
            if old.get("resizePolicy") != new.get("resizePolicy") {
                changed.push(format!("spec.{list}[{index}].resizePolicy"));
            }
        }
    }
    changed
}

/// An active deadline can be set and shortened.
fn deadline(before: Option<i64>, after: Option<i64>) -> Option<FieldError> {
    let field = "spec.activeDeadlineSeconds";
    match (before, after) {
        (Some(before), Some(after)) if after > before => {
            let why = format!("must be less than or equal to previous value ({before})");
            Some(FieldError::invalid(field, after, why))
        }
        (Some(_), None) => {
            let why = "must not update from a positive integer to nil value";
            Some(FieldError::invalid(field, Value::Null, why))
        }
        _ => None,
    }
}

fn adds_only(before: Option<&Value>, after: Option<&Value>) -> bool {
    let items =
        |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let after = items(after);
    items(before).iter().all(|toleration| after.contains(toleration))
}

/// The error of the fields that need a new pod; `None` if the live pod can take the change.
pub fn fixed(live: &PodSpec, new: &PodSpec) -> Option<FieldError> {
    let Change::Fixed(mut fields) = live.change_to(&new.clone().in_place_of(live)) else {
        return None;
    };
    for field in ["spec.containers", "spec.initContainers"] {
        if fields.iter().any(|changed| changed == field) {
            let why = "pod updates may not add or remove containers";
            return Some(FieldError::forbidden(field, why));
        }
    }
    // As in Kubernetes, another image restarts the container.
    fields.retain(|field| !field.ends_with("].image"));
    (!fields.is_empty()).then(|| forbidden(&fields))
}

fn forbidden(fields: &[String]) -> FieldError {
    FieldError::forbidden("spec", format!("{FIXED}\nchanged: {}", fields.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::spec::{Source, sample};

    #[test]
    fn ignored_fields_are_fixed_and_tolerations_are_added() {
        let pod = |spec: Value| json!({"spec": spec});
        let toleration = |key: &str| json!({"key": key});
        let rows = [
            (json!({}), json!({"nodeSelector": {"a": "b"}}), Some("spec.nodeSelector")),
            (json!({"nodeSelector": {}}), json!({}), None),
            (json!({"priority": 0}), json!({"priority": 1}), Some("spec.priority")),
            (json!({}), json!({"tolerations": [toleration("a")]}), None),
            (
                json!({"tolerations": [toleration("a")]}),
                json!({"tolerations": [toleration("b"), toleration("a")]}),
                None,
            ),
            (
                json!({"tolerations": [toleration("a")]}),
                json!({"tolerations": [toleration("b")]}),
                Some("spec.tolerations"),
            ),
            (json!({"activeDeadlineSeconds": 3}), json!({"activeDeadlineSeconds": 2}), None),
            (
                json!({"activeDeadlineSeconds": 3}),
                json!({"activeDeadlineSeconds": 4}),
                Some("must be less than or equal to previous value (3)"),
            ),
            (json!({"activeDeadlineSeconds": 3}), json!({}), Some("to nil value")),
            (json!({}), json!({"activeDeadlineSeconds": 4}), None),
            (
                json!({"containers": [{"name": "a"}]}),
                json!({"containers": [{"name": "a", "resizePolicy": [
                    {"resourceName": "cpu", "restartPolicy": "NotRequired"},
                ]}]}),
                Some("changed: spec.containers[0].resizePolicy"),
            ),
        ];
        for (before, after, expected) in rows {
            let errors = check(&pod(before.clone()), &pod(after.clone()));
            assert_eq!(errors.len(), usize::from(expected.is_some()), "{before} {after}");
            let text = errors.first().map(ToString::to_string).unwrap_or_default();
            assert!(text.contains(expected.unwrap_or_default()), "{text}");
        }
    }

    #[test]
    fn images_change_and_other_parts_of_an_instance_do_not() {
        let old = sample::pod();
        let text = |edit: fn(&mut PodSpec)| {
            let mut new = old.clone();
            edit(&mut new);
            fixed(&old, &new).map(|error| error.to_string())
        };
        assert_eq!(text(|pod| pod.containers[0].source = Source::Image("y".into())), None);
        assert_eq!(text(|pod| pod.labels.clear()), None);
        let args = text(|pod| pod.containers[0].args = vec!["x".into()]).unwrap();
        assert!(args.starts_with("spec: Forbidden: pod updates may not change fields other than"));
        assert!(args.ends_with("changed: spec.containers[0].args"), "{args}");
        let added = text(|pod| pod.containers[0].name = "x".into()).unwrap();
        assert_eq!(
            added,
            "spec.containers: Forbidden: pod updates may not add or remove containers"
        );
    }
}
