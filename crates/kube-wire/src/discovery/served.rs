//! The table of served resources: a resource that is served more fully gets more verbs,
//! a new one gets a row; all documents follow.

use crate::path::Verb;

/// A served resource.
#[derive(Debug, Clone, Copy)]
pub struct Served {
    /// Empty for the core group.
    pub group: &'static str,
    /// The version.
    pub version: &'static str,
    /// The plural name.
    pub name: &'static str,
    /// The singular name; empty if there is none.
    pub singular: &'static str,
    /// The kind of its objects.
    pub kind: &'static str,
    /// Names such as `po`.
    pub short_names: &'static [&'static str],
    /// `all` makes `kubectl get all` list it.
    pub categories: &'static [&'static str],
    /// True if its objects are in namespaces.
    pub namespaced: bool,
    /// The verbs, in the order of discovery.
    pub verbs: &'static [Verb],
    /// Its subresources.
    pub subresources: &'static [Subresource],
}

impl Served {
    /// A subresource by its name.
    pub fn subresource(&self, name: &str) -> Option<&'static Subresource> {
        self.subresources.iter().find(|sub| sub.name == name)
    }

    /// The `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        super::group_version(self.group, self.version)
    }
}

/// A subresource.
#[derive(Debug, Clone, Copy)]
pub struct Subresource {
    /// Its name, such as `log`.
    pub name: &'static str,
    /// Group, version and kind of its body; `None` for the kind of the resource.
    pub kind: Option<(&'static str, &'static str, &'static str)>,
    /// The verbs.
    pub verbs: &'static [Verb],
}

const READ: &[Verb] = &[Verb::Get, Verb::List, Verb::Watch];
/// The verbs of a kind that clients write, in the order of discovery.
const STORE: &[Verb] = &[
    Verb::Create,
    Verb::Delete,
    Verb::DeleteCollection,
    Verb::Get,
    Verb::List,
    Verb::Patch,
    Verb::Update,
    Verb::Watch,
];
/// A namespace is deleted alone, as in Kubernetes.
const NAMESPACE: &[Verb] =
    &[Verb::Create, Verb::Delete, Verb::Get, Verb::List, Verb::Patch, Verb::Update, Verb::Watch];
/// The node of this host is changed, and neither created nor deleted.
const NODE: &[Verb] = &[Verb::Get, Verb::List, Verb::Patch, Verb::Update, Verb::Watch];
const STATUS: &[Verb] = &[Verb::Get, Verb::Patch, Verb::Update];
const MEASURE: &[Verb] = &[Verb::Get, Verb::List];
const REVIEW: &[Verb] = &[Verb::Create];
const CONNECT: &[Verb] = &[Verb::Create, Verb::Get];

const POD_SUBRESOURCES: &[Subresource] = &[
    Subresource { name: "attach", kind: Some(("", "v1", "PodAttachOptions")), verbs: CONNECT },
    Subresource {
        name: "eviction",
        kind: Some(("policy", "v1", "Eviction")),
        verbs: &[Verb::Create],
    },
    Subresource { name: "exec", kind: Some(("", "v1", "PodExecOptions")), verbs: CONNECT },
    Subresource { name: "log", kind: None, verbs: &[Verb::Get] },
    Subresource {
        name: "portforward",
        kind: Some(("", "v1", "PodPortForwardOptions")),
        verbs: CONNECT,
    },
    Subresource { name: "status", kind: None, verbs: STATUS },
];

const STATUS_ONLY: &[Subresource] = &[Subresource { name: "status", kind: None, verbs: STATUS }];
const SCALABLE: &[Subresource] = &[
    Subresource { name: "scale", kind: Some(("autoscaling", "v1", "Scale")), verbs: STATUS },
    Subresource { name: "status", kind: None, verbs: STATUS },
];

/// A kind of workloads.
const fn workload(
    group: &'static str,
    names: [&'static str; 3],
    short_names: &'static [&'static str],
    subresources: &'static [Subresource],
) -> Served {
    let served = plain(group, "v1", names, true, STORE);
    Served { short_names, categories: &["all"], subresources, ..served }
}

/// A resource without short names, categories and subresources.
const fn plain(
    group: &'static str,
    version: &'static str,
    [name, singular, kind]: [&'static str; 3],
    namespaced: bool,
    verbs: &'static [Verb],
) -> Served {
    Served {
        group,
        version,
        name,
        singular,
        kind,
        short_names: &[],
        categories: &[],
        namespaced,
        verbs,
        subresources: &[],
    }
}

/// The served resources.
pub const SERVED: &[Served] = &[
    Served {
        short_names: &["cm"],
        ..plain("", "v1", ["configmaps", "configmap", "ConfigMap"], true, STORE)
    },
    Served { short_names: &["ev"], ..plain("", "v1", ["events", "event", "Event"], true, READ) },
    Served {
        short_names: &["ns"],
        subresources: &[Subresource { name: "status", kind: None, verbs: &[Verb::Get] }],
        ..plain("", "v1", ["namespaces", "namespace", "Namespace"], false, NAMESPACE)
    },
    Served {
        short_names: &["no"],
        subresources: &[Subresource { name: "status", kind: None, verbs: &[Verb::Get] }],
        ..plain("", "v1", ["nodes", "node", "Node"], false, NODE)
    },
    Served {
        short_names: &["po"],
        categories: &["all"],
        subresources: POD_SUBRESOURCES,
        ..plain("", "v1", ["pods", "pod", "Pod"], true, STORE)
    },
    plain("", "v1", ["secrets", "secret", "Secret"], true, STORE),
    Served {
        short_names: &["sa"],
        subresources: &[Subresource {
            name: "token",
            kind: Some(("authentication.k8s.io", "v1", "TokenRequest")),
            verbs: REVIEW,
        }],
        ..plain("", "v1", ["serviceaccounts", "serviceaccount", "ServiceAccount"], true, STORE)
    },
    // One object: the API itself.
    Served {
        short_names: &["svc"],
        categories: &["all"],
        ..plain("", "v1", ["services", "service", "Service"], true, READ)
    },
    workload("apps", ["daemonsets", "daemonset", "DaemonSet"], &["ds"], STATUS_ONLY),
    workload("apps", ["deployments", "deployment", "Deployment"], &["deploy"], SCALABLE),
    // Always empty: no earlier template is kept. kubectl lists them to describe a Deployment.
    Served {
        short_names: &["rs"],
        categories: &["all"],
        ..plain("apps", "v1", ["replicasets", "replicaset", "ReplicaSet"], true, READ)
    },
    workload("apps", ["statefulsets", "statefulset", "StatefulSet"], &["sts"], SCALABLE),
    workload("batch", ["cronjobs", "cronjob", "CronJob"], &["cj"], STATUS_ONLY),
    workload("batch", ["jobs", "job", "Job"], &[], STATUS_ONLY),
    // Without a short name: kubectl warns of one that two groups have.
    plain("events.k8s.io", "v1", ["events", "event", "Event"], true, READ),
    plain(
        "authentication.k8s.io",
        "v1",
        ["selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview"],
        false,
        REVIEW,
    ),
    plain(
        "authorization.k8s.io",
        "v1",
        ["selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview"],
        false,
        REVIEW,
    ),
    plain(
        "authorization.k8s.io",
        "v1",
        ["selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview"],
        false,
        REVIEW,
    ),
    plain("metrics.k8s.io", "v1beta1", ["nodes", "", "NodeMetrics"], false, MEASURE),
    plain("metrics.k8s.io", "v1beta1", ["pods", "", "PodMetrics"], true, MEASURE),
];
