//! Readiness gates: conditions that must be true before a pod is ready, besides the readiness of
//! its containers. Callers of the API set the conditions.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::{PodSpec, SpecError, SpecErrors};

/// Maximum number of conditions that callers may set on one pod.
const MOST: usize = 32;
/// Maximum size in bytes of a reason and of a message.
const LONGEST: usize = 1024;
/// Conditions that callers cannot set, because the kubelet or probelet decides them.
const DECIDED: [&str; 9] = [
    "AllContainersRestarting",
    "ContainersReady",
    "DisruptionTarget",
    "Initialized",
    "PodReadyToStartContainers",
    "PodResizeInProgress",
    "PodResizePending",
    "PodScheduled",
    "Ready",
];

/// True if the kubelet or probelet decides conditions of this type, so that callers cannot set them.
pub fn is_decided_condition(kind: &str) -> bool {
    DECIDED.contains(&kind)
}

/// The readiness gates of a pod, and the conditions that callers have set on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gates {
    /// Condition types, as the manifest names them.
    pub types: Vec<String>,
    /// Conditions that callers have set, by type, whether or not a gate names them. They are not
    /// part of the manifest and stay when the spec changes.
    pub conditions: BTreeMap<String, SetCondition>,
}

/// A condition as a caller has set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetCondition {
    /// Status of the condition.
    pub status: ConditionStatus,
    /// Reason for programs, made of letters, digits, `_`, `,` and `:`; may be empty, at most 1024
    /// bytes.
    pub reason: String,
    /// Explanation for readers; may be empty, at most 1024 bytes.
    pub message: String,
    /// When `status` changed last.
    pub since: SystemTime,
}

/// Status of a condition, as in Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionStatus {
    /// The condition holds; a gate with it is passed.
    True,
    /// The condition does not hold.
    False,
    /// The condition cannot be decided.
    Unknown,
}

impl ConditionStatus {
    /// All statuses.
    pub const ALL: [Self; 3] = [Self::True, Self::False, Self::Unknown];

    /// The status as Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl Gates {
    /// Returns the kubelet's message on the gates that are not passed; empty if all are.
    pub fn closed(&self) -> String {
        let lack = |kind: &String| match self.conditions.get(kind).map(|set| set.status) {
            Some(ConditionStatus::True) => None,
            Some(status) => {
                let status = status.as_str();
                Some(format!(
                    "the status of pod readiness gate {kind:?} is not \"True\", but {status}"
                ))
            }
            None => Some(format!(
                "corresponding condition of pod readiness gate {kind:?} does not exist."
            )),
        };
        self.types.iter().filter_map(lack).collect::<Vec<_>>().join(", ")
    }
}

impl PodSpec {
    /// Returns this pod with the condition `kind` set. The time of the condition stays if its
    /// status does.
    ///
    /// # Errors
    ///
    /// An error of the field `type`, `reason` or `message`, if the type is not a qualified name or
    /// cannot be set by callers, if a text is too long, if the reason has other characters than
    /// allowed, or if 32 conditions are set already.
    pub fn with_condition(&self, kind: &str, set: SetCondition) -> Result<Self, SpecErrors> {
        let mut errors = super::validate::condition_type("type", kind);
        if is_decided_condition(kind) {
            errors.push(SpecError::forbidden("type", "this condition is decided by probelet"));
        }
        for (field, text) in [("reason", &set.reason), ("message", &set.message)] {
            if text.len() > LONGEST {
                let why = format!("may not be more than {LONGEST} bytes");
                errors.push(SpecError::new(field, format!("Too long: {why}")));
            }
        }
        if !is_reason(&set.reason) {
            let why = "a reason consists of letters, digits, '_', ',' and ':', and begins with a \
                       letter";
            errors.push(SpecError::invalid("reason", &set.reason, why));
        }
        let before = self.gates.conditions.get(kind);
        if before.is_none() && self.gates.conditions.len() >= MOST {
            errors
                .push(SpecError::forbidden("type", &format!("{MOST} conditions are set already")));
        }
        if !errors.is_empty() {
            return Err(SpecErrors(errors));
        }
        let since = before.filter(|before| before.status == set.status);
        let since = since.map_or(set.since, |before| before.since);
        let mut changed = self.clone();
        changed.gates.conditions.insert(kind.to_owned(), SetCondition { since, ..set });
        Ok(changed)
    }

    /// Returns this pod without a condition that a caller has set.
    #[must_use]
    pub fn without_condition(&self, kind: &str) -> Self {
        let mut changed = self.clone();
        changed.gates.conditions.remove(kind);
        changed
    }
}

/// Kubernetes' rule for reasons; an empty reason is valid and left out.
fn is_reason(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ',' | ':');
    let is_edge = !text.ends_with([',', ':']);
    text.is_empty()
        || text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(inner) && is_edge
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::spec::sample;

    fn set(status: ConditionStatus, second: u64) -> SetCondition {
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        SetCondition { status, reason: "Because".into(), message: "x".into(), since }
    }

    #[test]
    fn a_gate_is_passed_once_its_condition_is_true() {
        let mut pod = sample::pod();
        assert_eq!(pod.gates.closed(), "");
        pod.gates.types = vec!["example.com/a".into(), "b".into()];
        assert_eq!(
            pod.gates.closed(),
            "corresponding condition of pod readiness gate \"example.com/a\" does not exist., \
             corresponding condition of pod readiness gate \"b\" does not exist."
        );
        let pod = pod.with_condition("b", set(ConditionStatus::True, 1)).unwrap();
        let pod = pod.with_condition("example.com/a", set(ConditionStatus::Unknown, 1)).unwrap();
        assert_eq!(
            pod.gates.closed(),
            "the status of pod readiness gate \"example.com/a\" is not \"True\", but Unknown"
        );
        let pod = pod.with_condition("example.com/a", set(ConditionStatus::True, 2)).unwrap();
        assert_eq!(pod.gates.closed(), "");
    }

    #[test]
    fn the_time_is_that_of_the_last_change() {
        let pod = sample::pod().with_condition("a", set(ConditionStatus::True, 1)).unwrap();
        let pod = pod.with_condition("a", set(ConditionStatus::True, 2)).unwrap();
        assert_eq!(pod.gates.conditions["a"], set(ConditionStatus::True, 1));
        let pod = pod.with_condition("a", set(ConditionStatus::False, 3)).unwrap();
        assert_eq!(pod.gates.conditions["a"], set(ConditionStatus::False, 3));
    }

    #[test]
    fn an_invalid_condition_is_an_error_of_its_field() {
        let good = set(ConditionStatus::True, 1);
        let fields = |kind: &str, set: SetCondition| {
            let errors = sample::pod().with_condition(kind, set).unwrap_err();
            errors.0.into_iter().map(|error| error.field).collect::<Vec<_>>()
        };
        for kind in ["", "Ready", "a b", "/a", "A.example.com/a", "example.com/a/b", "-a"] {
            assert_eq!(fields(kind, good.clone()), ["type"], "{kind:?}");
        }
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(fields("a", SetCondition { message: long, ..good.clone() }), ["message"]);
        for reason in ["1", "a b", "a:"] {
            assert_eq!(
                fields("a", SetCondition { reason: reason.into(), ..good.clone() }),
                ["reason"]
            );
        }
        let mut pod = sample::pod();
        for index in 0..MOST {
            pod = pod.with_condition(&format!("c{index}"), good.clone()).unwrap();
        }
        assert!(pod.with_condition("c0", good.clone()).is_ok());
        assert!(pod.with_condition("more", good).is_err());
    }
}
