//! Which fields a resource lets select, and where they are in its objects.

use serde_json::Value;

use super::{FieldSelector, SelectorError};
use crate::status::{GroupResource, Status};

/// A field: its name in selectors, the pointers of which the first value counts, and the text of an
/// absent value.
struct Field {
    name: &'static str,
    pointers: &'static [&'static str],
    absent: &'static str,
}

const fn field(name: &'static str, pointers: &'static [&'static str]) -> Field {
    Field { name, pointers, absent: "" }
}

const fn flag(name: &'static str, pointers: &'static [&'static str]) -> Field {
    Field { name, pointers, absent: "false" }
}

const METADATA: [Field; 2] = [
    field("metadata.name", &["/metadata/name"]),
    field("metadata.namespace", &["/metadata/namespace"]),
];

const PODS: [Field; 9] = [
    field("spec.nodeName", &["/spec/nodeName"]),
    field("spec.restartPolicy", &["/spec/restartPolicy"]),
    field("spec.schedulerName", &["/spec/schedulerName"]),
    field("spec.serviceAccountName", &["/spec/serviceAccountName"]),
    flag("spec.hostNetwork", &["/spec/hostNetwork"]),
    field("status.phase", &["/status/phase"]),
    field("status.podIP", &["/status/podIPs/0/ip", "/status/podIP"]),
    field("status.podIPs", &["/status/podIPs/0/ip", "/status/podIP"]),
    field("status.nominatedNodeName", &["/status/nominatedNodeName"]),
];

const NODES: [Field; 1] = [flag("spec.unschedulable", &["/spec/unschedulable"])];

const NAMESPACES: [Field; 2] =
    [field("name", &["/metadata/name"]), field("status.phase", &["/status/phase"])];

const SECRETS: [Field; 1] = [field("type", &["/type"])];

const EVENTS: [Field; 11] = [
    field("involvedObject.kind", &["/involvedObject/kind"]),
    field("involvedObject.namespace", &["/involvedObject/namespace"]),
    field("involvedObject.name", &["/involvedObject/name"]),
    field("involvedObject.uid", &["/involvedObject/uid"]),
    field("involvedObject.apiVersion", &["/involvedObject/apiVersion"]),
    field("involvedObject.resourceVersion", &["/involvedObject/resourceVersion"]),
    field("involvedObject.fieldPath", &["/involvedObject/fieldPath"]),
    field("reason", &["/reason"]),
    field("reportingComponent", &["/reportingComponent"]),
    field("source", &["/source/component", "/reportingComponent"]),
    field("type", &["/type"]),
];

/// Also where a stored event of the core group has them.
const EVENTS_K8S_IO: [Field; 10] = [
    field("regarding.kind", &["/regarding/kind", "/involvedObject/kind"]),
    field("regarding.namespace", &["/regarding/namespace", "/involvedObject/namespace"]),
    field("regarding.name", &["/regarding/name", "/involvedObject/name"]),
    field("regarding.uid", &["/regarding/uid", "/involvedObject/uid"]),
    field("regarding.apiVersion", &["/regarding/apiVersion", "/involvedObject/apiVersion"]),
    field(
        "regarding.resourceVersion",
        &["/regarding/resourceVersion", "/involvedObject/resourceVersion"],
    ),
    field("regarding.fieldPath", &["/regarding/fieldPath", "/involvedObject/fieldPath"]),
    field("reason", &["/reason"]),
    field("reportingController", &["/reportingController", "/reportingComponent"]),
    field("type", &["/type"]),
];

const JOBS: [Field; 1] = [field("status.successful", &["/status/succeeded"])];

/// Resources with fields beside name and namespace.
const RESOURCES: [(&str, &str, &[Field]); 7] = [
    ("", "pods", &PODS),
    ("", "nodes", &NODES),
    ("", "namespaces", &NAMESPACES),
    ("", "secrets", &SECRETS),
    ("", "events", &EVENTS),
    ("events.k8s.io", "events", &EVENTS_K8S_IO),
    ("batch", "jobs", &JOBS),
];

/// The fields that a resource lets select. Name and namespace are selectable in each.
#[derive(Clone, Copy)]
pub struct Selectable {
    fields: &'static [Field],
}

impl Selectable {
    /// The fields of a resource.
    pub fn of(resource: &GroupResource) -> Self {
        let name = (resource.group(), resource.resource());
        let row = RESOURCES.iter().find(|(group, resource, _)| (*group, *resource) == name);
        Self { fields: row.map_or(&[], |(_, _, fields)| fields) }
    }

    fn field(&self, name: &str) -> Option<&'static Field> {
        METADATA.iter().chain(self.fields).find(|field| field.name == name)
    }

    /// Refuses with 400 a selector that names another field.
    pub fn check(&self, selector: &FieldSelector) -> Result<(), Status> {
        let unknown = selector.fields().find(|name| self.field(name).is_none());
        let Some(name) = unknown else { return Ok(()) };
        let text = if self.fields.is_empty() {
            format!(
                "{name:?} is not a known field selector: only \"metadata.name\", \
                 \"metadata.namespace\""
            )
        } else {
            format!("field label not supported: {name}")
        };
        Err(SelectorError(text).into())
    }

    /// True if an object is selected. A field that is not selectable counts as empty.
    pub fn matches(&self, selector: &FieldSelector, object: &Value) -> bool {
        selector.matches(|name| self.field(name).map_or_else(String::new, |it| it.value(object)))
    }
}

impl std::fmt::Debug for Selectable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.fields.iter().map(|field| field.name)).finish()
    }
}

impl Field {
    fn value(&self, object: &Value) -> String {
        let texts = self.pointers.iter().filter_map(|pointer| match object.pointer(pointer)? {
            Value::String(text) => Some(text.clone()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        let mut texts = texts.filter(|text| !text.is_empty());
        texts.next().unwrap_or_else(|| self.absent.to_owned())
    }
}
