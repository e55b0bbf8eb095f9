//! Events of pods as the API stores them, and which are sent.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use probelet_domain::notice::Event;
use probelet_kube_wire::time::Timestamp;
use serde_json::{Value, json};

/// Events of one pod that are sent at once, as by the kubelet.
const BURST: u32 = 25;
/// Time after which one more is sent.
const REFILL: Duration = Duration::from_secs(300);
/// Pods whose events are counted. A pod that is not among them has sent none for long.
const MOST: usize = 1024;

/// An event as the API stores it. Its component is `kubelet`, by which tools select events.
pub fn object(event: &Event, node: &str) -> Value {
    let mut about = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "name": event.pod,
        "namespace": event.namespace,
        "uid": event.pod_uid,
    });
    let field_path = event.field_path();
    if let Some(fields) = about.as_object_mut().filter(|_| !field_path.is_empty()) {
        fields.insert("fieldPath".to_owned(), json!(field_path));
    }
    let at = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(micros).to_seconds_text()
    };
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name(event), "namespace": event.namespace},
        "involvedObject": about,
        "type": event.kind.as_str(),
        "reason": event.reason,
        "message": event.message,
        "count": event.count,
        "firstTimestamp": at(event.first),
        "lastTimestamp": at(event.last),
        "source": {"component": "kubelet", "host": node},
        "reportingComponent": "kubelet",
        "reportingInstance": node,
    })
}

/// The name of an event: a later occurrence has the same one. The first time is part of it, so another
/// daemon's events have other names.
pub fn name(event: &Event) -> String {
    let since = event.first.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let parts = [&event.pod_uid, &event.container, &event.reason, &event.message];
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{}.{:x}.{hash:x}", event.pod, since.as_secs())
}

/// The part of an event that a later occurrence changes, as a merge patch.
pub fn patch(object: &Value) -> Value {
    json!({"count": object.get("count"), "lastTimestamp": object.get("lastTimestamp")})
}

/// Lets the first `BURST` events of a pod pass, and one more each five minutes, so that a pod which
/// fails in a loop does not flood the API.
#[derive(Debug, Default)]
pub struct SpamGate(HashMap<String, Bucket>);

#[derive(Debug)]
struct Bucket {
    left: u32,
    filled: Instant,
}

impl SpamGate {
    /// True if an event of this pod is sent.
    pub fn admits(&mut self, pod_uid: &str, now: Instant) -> bool {
        if self.0.len() >= MOST && !self.0.contains_key(pod_uid) {
            self.0.retain(|_, bucket| bucket.refilled(now) < BURST);
            if self.0.len() >= MOST {
                return false;
            }
        }
        let full = || Bucket { left: BURST, filled: now };
        let bucket = self.0.entry(pod_uid.to_owned()).or_insert_with(full);
        let refilled = bucket.refilled(now);
        if refilled != bucket.left {
            *bucket = Bucket { left: refilled, filled: now };
        }
        match bucket.left.checked_sub(1) {
            Some(left) => {
                bucket.left = left;
                true
            }
            None => false,
        }
    }
}

impl Bucket {
    fn refilled(&self, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(self.filled).as_secs() / REFILL.as_secs();
        self.left.saturating_add(u32::try_from(passed).unwrap_or(BURST)).min(BURST)
    }
}

#[cfg(test)]
mod tests {
    use probelet_domain::notice::NoticeType;

    use super::*;

    fn event() -> Event {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        Event {
            sequence: 7,
            object: None,
            namespace: "a".into(),
            pod: "web".into(),
            pod_uid: "u".into(),
            container: "main".into(),
            init: false,
            kind: NoticeType::Warning,
            reason: "Unhealthy".into(),
            message: "Liveness probe failed".into(),
            count: 3,
            first: at,
            last: at + Duration::from_secs(20),
        }
    }

    #[test]
    fn an_event_is_the_kubelets() {
        let object = object(&event(), "edge-1");
        assert_eq!(object["source"], json!({"component": "kubelet", "host": "edge-1"}));
        assert_eq!(object["involvedObject"]["fieldPath"], "spec.containers{main}");
        assert_eq!((&object["count"], &object["type"]), (&json!(3), &json!("Warning")));
        assert_eq!(object["lastTimestamp"], "1970-01-01T00:02:00Z");
        assert_eq!(patch(&object), json!({"count": 3, "lastTimestamp": "1970-01-01T00:02:00Z"}));
    }

    #[test]
    fn occurrences_of_an_event_have_one_name() {
        let later = Event { count: 9, last: SystemTime::UNIX_EPOCH, ..event() };
        assert_eq!(name(&event()), name(&later));
        assert!(name(&event()).starts_with("web.64."));
        let other = Event { message: "other".into(), ..event() };
        assert_ne!(name(&event()), name(&other));
        // The parts are separated.
        let moved = Event {
            reason: "UnhealthyL".into(),
            message: "iveness probe failed".into(),
            ..event()
        };
        assert_ne!(name(&event()), name(&moved));
    }

    #[test]
    fn a_pod_that_floods_is_slowed_down() {
        #[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
        let start = Instant::now();
        let mut gate = SpamGate::default();
        let sent = |gate: &mut SpamGate, pod: &str, after: u64, tries: usize| {
            let now = start + Duration::from_secs(after);
            (0..tries).filter(|_| gate.admits(pod, now)).count()
        };
        assert_eq!(sent(&mut gate, "a", 0, 100), 25);
        assert_eq!(sent(&mut gate, "b", 0, 1), 1);
        assert_eq!(sent(&mut gate, "a", 299, 100), 0);
        assert_eq!(sent(&mut gate, "a", 300, 100), 1);
        assert_eq!(sent(&mut gate, "a", 300 + 3600, 100), 12);
        for pod in 0..2000 {
            sent(&mut gate, &pod.to_string(), 5000, 1);
        }
        assert!(gate.0.len() <= MOST);
    }
}
