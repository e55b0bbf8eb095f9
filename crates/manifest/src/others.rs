//! Objects that people keep in one file with their pods. What runs nothing and keeps no data is
//! left out, and that is said; what would run something or keep something is refused: a part of
//! what a file asks for is worse than nothing of it.

use serde_json::Value;

use probelet_domain::spec::SpecError;

#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    LeftOut(&'static str),
    Refused(&'static str),
}

use Fate::{LeftOut, Refused};

const NO_API: &str = "there is no Kubernetes API here to be guarded or extended";
const NO_CLAIMS: &str = "there are no claims to volumes here";
const NO_SERVICES: &str = "there is no cluster network here, no name or address leads to it";
const NO_SCHEDULER: &str = "there is no scheduler here";

/// Group and kind; which version of the group does not matter.
#[rustfmt::skip]
pub(super) const TABLE: &[(&str, &str, Fate)] = &[
    ("", "Endpoints", LeftOut(NO_SERVICES)),
    ("", "LimitRange", LeftOut("a pod has the limits that its own manifest gives it")),
    ("", "Namespace", LeftOut("a pod's namespace is only a name here")),
    ("", "ResourceQuota", LeftOut("no namespace has a quota here")),
    ("", "Service", LeftOut(NO_SERVICES)),
    ("", "ServiceAccount", LeftOut("there are no service accounts here")),
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

/// `kind/name`, as kubectl prints it, and what becomes of it; `None` for what is not in the table.
pub(super) fn fate(object: &Value) -> Option<(String, Fate)> {
    let text = |at: &str| object.pointer(at).and_then(Value::as_str);
    let (kind, version) = (text("/kind")?, text("/apiVersion").unwrap_or_default());
    // A kind of that name in another group is another thing: Knative's Service runs something.
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let known = TABLE.iter().find(|(its, name, _)| (*its, *name) == (group, kind));
    let name = text("/metadata/name").unwrap_or_default();
    known.map(|(_, _, fate)| (format!("{}/{name}", kind.to_lowercase()), *fate))
}

/// The warning of one that is left out.
pub(super) fn left_out(object: &Value) -> Option<String> {
    match fate(object)? {
        (what, LeftOut(why)) => Some(format!("{what}: ignored: {why}")),
        (_, Refused(_)) => None,
    }
}

/// Why there is no pod in an object of this kind.
pub(super) fn refused(object: &Value, kind: &str, supported: &[&str]) -> SpecError {
    let Some((what, Refused(why))) = fate(object) else {
        return SpecError::unsupported("kind", kind, supported);
    };
    SpecError::new("kind", format!("Unsupported value: {kind:?}: {what}: {why}"))
}
