//! The Kubernetes objects of the API's messages, for `get` and `describe`.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::{Value, json};

use super::error::{Error, Result};
use probelet_api::{pb, structs};
use probelet_manifest as manifest;

/// The object of a pod, with `apiVersion` and `kind`.
pub fn pod_json(pod: &pb::Pod) -> Result<Value> {
    let object = pod.object.clone();
    let mut object = structs::to_json(
        object
            .ok_or_else(|| Error::Other(format!("pod {:?} came without its object", pod.name)))?,
    );
    if let Some(fields) = object.as_object_mut() {
        fields.entry("apiVersion").or_insert_with(|| json!("v1"));
        fields.entry("kind").or_insert_with(|| json!("Pod"));
    }
    Ok(object)
}

pub fn pod(pod: &pb::Pod) -> Result<Pod> {
    manifest::v1_pod(&pod_json(pod)?)
        .map_err(|error| Error::NoPod { name: pod.name.clone(), error })
}

pub fn event(event: &pb::Event) -> Event {
    let text = |s: &str| (!s.is_empty()).then(|| s.to_owned());
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{:x}", event.pod, event.sequence)),
            namespace: text(&event.namespace),
            creation_timestamp: time(event.first_timestamp),
            resource_version: Some(event.sequence.to_string()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: text(&event.object_api_version).or_else(|| text("v1")),
            kind: text(&event.object_kind).or_else(|| text("Pod")),
            name: text(&event.pod),
            namespace: text(&event.namespace),
            uid: text(&event.pod_uid),
            field_path: text(&event.field_path),
            ..ObjectReference::default()
        },
        type_: text(&event.r#type),
        reason: text(&event.reason),
        message: text(&event.message),
        count: i32::try_from(event.count).ok(),
        first_timestamp: time(event.first_timestamp),
        last_timestamp: time(event.last_timestamp),
        reporting_component: text("probelet"),
        source: Some(EventSource { component: text("probelet"), host: None }),
        ..Event::default()
    }
}

/// The text of an optional field; empty if it is not set.
pub fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

pub fn timestamp(stamp: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    let stamp = stamp?;
    Timestamp::new(stamp.seconds, stamp.nanos).ok()
}

/// A time as in Kubernetes' objects: whole seconds.
fn time(stamp: Option<prost_types::Timestamp>) -> Option<Time> {
    Timestamp::from_second(stamp?.seconds).ok().map(Time)
}

pub fn list(items: Vec<Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items, "metadata": {"resourceVersion": ""}})
}
