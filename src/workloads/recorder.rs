//! Events about workloads, which are stored: they survive a restart of the daemon, as the events of
//! pods do. The host's log of events has them too, so that all interfaces show the same.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::patch::Applied;
use probelet_kube_wire::time::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::api;
use crate::domain::notice::{Event, NoticeType, ObjectType};
use crate::domain::shorten;
use crate::kube_objects::{Edit, StoredObjects, micros};
use crate::supervisor::{EventLog, now};

/// Distinct events that are kept. Above it, the one that occurred longest ago is removed.
const CAPACITY: usize = 512;

/// Bytes of a message, as in Kubernetes.
const LONGEST: usize = 1024;
/// The annotation with the event's number in the host's log, which is never used again.
const SEQUENCE: &str = "probelet.io/sequence";

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
    log: Arc<EventLog>,
    objects: StoredObjects,
    events: Option<Stored>,
    /// The stored events, from the one that occurred longest ago.
    recorded: Mutex<VecDeque<(Occurrence, Key)>>,
}

impl Recorder {
    /// Continues the events that an earlier daemon stored. It is made before events of pods are
    /// published.
    pub fn new(objects: StoredObjects, log: Arc<EventLog>) -> Self {
        let events = api::core("events").map(Stored::of);
        let mut stored = events.map(|events| objects.list(events, None)).unwrap_or_default();
        let last = |event: &Value| event.get("lastTimestamp").map(Value::to_string);
        stored.sort_by_key(|event| last(event));
        log.restore(stored.iter().filter_map(|event| of_log(event)));
        let recorded =
            stored.iter().filter_map(|event| Some((Occurrence::of(event), Key::of(event).ok()?)));
        let recorded = Mutex::new(recorded.collect());
        Self { log, objects, events, recorded }
    }

    pub async fn normal(&self, object: &Value, reason: &str, message: String) {
        self.record("Normal", object, reason, message).await;
    }

    pub async fn warning(&self, object: &Value, reason: &str, message: String) {
        self.record("Warning", object, reason, message).await;
    }

    async fn record(&self, severity: &str, object: &Value, reason: &str, mut message: String) {
        let Some(events) = self.events else { return };
        shorten(&mut message, LONGEST);
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
        let kind_of_event = match severity {
            "Warning" => NoticeType::Warning,
            _ => NoticeType::Normal,
        };
        let sequence = self.log.add(Event {
            sequence: 0,
            object: Some(ObjectType { api_version: text("/apiVersion"), kind: kind.clone() }),
            namespace: namespace.clone(),
            pod: name.clone(),
            pod_uid: uid.clone(),
            container: String::new(),
            init: false,
            kind: kind_of_event,
            reason: reason.to_owned(),
            message: message.clone(),
            count: 1,
            first: now,
            last: now,
        });
        let sequence = json!(sequence.to_string());
        let (key, edit) = match before.zip(live) {
            Some((key, live)) => {
                let version = version(&live);
                let mut event = Value::clone(&live);
                let count = event.get("count").and_then(Value::as_u64).unwrap_or_default();
                if let Some(fields) = event.as_object_mut() {
                    fields.insert("count".to_owned(), json!(count.saturating_add(1)));
                    fields.insert("lastTimestamp".to_owned(), json!(time.to_seconds_text()));
                }
                if let Some(annotations) = event.pointer_mut("/metadata/annotations") {
                    *annotations = json!({SEQUENCE: sequence});
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
                        "annotations": {SEQUENCE: sequence},
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

/// A stored event as the host's log has it; `None` if an older build stored it without a number.
fn of_log(event: &Value) -> Option<Event> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let time = |pointer: &str| {
        let micros = Timestamp::parse(&text(pointer)?)?.micros();
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(u64::try_from(micros).ok()?))
    };
    let annotations = event.pointer("/metadata/annotations")?;
    Some(Event {
        sequence: annotations.get(SEQUENCE)?.as_str()?.parse().ok()?,
        object: Some(ObjectType {
            api_version: text("/involvedObject/apiVersion")?,
            kind: text("/involvedObject/kind")?,
        }),
        namespace: text("/involvedObject/namespace").unwrap_or_default(),
        pod: text("/involvedObject/name")?,
        pod_uid: text("/involvedObject/uid")?,
        container: String::new(),
        init: false,
        kind: match text("/type")?.as_str() {
            "Warning" => NoticeType::Warning,
            _ => NoticeType::Normal,
        },
        reason: text("/reason")?,
        message: text("/message")?,
        count: event.get("count").and_then(Value::as_u64).map_or(Some(1), |n| n.try_into().ok())?,
        first: time("/firstTimestamp")?,
        last: time("/lastTimestamp")?,
    })
}

fn version(object: &Value) -> String {
    let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    version.unwrap_or_default().to_owned()
}

fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::from_micros(i64::try_from(micros(time)).unwrap_or(i64::MAX))
}
