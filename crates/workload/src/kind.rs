//! The kinds of workloads.

use serde_json::Value;

use crate::read::text;

/// A kind of workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` DaemonSet.
    DaemonSet,
    /// `apps/v1` StatefulSet.
    StatefulSet,
    /// `batch/v1` Job.
    Job,
    /// `batch/v1` CronJob.
    CronJob,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Deployment, Self::DaemonSet, Self::StatefulSet, Self::Job, Self::CronJob];

    /// The kind of an object with `apiVersion` and `kind`.
    pub fn of(object: &Value) -> Option<Self> {
        let is = |kind: &Self| {
            text(object, "/kind") == kind.name()
                && text(object, "/apiVersion") == kind.api_version()
        };
        Self::ALL.into_iter().find(is)
    }

    /// The kind of a resource such as `apps`, `deployments`.
    pub fn of_resource(group: &str, plural: &str) -> Option<Self> {
        let is = |kind: &Self| (kind.group(), kind.plural()) == (group, plural);
        Self::ALL.into_iter().find(is)
    }

    /// The name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::DaemonSet => "DaemonSet",
            Self::StatefulSet => "StatefulSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
        }
    }

    /// The name of the resource.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::DaemonSet => "daemonsets",
            Self::StatefulSet => "statefulsets",
            Self::Job => "jobs",
            Self::CronJob => "cronjobs",
        }
    }

    /// The API group.
    pub fn group(self) -> &'static str {
        match self {
            Self::Deployment | Self::DaemonSet | Self::StatefulSet => "apps",
            Self::Job | Self::CronJob => "batch",
        }
    }

    /// Group and version.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Deployment | Self::DaemonSet | Self::StatefulSet => "apps/v1",
            Self::Job | Self::CronJob => "batch/v1",
        }
    }

    /// True if the kind has `spec.replicas` and the subresource `scale`.
    pub fn scales(self) -> bool {
        matches!(self, Self::Deployment | Self::StatefulSet)
    }

    /// True if a deletion that does not say what happens to dependents leaves them: in Kubernetes,
    /// those of a Job.
    pub fn orphans_by_default(self) -> bool {
        self == Self::Job
    }

    /// The pointer to the pod's template.
    pub fn template(self) -> &'static str {
        match self {
            Self::CronJob => "/spec/jobTemplate/spec/template",
            _ => "/spec/template",
        }
    }
}
