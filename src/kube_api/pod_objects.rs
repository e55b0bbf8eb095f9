//! Pods and events as Kubernetes' objects.

use serde_json::{Value, json};

use super::times::{seconds, timestamp};
use crate::domain::notice::{Event, NoticeType};
use crate::domain::spec::PodSpec;
use crate::domain::status::PodStatus;
use crate::manifest::{ServerMade, to_json};
use crate::supervisor::{PodView, now};

/// The annotation of pods that the kubelet runs by itself; in Kubernetes, its value is a hash.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Returns the `v1.Pod`. The report of its probes is left out: it changes with each probe, and each
/// change would be an event for every watcher and a conflict for every edit.
pub fn pod(view: &PodView) -> Value {
    let mut pod = to_json(view);
    if let Some(annotations) =
        pod.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
    {
        annotations.retain(|key, _| !matches!(ServerMade::of(key), Some((ServerMade::Probes, _))));
    }
    if view.spec.origin.is_some() || view.spec.is_adopted() {
        mark_as_mirror(&mut pod, &view.spec.uid);
    }
    pod
}

/// Marks a pod that this API only shows, so that `kubectl drain` leaves it out.
fn mark_as_mirror(pod: &mut Value, uid: &str) {
    let metadata = pod.get_mut("metadata").and_then(Value::as_object_mut);
    let annotations = metadata.map(|it| it.entry("annotations").or_insert_with(|| json!({})));
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        annotations.insert(MIRROR.to_owned(), json!(uid));
    }
}

/// Returns the `v1.Pod` that a new pod would have.
pub fn pending(spec: PodSpec) -> Value {
    let status = PodStatus::new(now().wall).into();
    pod(&PodView { generation: 0, spec: spec.into(), status, manifest_error: None })
}

/// Returns the `v1.Event` of this name.
pub fn event(event: &Event, name: &str) -> Value {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "name": event.pod,
        "namespace": event.namespace,
        "uid": event.pod_uid,
    });
    let field_path = event.field_path();
    if let Some(fields) = object.as_object_mut().filter(|_| !field_path.is_empty()) {
        fields.insert("fieldPath".to_owned(), json!(field_path));
    }
    let kind = match event.kind {
        NoticeType::Normal => "Normal",
        NoticeType::Warning => "Warning",
    };
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": name,
            "namespace": event.namespace,
            "creationTimestamp": seconds(event.first),
        },
        "involvedObject": object,
        "type": kind,
        "reason": event.reason,
        "message": event.message,
        "count": event.count,
        "firstTimestamp": seconds(event.first),
        "lastTimestamp": seconds(event.last),
        // Clients of events.k8s.io require it.
        "eventTime": timestamp(event.first).to_micros_text(),
        "source": {"component": "probelet"},
        "reportingComponent": "probelet",
        "reportingInstance": "",
    })
}

/// Returns the name of an event that occurs for the first time: the pod's with the event's number.
pub fn event_name(event: &Event) -> String {
    format!("{}.{:x}", event.pod, event.sequence)
}
