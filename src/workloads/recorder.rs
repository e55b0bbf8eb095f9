//! Events about workloads. They are in memory only, as the events of pods that no record has.

use std::collections::VecDeque;
use std::time::SystemTime;

use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::time::Timestamp;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

use super::api;
use crate::kube_objects::{Store, micros};
use crate::supervisor::now;

/// Distinct events that are kept. Above it, the one that occurred longest ago is removed.
const CAPACITY: usize = 512;

/// An event by what its occurrences have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Occurrence {
    uid: String,
    reason: String,
    message: String,
}

#[derive(Debug)]
struct Recorded {
    occurrence: Occurrence,
    key: Key,
    count: u64,
    first: SystemTime,
}

pub struct Recorder {
    store: Store,
    events: Option<Stored>,
    recorded: Mutex<VecDeque<Recorded>>,
}

impl Recorder {
    pub fn new(store: Store) -> Self {
        let events = api::core("events").map(Stored::of);
        Self { store, events, recorded: Mutex::default() }
    }

    pub fn normal(&self, object: &Value, reason: &str, message: String) {
        self.record("Normal", object, reason, message);
    }

    pub fn warning(&self, object: &Value, reason: &str, message: String) {
        self.record("Warning", object, reason, message);
    }

    fn record(&self, severity: &str, object: &Value, reason: &str, message: String) {
        let Some(events) = self.events else { return };
        let text = |field: &str| {
            let metadata = object.get("metadata").and_then(|it| it.get(field));
            metadata.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (name, namespace, uid) = (text("name"), text("namespace"), text("uid"));
        let of = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (of("apiVersion"), of("kind"));
        tracing::info!(kind, %namespace, %name, reason, "{message}");
        let now = now().wall;
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = reason.to_owned();
        let occurrence = Occurrence { uid: uid.clone(), reason: reason.clone(), message };
        let before = recorded.iter().position(|it| it.occurrence == occurrence);
        let before = before.and_then(|at| recorded.remove(at));
        let mut event = before.unwrap_or_else(|| {
            let key = Key::new(&*namespace, format!("{name}.{:x}", micros(now)));
            Recorded { occurrence, key, count: 0, first: now }
        });
        event.count = event.count.saturating_add(1);
        let (first, last) = (timestamp(event.first), timestamp(now));
        let published = self.store.publish(
            events,
            json!({
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {
                    "name": event.key.name(), "namespace": namespace,
                    "creationTimestamp": first.to_seconds_text(),
                },
                "involvedObject": {
                    "apiVersion": api_version, "kind": kind, "name": name,
                    "namespace": namespace, "uid": uid,
                },
                "type": severity,
                "reason": reason,
                "message": event.occurrence.message,
                "count": event.count,
                "firstTimestamp": first.to_seconds_text(),
                "lastTimestamp": last.to_seconds_text(),
                "eventTime": first.to_micros_text(),
                "source": {"component": "probelet"},
                "reportingComponent": "probelet",
                "reportingInstance": "",
            }),
            micros(now),
        );
        if let Err(error) = published {
            tracing::warn!(%error, "an event is not served");
        }
        recorded.push_back(event);
        if recorded.len() > CAPACITY
            && let Some(oldest) = recorded.pop_front()
        {
            self.store.remove(events, &oldest.key, micros(now));
        }
    }
}

fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::from_micros(i64::try_from(micros(time)).unwrap_or(i64::MAX))
}
