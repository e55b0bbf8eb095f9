//! Deployments, DaemonSets and StatefulSets.

use probelet_kube_wire::status::{FieldError, FieldErrorKind};
use serde_json::{Value, json};

use super::{immutable, not_negative, one_of, refused, replicas, selector};
use crate::read::{below, integer, present, text};

const POLICY: &str = "spec.template.spec.restartPolicy";
const DEADLINE: &str = "spec.template.spec.activeDeadlineSeconds";
const NOT_A_NUMBER: &str = "must be an integer or percentage (e.g '5%')";

pub(super) fn deployment(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let fields = ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"];
    let mut errors = replicas(integer(object, "/spec/replicas").unwrap_or(1));
    errors.extend(not_negative(object, "spec", &fields));
    errors.extend(selector(object, "empty selector is invalid for deployment"));
    errors.extend(one_of(object, POLICY, &["Always"]));
    if present(object, "/spec/template/spec/activeDeadlineSeconds").is_some() {
        let why = "activeDeadlineSeconds in ReplicaSet is not Supported";
        errors.push(FieldError::forbidden(DEADLINE, why));
    }
    let ready = integer(object, "/spec/minReadySeconds").unwrap_or(0);
    let deadline = integer(object, "/spec/progressDeadlineSeconds");
    if let Some(deadline) = deadline.filter(|deadline| *deadline <= ready) {
        let why = "must be greater than minReadySeconds";
        errors.push(FieldError::invalid("spec.progressDeadlineSeconds", deadline, why));
    }
    errors.extend(strategy(object));
    if let Some(old) = old {
        errors.extend(immutable(object, old, &["spec.selector"]));
    }
    errors
}

fn strategy(object: &Value) -> Vec<FieldError> {
    let update = present(object, "/spec/strategy/rollingUpdate");
    let field = "spec.strategy.rollingUpdate";
    match text(object, "/spec/strategy/type") {
        "Recreate" if update.is_some() => {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            vec![FieldError::forbidden(field, why)]
        }
        "Recreate" => Vec::new(),
        "RollingUpdate" => match update {
            Some(update) => rolling(update, field, "may not be 0 when `maxSurge` is 0"),
            None => {
                let why = "this should be defaulted and never be nil";
                vec![FieldError::new(FieldErrorKind::Required, field, why)]
            }
        },
        _ => one_of(object, "spec.strategy.type", &["Recreate", "RollingUpdate"])
            .into_iter()
            .collect(),
    }
}

/// The two numbers of a rolling update, of which one must not be 0.
fn rolling(update: &Value, field: &str, both: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for name in ["maxUnavailable", "maxSurge"] {
        let field = format!("{field}.{name}");
        match present(update, &format!("/{name}")) {
            Some(Value::String(text)) if percent(text).is_none() => {
                errors.push(FieldError::invalid(field, text.as_str(), NOT_A_NUMBER));
            }
            Some(Value::String(text)) if name == "maxUnavailable" && percent(text) > Some(100) => {
                let why = "must not be greater than 100%";
                errors.push(FieldError::invalid(field, text.as_str(), why));
            }
            Some(Value::Number(number)) if number.as_i64().is_none_or(|number| number < 0) => {
                let number = Value::Number(number.clone());
                errors.push(FieldError::invalid(field, number, super::NEGATIVE));
            }
            _ => {}
        }
    }
    if errors.is_empty() && is_zero(update, "maxUnavailable") && is_zero(update, "maxSurge") {
        let field = format!("{field}.maxUnavailable");
        errors.push(FieldError::invalid(field, update["maxUnavailable"].clone(), both));
    }
    errors
}

fn percent(text: &str) -> Option<u32> {
    let digits = text.strip_suffix('%')?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn is_zero(update: &Value, name: &str) -> bool {
    match present(update, &format!("/{name}")) {
        Some(Value::Number(number)) => number.as_i64() == Some(0),
        Some(Value::String(text)) => percent(text) == Some(0),
        _ => true,
    }
}

pub(super) fn daemon_set(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = not_negative(object, "spec", &["minReadySeconds", "revisionHistoryLimit"]);
    errors.extend(selector(object, "empty selector is invalid for daemonset"));
    errors.extend(one_of(object, POLICY, &["Always"]));
    errors.extend(no_deadline(object));
    errors.extend(one_of(object, "spec.updateStrategy.type", &["RollingUpdate", "OnDelete"]));
    let field = "spec.updateStrategy.rollingUpdate";
    if let Some(update) = present(object, "/spec/updateStrategy/rollingUpdate") {
        errors.extend(rolling(update, field, "cannot be 0 when maxSurge is 0"));
        if !is_zero(update, "maxUnavailable") && !is_zero(update, "maxSurge") {
            let why = "may not be set when maxUnavailable is non-zero";
            let surge = update["maxSurge"].clone();
            errors.push(FieldError::invalid(format!("{field}.maxSurge"), surge, why));
        }
    }
    if let Some(old) = old {
        errors.extend(immutable(object, old, &["spec.selector"]));
    }
    errors
}

fn no_deadline(object: &Value) -> Option<FieldError> {
    let given = present(object, "/spec/template/spec/activeDeadlineSeconds")?;
    Some(FieldError::invalid(DEADLINE, given.clone(), "must not be specified"))
}

/// The fields of a StatefulSet that an update may change.
const MUTABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

pub(super) fn stateful_set(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let fields = ["minReadySeconds", "revisionHistoryLimit", "ordinals.start"];
    let mut errors = replicas(integer(object, "/spec/replicas").unwrap_or(1));
    errors.extend(not_negative(object, "spec", &fields));
    let policy = text(object, "/spec/podManagementPolicy");
    if !["OrderedReady", "Parallel"].contains(&policy) {
        let why = "must be 'OrderedReady' or 'Parallel'";
        errors.push(FieldError::invalid("spec.podManagementPolicy", policy, why));
    }
    let update = present(object, "/spec/updateStrategy/rollingUpdate");
    match text(object, "/spec/updateStrategy/type") {
        "RollingUpdate" => {
            if let Some(partition) = update
                .and_then(|update| integer(update, "/partition"))
                .filter(|partition| *partition != 0)
            {
                let why = if partition < 0 {
                    super::NEGATIVE
                } else {
                    "must be 0: no earlier template is kept, and one host runs one pod"
                };
                let field = "spec.updateStrategy.rollingUpdate.partition";
                errors.push(FieldError::invalid(field, partition, why));
            }
        }
        "OnDelete" => {
            if let Some(update) = update {
                let why = "only allowed for updateStrategy 'RollingUpdate'";
                let field = "spec.updateStrategy.rollingUpdate";
                errors.push(FieldError::invalid(field, update.clone(), why));
            }
        }
        _ => {
            let given = object.pointer("/spec/updateStrategy").cloned().unwrap_or_default();
            let why = "must be 'RollingUpdate' or 'OnDelete'";
            errors.push(FieldError::invalid("spec.updateStrategy", given, why));
        }
    }
    let claims = "not supported: there are no volume claims here; use a hostPath volume";
    errors.extend(refused(object, &[("spec.volumeClaimTemplates", claims)]));
    errors.extend(selector(object, "empty selector is invalid for statefulset"));
    errors.extend(one_of(object, POLICY, &["Always"]));
    errors.extend(no_deadline(object));
    if let Some(old) = old {
        let rest = |object: &Value| {
            let mut spec = object.get("spec").cloned().unwrap_or_else(|| json!({}));
            below(&mut spec, &[], |spec| spec.retain(|key, _| !MUTABLE.contains(&key.as_str())));
            spec
        };
        if rest(object) != rest(old) {
            let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', \
                       'template', 'updateStrategy', 'revisionHistoryLimit', \
                       'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
            errors.push(FieldError::forbidden("spec", why));
        }
    }
    errors
}
