//! The conditions of a status.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::read::{list, render_time, text, time};

/// What a condition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `Available`, `Complete`, …
    pub kind: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// The reason.
    pub reason: &'static str,
    /// The message.
    pub message: String,
}

/// The second time of a condition, beside the one of its last transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// A Deployment's `lastUpdateTime`.
    Update,
    /// A Job's `lastProbeTime`.
    Probe,
}

impl Clock {
    fn field(self) -> &'static str {
        match self {
            Self::Update => "lastUpdateTime",
            Self::Probe => "lastProbeTime",
        }
    }
}

/// The conditions of an object, which change at `now`.
#[derive(Debug, Clone)]
pub struct Conditions {
    items: Vec<Value>,
    clock: Clock,
    now: Timestamp,
}

impl Conditions {
    /// The conditions in an object's status.
    pub fn of(object: &Value, clock: Clock, now: Timestamp) -> Self {
        Self { items: list(object, "/status/conditions").to_vec(), clock, now }
    }

    fn get(&self, kind: &str) -> Option<&Value> {
        self.items.iter().find(|it| text(it, "/type") == kind)
    }

    /// True if the condition is there and true.
    pub fn holds(&self, kind: &str) -> bool {
        self.get(kind).is_some_and(|it| text(it, "/status") == "True")
    }

    /// The reason of a condition; empty if it is absent.
    pub fn reason(&self, kind: &str) -> &str {
        self.get(kind).map(|it| text(it, "/reason")).unwrap_or_default()
    }

    /// The message of a condition; empty if it is absent.
    pub fn message(&self, kind: &str) -> &str {
        self.get(kind).map(|it| text(it, "/message")).unwrap_or_default()
    }

    /// When the condition's status changed.
    pub fn changed(&self, kind: &str) -> Option<Timestamp> {
        self.get(kind).and_then(|it| time(it, "/lastTransitionTime"))
    }

    /// When the condition was last set.
    pub fn updated(&self, kind: &str) -> Option<Timestamp> {
        let pointer = format!("/{}", self.clock.field());
        self.get(kind).and_then(|it| time(it, &pointer))
    }

    /// Removes a condition.
    pub fn remove(&mut self, kind: &str) {
        self.items.retain(|it| text(it, "/type") != kind);
    }

    /// Sets a condition. One of the same status and reason stays as it is.
    pub fn set(&mut self, condition: Condition) {
        let same = |it: &Value| {
            text(it, "/status") == condition.status && text(it, "/reason") == condition.reason
        };
        if !self.get(condition.kind).is_some_and(same) {
            self.renew(condition);
        }
    }

    /// Sets a condition, with `now` as its time.
    pub fn renew(&mut self, condition: Condition) {
        let now = render_time(self.now);
        let before = self.get(condition.kind);
        let unchanged = before.filter(|it| text(it, "/status") == condition.status);
        let since = unchanged.and_then(|it| it.get("lastTransitionTime").cloned());
        let mut item = json!({
            "type": condition.kind, "status": condition.status, "reason": condition.reason,
            "message": condition.message, "lastTransitionTime": since.unwrap_or_else(|| now.clone()),
        });
        crate::read::below(&mut item, &[], |item| {
            item.insert(self.clock.field().to_owned(), now);
        });
        match self.items.iter_mut().find(|it| text(it, "/type") == condition.kind) {
            Some(it) => *it = item,
            None => self.items.push(item),
        }
    }

    /// The list of the status.
    pub fn into_value(self) -> Value {
        Value::Array(self.items)
    }
}
