//! Events about workloads, which are stored: they survive a restart of the daemon, as the events of
//! pods do.

use std::collections::VecDeque;
use std::time::SystemTime;

use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::patch::Applied;
use probelet_kube_wire::time::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::api;
use crate::kube_objects::{Edit, StoredObjects, micros};
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

impl Occurrence {
    fn of(event: &Value) -> Self {
        let text = |pointer: &str| {
            event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Self {
            uid: text("/involvedObject/uid"),
            reason: text("/reason"),
            message: text("/message"),
        }
    }
}

/// Records events, one after the other.
pub struct Recorder {
    objects: StoredObjects,
    events: Option<Stored>,
    /// The stored events, from the one that occurred longest ago.
    recorded: Mutex<VecDeque<(Occurrence, Key)>>,
}

impl Recorder {
    /// Continues the events that an earlier daemon stored. It is made before events of pods are
    /// published.
    pub fn new(objects: StoredObjects) -> Self {
        let events = api::core("events").map(Stored::of);
        let mut stored = events.map(|events| objects.list(events, None)).unwrap_or_default();
        let last = |event: &Value| event.get("lastTimestamp").map(Value::to_string);
        stored.sort_by_key(|event| last(event));
        let recorded =
            stored.iter().filter_map(|event| Some((Occurrence::of(event), Key::of(event).ok()?)));
        let recorded = Mutex::new(recorded.collect());
        Self { objects, events, recorded }
    }

    pub async fn normal(&self, object: &Value, reason: &str, message: String) {
        self.record("Normal", object, reason, message).await;
    }

    pub async fn warning(&self, object: &Value, reason: &str, message: String) {
        self.record("Warning", object, reason, message).await;
    }

    async fn record(&self, severity: &str, object: &Value, reason: &str, message: String) {
        let Some(events) = self.events else { return };
        let text = |pointer: &str| {
            object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (kind, name) = (text("/kind"), text("/metadata/name"));
        let (namespace, uid) = (text("/metadata/namespace"), text("/metadata/uid"));
        tracing::info!(kind, %namespace, %name, reason, "{message}");
        let now = now().wall;
        let occurrence =
            Occurrence { uid: uid.clone(), reason: reason.to_owned(), message: message.clone() };
        let mut recorded = self.recorded.lock().await;
        let before = recorded.iter().position(|(it, _)| *it == occurrence);
        let before = before.and_then(|at| recorded.remove(at)).map(|(_, key)| key);
        let live = before.as_ref().and_then(|key| self.objects.get(events, key));
        let time = timestamp(now);
        let (key, edit) = match before.zip(live) {
            Some((key, live)) => {
                let version = version(&live);
                let mut event = Value::clone(&live);
                let count = event.get("count").and_then(Value::as_u64).unwrap_or_default();
                if let Some(fields) = event.as_object_mut() {
                    fields.insert("count".to_owned(), json!(count.saturating_add(1)));
                    fields.insert("lastTimestamp".to_owned(), json!(time.to_seconds_text()));
                }
                (key, Edit::Update { version, object: event, applied: Applied::default() })
            }
            None => {
                let key = Key::new(&*namespace, format!("{name}.{:x}", micros(now)));
                let event = json!({
                    "apiVersion": "v1",
                    "kind": "Event",
                    "metadata": {
                        "name": key.name(), "namespace": namespace,
                        "uid": uuid::Uuid::new_v4().to_string(),
                        "creationTimestamp": time.to_seconds_text(),
                    },
                    "involvedObject": {
                        "apiVersion": text("/apiVersion"), "kind": kind, "name": name,
                        "namespace": namespace, "uid": uid,
                    },
                    "type": severity,
                    "reason": reason,
                    "message": message,
                    "count": 1,
                    "firstTimestamp": time.to_seconds_text(),
                    "lastTimestamp": time.to_seconds_text(),
                    "eventTime": time.to_micros_text(),
                    "source": {"component": "probelet"},
                    "reportingComponent": "probelet",
                    "reportingInstance": "",
                });
                (key, Edit::Create { object: event, applied: Applied::default() })
            }
        };
        if let Err(error) = self.objects.edit(events, edit).await {
            tracing::warn!(%error, "an event is not stored");
            return;
        }
        recorded.push_back((occurrence, key));
        if recorded.len() > CAPACITY
            && let Some((_, oldest)) = recorded.pop_front()
            && let Some(live) = self.objects.get(events, &oldest)
        {
            let edit = Edit::Remove { version: version(&live), key: oldest };
            if let Err(error) = self.objects.edit(events, edit).await {
                tracing::warn!(%error, "an old event stays");
            }
        }
    }
}

fn version(object: &Value) -> String {
    let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    version.unwrap_or_default().to_owned()
}

fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::from_micros(i64::try_from(micros(time)).unwrap_or(i64::MAX))
}
