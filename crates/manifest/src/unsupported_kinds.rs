//! Kinds of objects that are not supported, but often stand in one file with pods. An object that
//! runs nothing and keeps no data is left out with a warning. An object that would run something or
//! keep data is refused, because to do only a part of what a file asks for is worse than nothing.

use serde_json::Value;

use probelet_domain::spec::SpecError;

/// How an object of a kind is treated, and why.
#[derive(Debug, Clone, Copy)]
pub enum Treatment {
    /// Ignored with a warning.
    LeftOut(&'static str),
    /// An error.
    Refused(&'static str),
}

use Treatment::{LeftOut, Refused};

const NO_API: &str = "there is no Kubernetes API here to be guarded or extended";
const NO_CLAIMS: &str = "there are no claims to volumes here";
const NO_SERVICES: &str = "there is no cluster network here, no name or address leads to it";
const NO_SCHEDULER: &str = "there is no scheduler here";

/// Group, kind and treatment. It is the same for all versions of a group.
#[rustfmt::skip]
pub const TABLE: &[(&str, &str, Treatment)] = &[
    ("", "Endpoints", LeftOut(NO_SERVICES)),
    ("", "LimitRange", LeftOut("a pod has the limits that its own manifest gives it")),
    ("", "Namespace", LeftOut("a pod creates its namespace by naming it")),
    ("", "ResourceQuota", LeftOut("no namespace has a quota here")),
    ("", "Service", LeftOut(NO_SERVICES)),
    ("", "ServiceAccount", LeftOut("there are no rights here that it could give")),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", LeftOut(NO_API)),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", LeftOut(NO_API)),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", LeftOut(NO_API)),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", LeftOut(NO_API)),
    ("apiextensions.k8s.io", "CustomResourceDefinition", LeftOut(NO_API)),
    ("apiregistration.k8s.io", "APIService", LeftOut(NO_API)),
    ("autoscaling", "HorizontalPodAutoscaler", LeftOut("one machine runs one of it")),
    ("coordination.k8s.io", "Lease", LeftOut("there is nobody here to agree with")),
    ("discovery.k8s.io", "EndpointSlice", LeftOut(NO_SERVICES)),
    ("extensions", "Ingress", LeftOut("nothing here leads requests from outside to pods")),
    ("extensions", "NetworkPolicy", LeftOut("nothing here keeps traffic from pods")),
    ("networking.k8s.io", "Ingress", LeftOut("nothing here leads requests from outside to pods")),
    ("networking.k8s.io", "IngressClass", LeftOut("nothing here leads requests from outside to pods")),
    ("networking.k8s.io", "NetworkPolicy", LeftOut("nothing here keeps traffic from pods")),
    ("policy", "PodDisruptionBudget", LeftOut("no node is drained here")),
    ("policy", "PodSecurityPolicy", LeftOut(NO_API)),
    ("rbac.authorization.k8s.io", "ClusterRole", LeftOut(NO_API)),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", LeftOut(NO_API)),
    ("rbac.authorization.k8s.io", "Role", LeftOut(NO_API)),
    ("rbac.authorization.k8s.io", "RoleBinding", LeftOut(NO_API)),
    ("scheduling.k8s.io", "PriorityClass", LeftOut(NO_SCHEDULER)),
    ("storage.k8s.io", "CSIDriver", LeftOut(NO_CLAIMS)),
    ("storage.k8s.io", "StorageClass", LeftOut(NO_CLAIMS)),
    ("", "PersistentVolume", Refused("nothing here would keep its data")),
    ("", "PersistentVolumeClaim", Refused("nothing here would keep its data")),
    ("batch", "CronJob", Refused("nothing here runs jobs by a schedule")),
];

/// `kind/name`, as kubectl prints it, and the treatment; `None` for a kind that is not in the table.
pub fn treatment(object: &Value) -> Option<(String, Treatment)> {
    let text = |at: &str| object.pointer(at).and_then(Value::as_str);
    let (kind, version) = (text("/kind")?, text("/apiVersion").unwrap_or_default());
    // The same name in another group is another kind: Knative's Service runs something.
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let row = TABLE.iter().find(|row| (row.0, row.1) == (group, kind));
    let name = text("/metadata/name").unwrap_or_default();
    row.map(|(.., treatment)| (format!("{}/{name}", kind.to_lowercase()), *treatment))
}

/// The warning about an object that is left out; `None` for any other object.
pub fn left_out(object: &Value) -> Option<String> {
    match treatment(object)? {
        (what, LeftOut(why)) => Some(format!("{what}: ignored: {why}")),
        (_, Refused(_)) => None,
    }
}

/// The error of an object that is not supported.
pub fn refused(object: &Value, kind: &str, supported: &[&str]) -> SpecError {
    let Some((what, Refused(why))) = treatment(object) else {
        return SpecError::unsupported("kind", kind, supported);
    };
    SpecError::new("kind", format!("Unsupported value: {kind:?}: {what}: {why}"))
}
