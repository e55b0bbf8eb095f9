//! The messages of Kubernetes' API, written by `scripts/kube-wire-table`.

use super::field::Label::{Inline, List, Map, Optional, Pointer, Required};
use super::field::Merge::{Key, Union};
use super::field::Type::{
    Bool, Bytes, IntOrString, Integer, Message as M, MicroTime, Quantity, RawJson, Text, Texts,
    Time,
};
use super::field::{Message, field as f, merged};

/// The version of the API that the table is of.
pub const API_VERSION: &str = "0.36.4";

/// Group, version and kind of the objects that clients send, and their messages.
pub(super) static ROOTS: &[(&str, &str, &str, &str)] = &[
    ("", "v1", "ConfigMap", "core.v1.ConfigMap"),
    ("", "v1", "Event", "core.v1.Event"),
    ("", "v1", "Namespace", "core.v1.Namespace"),
    ("", "v1", "Node", "core.v1.Node"),
    ("", "v1", "Pod", "core.v1.Pod"),
    ("", "v1", "ResourceQuota", "core.v1.ResourceQuota"),
    ("", "v1", "Secret", "core.v1.Secret"),
    ("", "v1", "Service", "core.v1.Service"),
    ("", "v1", "ServiceAccount", "core.v1.ServiceAccount"),
    ("apps", "v1", "DaemonSet", "apps.v1.DaemonSet"),
    ("apps", "v1", "Deployment", "apps.v1.Deployment"),
    ("apps", "v1", "ReplicaSet", "apps.v1.ReplicaSet"),
    ("apps", "v1", "StatefulSet", "apps.v1.StatefulSet"),
    ("authentication.k8s.io", "v1", "SelfSubjectReview", "authentication.v1.SelfSubjectReview"),
    ("authentication.k8s.io", "v1", "TokenRequest", "authentication.v1.TokenRequest"),
    ("authentication.k8s.io", "v1", "TokenReview", "authentication.v1.TokenReview"),
    (
        "authorization.k8s.io",
        "v1",
        "LocalSubjectAccessReview",
        "authorization.v1.LocalSubjectAccessReview",
    ),
    (
        "authorization.k8s.io",
        "v1",
        "SelfSubjectAccessReview",
        "authorization.v1.SelfSubjectAccessReview",
    ),
    (
        "authorization.k8s.io",
        "v1",
        "SelfSubjectRulesReview",
        "authorization.v1.SelfSubjectRulesReview",
    ),
    ("authorization.k8s.io", "v1", "SubjectAccessReview", "authorization.v1.SubjectAccessReview"),
    ("autoscaling", "v1", "Scale", "autoscaling.v1.Scale"),
    ("batch", "v1", "CronJob", "batch.v1.CronJob"),
    ("batch", "v1", "Job", "batch.v1.Job"),
    ("events.k8s.io", "v1", "Event", "events.v1.Event"),
    ("policy", "v1", "Eviction", "policy.v1.Eviction"),
];

/// All messages, by their names.
pub(super) static MESSAGES: &[Message] = &[
    Message {
        name: "apps.v1.DaemonSet",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("apps.v1.DaemonSetSpec"), Optional),
            f(3, "status", M("apps.v1.DaemonSetStatus"), Optional),
        ],
    },
    Message {
        name: "apps.v1.DaemonSetCondition",
        fields: &[
            f(1, "type", Text, Required),
            f(2, "status", Text, Required),
            f(3, "lastTransitionTime", Time, Optional),
            f(4, "reason", Text, Optional),
            f(5, "message", Text, Optional),
        ],
    },
    Message {
        name: "apps.v1.DaemonSetSpec",
        fields: &[
            f(1, "selector", M("meta.v1.LabelSelector"), Pointer),
            f(2, "template", M("core.v1.PodTemplateSpec"), Required),
            f(3, "updateStrategy", M("apps.v1.DaemonSetUpdateStrategy"), Optional),
            f(4, "minReadySeconds", Integer, Optional),
            f(6, "revisionHistoryLimit", Integer, Pointer),
        ],
    },
    Message {
        name: "apps.v1.DaemonSetStatus",
        fields: &[
            f(1, "currentNumberScheduled", Integer, Required),
            f(2, "numberMisscheduled", Integer, Required),
            f(3, "desiredNumberScheduled", Integer, Required),
            f(4, "numberReady", Integer, Required),
            f(5, "observedGeneration", Integer, Optional),
            f(6, "updatedNumberScheduled", Integer, Optional),
            f(7, "numberAvailable", Integer, Optional),
            f(8, "numberUnavailable", Integer, Optional),
            f(9, "collisionCount", Integer, Pointer),
            merged(10, "conditions", M("apps.v1.DaemonSetCondition"), List, Key("type")),
        ],
    },
    Message {
        name: "apps.v1.DaemonSetUpdateStrategy",
        fields: &[
            f(1, "type", Text, Optional),
            f(2, "rollingUpdate", M("apps.v1.RollingUpdateDaemonSet"), Pointer),
        ],
    },
    Message {
        name: "apps.v1.Deployment",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("apps.v1.DeploymentSpec"), Optional),
            f(3, "status", M("apps.v1.DeploymentStatus"), Optional),
        ],
    },
    Message {
        name: "apps.v1.DeploymentCondition",
        fields: &[
            f(1, "type", Text, Required),
            f(2, "status", Text, Required),
            f(4, "reason", Text, Optional),
            f(5, "message", Text, Optional),
            f(6, "lastUpdateTime", Time, Optional),
            f(7, "lastTransitionTime", Time, Optional),
        ],
    },
    Message {
        name: "apps.v1.DeploymentSpec",
        fields: &[
            f(1, "replicas", Integer, Pointer),
            f(2, "selector", M("meta.v1.LabelSelector"), Pointer),
            f(3, "template", M("core.v1.PodTemplateSpec"), Required),
            f(4, "strategy", M("apps.v1.DeploymentStrategy"), Optional),
            f(5, "minReadySeconds", Integer, Optional),
            f(6, "revisionHistoryLimit", Integer, Pointer),
            f(7, "paused", Bool, Optional),
            f(9, "progressDeadlineSeconds", Integer, Pointer),
        ],
    },
    Message {
        name: "apps.v1.DeploymentStatus",
        fields: &[
            f(1, "observedGeneration", Integer, Optional),
            f(2, "replicas", Integer, Optional),
            f(3, "updatedReplicas", Integer, Optional),
            f(4, "availableReplicas", Integer, Optional),
            f(5, "unavailableReplicas", Integer, Optional),
            merged(6, "conditions", M("apps.v1.DeploymentCondition"), List, Key("type")),
            f(7, "readyReplicas", Integer, Optional),
            f(8, "collisionCount", Integer, Pointer),
            f(9, "terminatingReplicas", Integer, Pointer),
        ],
    },
    Message {
        name: "apps.v1.DeploymentStrategy",
        fields: &[
            f(1, "type", Text, Optional),
            f(2, "rollingUpdate", M("apps.v1.RollingUpdateDeployment"), Pointer),
        ],
    },
    Message {
        name: "apps.v1.ReplicaSet",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("apps.v1.ReplicaSetSpec"), Optional),
            f(3, "status", M("apps.v1.ReplicaSetStatus"), Optional),
        ],
    },
    Message {
        name: "apps.v1.ReplicaSetCondition",
        fields: &[
            f(1, "type", Text, Required),
            f(2, "status", Text, Required),
            f(3, "lastTransitionTime", Time, Optional),
            f(4, "reason", Text, Optional),
            f(5, "message", Text, Optional),
        ],
    },
    Message {
        name: "apps.v1.ReplicaSetSpec",
        fields: &[
            f(1, "replicas", Integer, Pointer),
            f(2, "selector", M("meta.v1.LabelSelector"), Pointer),
            f(3, "template", M("core.v1.PodTemplateSpec"), Optional),
            f(4, "minReadySeconds", Integer, Optional),
        ],
    },
    Message {
        name: "apps.v1.ReplicaSetStatus",
        fields: &[
            f(1, "replicas", Integer, Required),
            f(2, "fullyLabeledReplicas", Integer, Optional),
            f(3, "observedGeneration", Integer, Optional),
            f(4, "readyReplicas", Integer, Optional),
            f(5, "availableReplicas", Integer, Optional),
            merged(6, "conditions", M("apps.v1.ReplicaSetCondition"), List, Key("type")),
            f(7, "terminatingReplicas", Integer, Pointer),
        ],
    },
    Message {
        name: "apps.v1.RollingUpdateDaemonSet",
        fields: &[
            f(1, "maxUnavailable", IntOrString, Pointer),
            f(2, "maxSurge", IntOrString, Pointer),
        ],
    },
    Message {
        name: "apps.v1.RollingUpdateDeployment",
        fields: &[
            f(1, "maxUnavailable", IntOrString, Pointer),
            f(2, "maxSurge", IntOrString, Pointer),
        ],
    },
    Message {
        name: "apps.v1.RollingUpdateStatefulSetStrategy",
        fields: &[
            f(1, "partition", Integer, Pointer),
            f(2, "maxUnavailable", IntOrString, Pointer),
        ],
    },
    Message {
        name: "apps.v1.StatefulSet",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("apps.v1.StatefulSetSpec"), Optional),
            f(3, "status", M("apps.v1.StatefulSetStatus"), Optional),
        ],
    },
    Message {
        name: "apps.v1.StatefulSetCondition",
        fields: &[
            f(1, "type", Text, Required),
            f(2, "status", Text, Required),
            f(3, "lastTransitionTime", Time, Optional),
            f(4, "reason", Text, Optional),
            f(5, "message", Text, Optional),
        ],
    },
    Message { name: "apps.v1.StatefulSetOrdinals", fields: &[f(1, "start", Integer, Required)] },
    Message {
        name: "apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy",
        fields: &[f(1, "whenDeleted", Text, Optional), f(2, "whenScaled", Text, Optional)],
    },
    Message {
        name: "apps.v1.StatefulSetSpec",
        fields: &[
            f(1, "replicas", Integer, Pointer),
            f(2, "selector", M("meta.v1.LabelSelector"), Pointer),
            f(3, "template", M("core.v1.PodTemplateSpec"), Required),
            f(4, "volumeClaimTemplates", M("core.v1.PersistentVolumeClaim"), List),
            f(5, "serviceName", Text, Required),
            f(6, "podManagementPolicy", Text, Optional),
            f(7, "updateStrategy", M("apps.v1.StatefulSetUpdateStrategy"), Optional),
            f(8, "revisionHistoryLimit", Integer, Pointer),
            f(9, "minReadySeconds", Integer, Optional),
            f(
                10,
                "persistentVolumeClaimRetentionPolicy",
                M("apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy"),
                Pointer,
            ),
            f(11, "ordinals", M("apps.v1.StatefulSetOrdinals"), Pointer),
        ],
    },
    Message {
        name: "apps.v1.StatefulSetStatus",
        fields: &[
            f(1, "observedGeneration", Integer, Optional),
            f(2, "replicas", Integer, Required),
            f(3, "readyReplicas", Integer, Optional),
            f(4, "currentReplicas", Integer, Optional),
            f(5, "updatedReplicas", Integer, Optional),
            f(6, "currentRevision", Text, Optional),
            f(7, "updateRevision", Text, Optional),
            f(9, "collisionCount", Integer, Pointer),
            merged(10, "conditions", M("apps.v1.StatefulSetCondition"), List, Key("type")),
            f(11, "availableReplicas", Integer, Required),
        ],
    },
    Message {
        name: "apps.v1.StatefulSetUpdateStrategy",
        fields: &[
            f(1, "type", Text, Optional),
            f(2, "rollingUpdate", M("apps.v1.RollingUpdateStatefulSetStrategy"), Pointer),
        ],
    },
    Message {
        name: "authentication.v1.BoundObjectReference",
        fields: &[
            f(1, "kind", Text, Optional),
            f(2, "apiVersion", Text, Optional),
            f(3, "name", Text, Optional),
            f(4, "uid", Text, Optional),
        ],
    },
    Message {
        name: "authentication.v1.SelfSubjectReview",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "status", M("authentication.v1.SelfSubjectReviewStatus"), Optional),
        ],
    },
    Message {
        name: "authentication.v1.SelfSubjectReviewStatus",
        fields: &[f(1, "userInfo", M("authentication.v1.UserInfo"), Optional)],
    },
    Message {
        name: "authentication.v1.TokenRequest",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("authentication.v1.TokenRequestSpec"), Required),
            f(3, "status", M("authentication.v1.TokenRequestStatus"), Optional),
        ],
    },
    Message {
        name: "authentication.v1.TokenRequestSpec",
        fields: &[
            f(1, "audiences", Text, List),
            f(3, "boundObjectRef", M("authentication.v1.BoundObjectReference"), Pointer),
            f(4, "expirationSeconds", Integer, Pointer),
        ],
    },
    Message {
        name: "authentication.v1.TokenRequestStatus",
        fields: &[f(1, "token", Text, Required), f(2, "expirationTimestamp", Time, Required)],
    },
    Message {
        name: "authentication.v1.TokenReview",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("authentication.v1.TokenReviewSpec"), Required),
            f(3, "status", M("authentication.v1.TokenReviewStatus"), Optional),
        ],
    },
    Message {
        name: "authentication.v1.TokenReviewSpec",
        fields: &[f(1, "token", Text, Optional), f(2, "audiences", Text, List)],
    },
    Message {
        name: "authentication.v1.TokenReviewStatus",
        fields: &[
            f(1, "authenticated", Bool, Optional),
            f(2, "user", M("authentication.v1.UserInfo"), Optional),
            f(3, "error", Text, Optional),
            f(4, "audiences", Text, List),
        ],
    },
    Message {
        name: "authentication.v1.UserInfo",
        fields: &[
            f(1, "username", Text, Optional),
            f(2, "uid", Text, Optional),
            f(3, "groups", Text, List),
            f(4, "extra", Texts, Map),
        ],
    },
    Message {
        name: "authorization.v1.FieldSelectorAttributes",
        fields: &[
            f(1, "rawSelector", Text, Optional),
            f(2, "requirements", M("meta.v1.FieldSelectorRequirement"), List),
        ],
    },
    Message {
        name: "authorization.v1.LabelSelectorAttributes",
        fields: &[
            f(1, "rawSelector", Text, Optional),
            f(2, "requirements", M("meta.v1.LabelSelectorRequirement"), List),
        ],
    },
    Message {
        name: "authorization.v1.LocalSubjectAccessReview",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("authorization.v1.SubjectAccessReviewSpec"), Required),
            f(3, "status", M("authorization.v1.SubjectAccessReviewStatus"), Optional),
        ],
    },
    Message {
        name: "authorization.v1.NonResourceAttributes",
        fields: &[f(1, "path", Text, Optional), f(2, "verb", Text, Optional)],
    },
    Message {
        name: "authorization.v1.NonResourceRule",
        fields: &[f(1, "verbs", Text, List), f(2, "nonResourceURLs", Text, List)],
    },
    Message {
        name: "authorization.v1.ResourceAttributes",
        fields: &[
            f(1, "namespace", Text, Optional),
            f(2, "verb", Text, Optional),
            f(3, "group", Text, Optional),
            f(4, "version", Text, Optional),
            f(5, "resource", Text, Optional),
            f(6, "subresource", Text, Optional),
            f(7, "name", Text, Optional),
            f(8, "fieldSelector", M("authorization.v1.FieldSelectorAttributes"), Pointer),
            f(9, "labelSelector", M("authorization.v1.LabelSelectorAttributes"), Pointer),
        ],
    },
    Message {
        name: "authorization.v1.ResourceRule",
        fields: &[
            f(1, "verbs", Text, List),
            f(2, "apiGroups", Text, List),
            f(3, "resources", Text, List),
            f(4, "resourceNames", Text, List),
        ],
    },
    Message {
        name: "authorization.v1.SelfSubjectAccessReview",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("authorization.v1.SelfSubjectAccessReviewSpec"), Required),
            f(3, "status", M("authorization.v1.SubjectAccessReviewStatus"), Optional),
        ],
    },
    Message {
        name: "authorization.v1.SelfSubjectAccessReviewSpec",
        fields: &[
            f(1, "resourceAttributes", M("authorization.v1.ResourceAttributes"), Pointer),
            f(2, "nonResourceAttributes", M("authorization.v1.NonResourceAttributes"), Pointer),
        ],
    },
    Message {
        name: "authorization.v1.SelfSubjectRulesReview",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("authorization.v1.SelfSubjectRulesReviewSpec"), Required),
            f(3, "status", M("authorization.v1.SubjectRulesReviewStatus"), Optional),
        ],
    },
    Message {
        name: "authorization.v1.SelfSubjectRulesReviewSpec",
        fields: &[f(1, "namespace", Text, Optional)],
    },
    Message {
        name: "authorization.v1.SubjectAccessReview",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("authorization.v1.SubjectAccessReviewSpec"), Required),
            f(3, "status", M("authorization.v1.SubjectAccessReviewStatus"), Optional),
        ],
    },
    Message {
        name: "authorization.v1.SubjectAccessReviewSpec",
        fields: &[
            f(1, "resourceAttributes", M("authorization.v1.ResourceAttributes"), Pointer),
            f(2, "nonResourceAttributes", M("authorization.v1.NonResourceAttributes"), Pointer),
            f(3, "user", Text, Optional),
            f(4, "groups", Text, List),
            f(5, "extra", Texts, Map),
            f(6, "uid", Text, Optional),
        ],
    },
    Message {
        name: "authorization.v1.SubjectAccessReviewStatus",
        fields: &[
            f(1, "allowed", Bool, Required),
            f(2, "reason", Text, Optional),
            f(3, "evaluationError", Text, Optional),
            f(4, "denied", Bool, Optional),
        ],
    },
    Message {
        name: "authorization.v1.SubjectRulesReviewStatus",
        fields: &[
            f(1, "resourceRules", M("authorization.v1.ResourceRule"), List),
            f(2, "nonResourceRules", M("authorization.v1.NonResourceRule"), List),
            f(3, "incomplete", Bool, Required),
            f(4, "evaluationError", Text, Optional),
        ],
    },
    Message {
        name: "autoscaling.v1.Scale",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("autoscaling.v1.ScaleSpec"), Optional),
            f(3, "status", M("autoscaling.v1.ScaleStatus"), Optional),
        ],
    },
    Message { name: "autoscaling.v1.ScaleSpec", fields: &[f(1, "replicas", Integer, Optional)] },
    Message {
        name: "autoscaling.v1.ScaleStatus",
        fields: &[f(1, "replicas", Integer, Required), f(2, "selector", Text, Optional)],
    },
    Message {
        name: "batch.v1.CronJob",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("batch.v1.CronJobSpec"), Optional),
            f(3, "status", M("batch.v1.CronJobStatus"), Optional),
        ],
    },
    Message {
        name: "batch.v1.CronJobSpec",
        fields: &[
            f(1, "schedule", Text, Required),
            f(2, "startingDeadlineSeconds", Integer, Pointer),
            f(3, "concurrencyPolicy", Text, Optional),
            f(4, "suspend", Bool, Pointer),
            f(5, "jobTemplate", M("batch.v1.JobTemplateSpec"), Required),
            f(6, "successfulJobsHistoryLimit", Integer, Pointer),
            f(7, "failedJobsHistoryLimit", Integer, Pointer),
            f(8, "timeZone", Text, Pointer),
        ],
    },
    Message {
        name: "batch.v1.CronJobStatus",
        fields: &[
            f(1, "active", M("core.v1.ObjectReference"), List),
            f(4, "lastScheduleTime", Time, Pointer),
            f(5, "lastSuccessfulTime", Time, Pointer),
        ],
    },
    Message {
        name: "batch.v1.Job",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("batch.v1.JobSpec"), Optional),
            f(3, "status", M("batch.v1.JobStatus"), Optional),
        ],
    },
    Message {
        name: "batch.v1.JobCondition",
        fields: &[
            f(1, "type", Text, Required),
            f(2, "status", Text, Required),
            f(3, "lastProbeTime", Time, Optional),
            f(4, "lastTransitionTime", Time, Optional),
            f(5, "reason", Text, Optional),
            f(6, "message", Text, Optional),
        ],
    },
    Message {
        name: "batch.v1.JobSpec",
        fields: &[
            f(1, "parallelism", Integer, Pointer),
            f(2, "completions", Integer, Pointer),
            f(3, "activeDeadlineSeconds", Integer, Pointer),
            f(4, "selector", M("meta.v1.LabelSelector"), Pointer),
            f(5, "manualSelector", Bool, Pointer),
            f(6, "template", M("core.v1.PodTemplateSpec"), Required),
            f(7, "backoffLimit", Integer, Pointer),
            f(8, "ttlSecondsAfterFinished", Integer, Pointer),
            f(9, "completionMode", Text, Pointer),
            f(10, "suspend", Bool, Pointer),
            f(11, "podFailurePolicy", M("batch.v1.PodFailurePolicy"), Pointer),
            f(12, "backoffLimitPerIndex", Integer, Pointer),
            f(13, "maxFailedIndexes", Integer, Pointer),
            f(14, "podReplacementPolicy", Text, Pointer),
            f(15, "managedBy", Text, Pointer),
            f(16, "successPolicy", M("batch.v1.SuccessPolicy"), Pointer),
        ],
    },
    Message {
        name: "batch.v1.JobStatus",
        fields: &[
            merged(1, "conditions", M("batch.v1.JobCondition"), List, Key("type")),
            f(2, "startTime", Time, Pointer),
            f(3, "completionTime", Time, Pointer),
            f(4, "active", Integer, Optional),
            f(5, "succeeded", Integer, Optional),
            f(6, "failed", Integer, Optional),
            f(7, "completedIndexes", Text, Optional),
            f(8, "uncountedTerminatedPods", M("batch.v1.UncountedTerminatedPods"), Pointer),
            f(9, "ready", Integer, Pointer),
            f(10, "failedIndexes", Text, Pointer),
            f(11, "terminating", Integer, Pointer),
        ],
    },
    Message {
        name: "batch.v1.JobTemplateSpec",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("batch.v1.JobSpec"), Optional),
        ],
    },
    Message {
        name: "batch.v1.PodFailurePolicy",
        fields: &[f(1, "rules", M("batch.v1.PodFailurePolicyRule"), List)],
    },
    Message {
        name: "batch.v1.PodFailurePolicyOnExitCodesRequirement",
        fields: &[
            f(1, "containerName", Text, Pointer),
            f(2, "operator", Text, Required),
            f(3, "values", Integer, List),
        ],
    },
    Message {
        name: "batch.v1.PodFailurePolicyOnPodConditionsPattern",
        fields: &[f(1, "type", Text, Required), f(2, "status", Text, Required)],
    },
    Message {
        name: "batch.v1.PodFailurePolicyRule",
        fields: &[
            f(1, "action", Text, Required),
            f(2, "onExitCodes", M("batch.v1.PodFailurePolicyOnExitCodesRequirement"), Pointer),
            f(3, "onPodConditions", M("batch.v1.PodFailurePolicyOnPodConditionsPattern"), List),
        ],
    },
    Message {
        name: "batch.v1.SuccessPolicy",
        fields: &[f(1, "rules", M("batch.v1.SuccessPolicyRule"), List)],
    },
    Message {
        name: "batch.v1.SuccessPolicyRule",
        fields: &[
            f(1, "succeededIndexes", Text, Pointer),
            f(2, "succeededCount", Integer, Pointer),
        ],
    },
    Message {
        name: "batch.v1.UncountedTerminatedPods",
        fields: &[f(1, "succeeded", Text, List), f(2, "failed", Text, List)],
    },
    Message {
        name: "core.v1.AWSElasticBlockStoreVolumeSource",
        fields: &[
            f(1, "volumeID", Text, Required),
            f(2, "fsType", Text, Optional),
            f(3, "partition", Integer, Optional),
            f(4, "readOnly", Bool, Optional),
        ],
    },
    Message {
        name: "core.v1.Affinity",
        fields: &[
            f(1, "nodeAffinity", M("core.v1.NodeAffinity"), Pointer),
            f(2, "podAffinity", M("core.v1.PodAffinity"), Pointer),
            f(3, "podAntiAffinity", M("core.v1.PodAntiAffinity"), Pointer),
        ],
    },
    Message {
        name: "core.v1.AppArmorProfile",
        fields: &[f(1, "type", Text, Required), f(2, "localhostProfile", Text, Pointer)],
    },
    Message {
        name: "core.v1.AttachedVolume",
        fields: &[f(1, "name", Text, Required), f(2, "devicePath", Text, Required)],
    },
    Message {
        name: "core.v1.AzureDiskVolumeSource",
        fields: &[
            f(1, "diskName", Text, Required),
            f(2, "diskURI", Text, Required),
            f(3, "cachingMode", Text, Pointer),
            f(4, "fsType", Text, Pointer),
            f(5, "readOnly", Bool, Pointer),
            f(6, "kind", Text, Pointer),
        ],
    },
    Message {
        name: "core.v1.AzureFileVolumeSource",
        fields: &[
            f(1, "secretName", Text, Required),
            f(2, "shareName", Text, Required),
            f(3, "readOnly", Bool, Optional),
        ],
    },
    Message {
        name: "core.v1.CSIVolumeSource",
        fields: &[
            f(1, "driver", Text, Required),
            f(2, "readOnly", Bool, Pointer),
            f(3, "fsType", Text, Pointer),
            f(4, "volumeAttributes", Text, Map),
            f(5, "nodePublishSecretRef", M("core.v1.LocalObjectReference"), Pointer),
        ],
    },
    Message {
        name: "core.v1.Capabilities",
        fields: &[f(1, "add", Text, List), f(2, "drop", Text, List)],
    },
    Message {
        name: "core.v1.CephFSVolumeSource",
        fields: &[
            f(1, "monitors", Text, List),
            f(2, "path", Text, Optional),
            f(3, "user", Text, Optional),
            f(4, "secretFile", Text, Optional),
            f(5, "secretRef", M("core.v1.LocalObjectReference"), Pointer),
            f(6, "readOnly", Bool, Optional),
        ],
    },
    Message {
        name: "core.v1.CinderVolumeSource",
        fields: &[
            f(1, "volumeID", Text, Required),
            f(2, "fsType", Text, Optional),
            f(3, "readOnly", Bool, Optional),
            f(4, "secretRef", M("core.v1.LocalObjectReference"), Pointer),
        ],
    },
    Message { name: "core.v1.ClientIPConfig", fields: &[f(1, "timeoutSeconds", Integer, Pointer)] },
    Message {
        name: "core.v1.ClusterTrustBundleProjection",
        fields: &[
            f(1, "name", Text, Pointer),
            f(2, "signerName", Text, Pointer),
            f(3, "labelSelector", M("meta.v1.LabelSelector"), Pointer),
            f(4, "path", Text, Required),
            f(5, "optional", Bool, Pointer),
        ],
    },
    Message {
        name: "core.v1.ConfigMap",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "data", Text, Map),
            f(3, "binaryData", Bytes, Map),
            f(4, "immutable", Bool, Pointer),
        ],
    },
    Message {
        name: "core.v1.ConfigMapEnvSource",
        fields: &[
            f(1, "", M("core.v1.LocalObjectReference"), Inline),
            f(2, "optional", Bool, Pointer),
        ],
    },
    Message {
        name: "core.v1.ConfigMapKeySelector",
        fields: &[
            f(1, "", M("core.v1.LocalObjectReference"), Inline),
            f(2, "key", Text, Required),
            f(3, "optional", Bool, Pointer),
        ],
    },
    Message {
        name: "core.v1.ConfigMapNodeConfigSource",
        fields: &[
            f(1, "namespace", Text, Required),
            f(2, "name", Text, Required),
            f(3, "uid", Text, Optional),
            f(4, "resourceVersion", Text, Optional),
            f(5, "kubeletConfigKey", Text, Required),
        ],
    },
    Message {
        name: "core.v1.ConfigMapProjection",
        fields: &[
            f(1, "", M("core.v1.LocalObjectReference"), Inline),
            f(2, "items", M("core.v1.KeyToPath"), List),
            f(4, "optional", Bool, Pointer),
        ],
    },
    Message {
        name: "core.v1.ConfigMapVolumeSource",
        fields: &[
            f(1, "", M("core.v1.LocalObjectReference"), Inline),
            f(2, "items", M("core.v1.KeyToPath"), List),
            f(3, "defaultMode", Integer, Pointer),
            f(4, "optional", Bool, Pointer),
        ],
    },
    Message {
        name: "core.v1.Container",
        fields: &[
            f(1, "name", Text, Required),
            f(2, "image", Text, Optional),
            f(3, "command", Text, List),
            f(4, "args", Text, List),
            f(5, "workingDir", Text, Optional),
            merged(6, "ports", M("core.v1.ContainerPort"), List, Key("containerPort")),
            merged(7, "env", M("core.v1.EnvVar"), List, Key("name")),
            f(8, "resources", M("core.v1.ResourceRequirements"), Optional),
            merged(9, "volumeMounts", M("core.v1.VolumeMount"), List, Key("mountPath")),
            f(10, "livenessProbe", M("core.v1.Probe"), Pointer),
            f(11, "readinessProbe", M("core.v1.Probe"), Pointer),
            f(12, "lifecycle", M("core.v1.Lifecycle"), Pointer),
            f(13, "terminationMessagePath", Text, Optional),
            f(14, "imagePullPolicy", Text, Optional),
            f(15, "securityContext", M("core.v1.SecurityContext"), Pointer),
            f(16, "stdin", Bool, Optional),
            f(17, "stdinOnce", Bool, Optional),
            f(18, "tty", Bool, Optional),
            f(19, "envFrom", M("core.v1.EnvFromSource"), List),
            f(20, "terminationMessagePolicy", Text, Optional),
            merged(21, "volumeDevices", M("core.v1.VolumeDevice"), List, Key("devicePath")),
            f(22, "startupProbe", M("core.v1.Probe"), Pointer),
            f(23, "resizePolicy", M("core.v1.ContainerResizePolicy"), List),
            f(24, "restartPolicy", Text, Pointer),
            f(25, "restartPolicyRules", M("core.v1.ContainerRestartRule"), List),
        ],
    },
    Message {
        name: "core.v1.ContainerExtendedResourceRequest",
        fields: &[
            f(1, "containerName", Text, Required),
            f(2, "resourceName", Text, Required),
            f(3, "requestName", Text, Required),
        ],
    },
    Message {
        name: "core.v1.ContainerImage",
        fields: &[f(1, "names", Text, List), f(2, "sizeBytes", Integer, Optional)],
    },
    Message {
        name: "core.v1.ContainerPort",
        fields: &[
            f(1, "name", Text, Optional),
            f(2, "hostPort", Integer, Optional),
            f(3, "containerPort", Integer, Required),
            f(4, "protocol", Text, Optional),
            f(5, "hostIP", Text, Optional),
        ],
    },
    Message {
        name: "core.v1.ContainerResizePolicy",
        fields: &[f(1, "resourceName", Text, Required), f(2, "restartPolicy", Text, Required)],
    },
    Message {
        name: "core.v1.ContainerRestartRule",
        fields: &[
            f(1, "action", Text, Optional),
            f(2, "exitCodes", M("core.v1.ContainerRestartRuleOnExitCodes"), Pointer),
        ],
    },
    Message {
        name: "core.v1.ContainerRestartRuleOnExitCodes",
        fields: &[f(1, "operator", Text, Optional), f(2, "values", Integer, List)],
    },
    Message {
        name: "core.v1.ContainerState",
        fields: &[
            f(1, "waiting", M("core.v1.ContainerStateWaiting"), Pointer),
            f(2, "running", M("core.v1.ContainerStateRunning"), Pointer),
            f(3, "terminated", M("core.v1.ContainerStateTerminated"), Pointer),
        ],
    },
    Message { name: "core.v1.ContainerStateRunning", fields: &[f(1, "startedAt", Time, Optional)] },
    Message {
        name: "core.v1.ContainerStateTerminated",
        fields: &[
            f(1, "exitCode", Integer, Required),
            f(2, "signal", Integer, Optional),
            f(3, "reason", Text, Optional),
            f(4, "message", Text, Optional),
            f(5, "startedAt", Time, Optional),
            f(6, "finishedAt", Time, Optional),
            f(7, "containerID", Text, Optional),
        ],
    },
    Message {
        name: "core.v1.ContainerStateWaiting",
        fields: &[f(1, "reason", Text, Optional), f(2, "message", Text, Optional)],
    },
    Message {
        name: "core.v1.ContainerStatus",
        fields: &[
            f(1, "name", Text, Required),
            f(2, "state", M("core.v1.ContainerState"), Optional),
            f(3, "lastState", M("core.v1.ContainerState"), Optional),
            f(4, "ready", Bool, Required),
            f(5, "restartCount", Integer, Required),
            f(6, "image", Text, Required),
            f(7, "imageID", Text, Required),
            f(8, "containerID", Text, Optional),
            f(9, "started", Bool, Pointer),
            f(10, "allocatedResources", Quantity, Map),
            f(11, "resources", M("core.v1.ResourceRequirements"), Pointer),
            merged(12, "volumeMounts", M("core.v1.VolumeMountStatus"), List, Key("mountPath")),
            f(13, "user", M("core.v1.ContainerUser"), Pointer),
            merged(14, "allocatedResourcesStatus", M("core.v1.ResourceStatus"), List, Key("name")),
            f(15, "stopSignal", Text, Pointer),
        ],
    },
    Message {
        name: "core.v1.ContainerUser",
        fields: &[f(1, "linux", M("core.v1.LinuxContainerUser"), Pointer)],
    },
    Message { name: "core.v1.DaemonEndpoint", fields: &[f(1, "Port", Integer, Required)] },
    Message {
        name: "core.v1.DownwardAPIProjection",
        fields: &[f(1, "items", M("core.v1.DownwardAPIVolumeFile"), List)],
    },
    Message {
        name: "core.v1.DownwardAPIVolumeFile",
        fields: &[
            f(1, "path", Text, Required),
            f(2, "fieldRef", M("core.v1.ObjectFieldSelector"), Pointer),
            f(3, "resourceFieldRef", M("core.v1.ResourceFieldSelector"), Pointer),
            f(4, "mode", Integer, Pointer),
        ],
    },
    Message {
        name: "core.v1.DownwardAPIVolumeSource",
        fields: &[
            f(1, "items", M("core.v1.DownwardAPIVolumeFile"), List),
            f(2, "defaultMode", Integer, Pointer),
        ],
    },
    Message {
        name: "core.v1.EmptyDirVolumeSource",
        fields: &[f(1, "medium", Text, Optional), f(2, "sizeLimit", Quantity, Pointer)],
    },
    Message {
        name: "core.v1.EnvFromSource",
        fields: &[
            f(1, "prefix", Text, Optional),
            f(2, "configMapRef", M("core.v1.ConfigMapEnvSource"), Pointer),
            f(3, "secretRef", M("core.v1.SecretEnvSource"), Pointer),
        ],
    },
    Message {
        name: "core.v1.EnvVar",
        fields: &[
            f(1, "name", Text, Required),
            f(2, "value", Text, Optional),
            f(3, "valueFrom", M("core.v1.EnvVarSource"), Pointer),
        ],
    },
    Message {
        name: "core.v1.EnvVarSource",
        fields: &[
            f(1, "fieldRef", M("core.v1.ObjectFieldSelector"), Pointer),
            f(2, "resourceFieldRef", M("core.v1.ResourceFieldSelector"), Pointer),
            f(3, "configMapKeyRef", M("core.v1.ConfigMapKeySelector"), Pointer),
            f(4, "secretKeyRef", M("core.v1.SecretKeySelector"), Pointer),
            f(5, "fileKeyRef", M("core.v1.FileKeySelector"), Pointer),
        ],
    },
    Message {
        name: "core.v1.EphemeralContainer",
        fields: &[
            f(1, "", M("core.v1.EphemeralContainerCommon"), Inline),
            f(2, "targetContainerName", Text, Optional),
        ],
    },
    Message {
        name: "core.v1.EphemeralContainerCommon",
        fields: &[
            f(1, "name", Text, Required),
            f(2, "image", Text, Optional),
            f(3, "command", Text, List),
            f(4, "args", Text, List),
            f(5, "workingDir", Text, Optional),
            merged(6, "ports", M("core.v1.ContainerPort"), List, Key("containerPort")),
            merged(7, "env", M("core.v1.EnvVar"), List, Key("name")),
            f(8, "resources", M("core.v1.ResourceRequirements"), Optional),
            merged(9, "volumeMounts", M("core.v1.VolumeMount"), List, Key("mountPath")),
            f(10, "livenessProbe", M("core.v1.Probe"), Pointer),
            f(11, "readinessProbe", M("core.v1.Probe"), Pointer),
            f(12, "lifecycle", M("core.v1.Lifecycle"), Pointer),
            f(13, "terminationMessagePath", Text, Optional),
            f(14, "imagePullPolicy", Text, Optional),
            f(15, "securityContext", M("core.v1.SecurityContext"), Pointer),
            f(16, "stdin", Bool, Optional),
            f(17, "stdinOnce", Bool, Optional),
            f(18, "tty", Bool, Optional),
            f(19, "envFrom", M("core.v1.EnvFromSource"), List),
            f(20, "terminationMessagePolicy", Text, Optional),
            merged(21, "volumeDevices", M("core.v1.VolumeDevice"), List, Key("devicePath")),
            f(22, "startupProbe", M("core.v1.Probe"), Pointer),
            f(23, "resizePolicy", M("core.v1.ContainerResizePolicy"), List),
            f(24, "restartPolicy", Text, Pointer),
            f(25, "restartPolicyRules", M("core.v1.ContainerRestartRule"), List),
        ],
    },
    Message {
        name: "core.v1.EphemeralVolumeSource",
        fields: &[f(1, "volumeClaimTemplate", M("core.v1.PersistentVolumeClaimTemplate"), Pointer)],
    },
    Message {
        name: "core.v1.Event",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Required),
            f(2, "involvedObject", M("core.v1.ObjectReference"), Required),
            f(3, "reason", Text, Optional),
            f(4, "message", Text, Optional),
            f(5, "source", M("core.v1.EventSource"), Optional),
            f(6, "firstTimestamp", Time, Optional),
            f(7, "lastTimestamp", Time, Optional),
            f(8, "count", Integer, Optional),
            f(9, "type", Text, Optional),
            f(10, "eventTime", MicroTime, Optional),
            f(11, "series", M("core.v1.EventSeries"), Pointer),
            f(12, "action", Text, Optional),
            f(13, "related", M("core.v1.ObjectReference"), Pointer),
            f(14, "reportingComponent", Text, Required),
            f(15, "reportingInstance", Text, Required),
        ],
    },
    Message {
        name: "core.v1.EventSeries",
        fields: &[f(1, "count", Integer, Optional), f(2, "lastObservedTime", MicroTime, Optional)],
    },
    Message {
        name: "core.v1.EventSource",
        fields: &[f(1, "component", Text, Optional), f(2, "host", Text, Optional)],
    },
    Message { name: "core.v1.ExecAction", fields: &[f(1, "command", Text, List)] },
    Message {
        name: "core.v1.FCVolumeSource",
        fields: &[
            f(1, "targetWWNs", Text, List),
            f(2, "lun", Integer, Pointer),
            f(3, "fsType", Text, Optional),
            f(4, "readOnly", Bool, Optional),
            f(5, "wwids", Text, List),
        ],
    },
    Message {
        name: "core.v1.FileKeySelector",
        fields: &[
            f(1, "volumeName", Text, Required),
            f(2, "path", Text, Required),
            f(3, "key", Text, Required),
            f(4, "optional", Bool, Pointer),
        ],
    },
    Message {
        name: "core.v1.FlexVolumeSource",
        fields: &[
            f(1, "driver", Text, Required),
            f(2, "fsType", Text, Optional),
            f(3, "secretRef", M("core.v1.LocalObjectReference"), Pointer),
            f(4, "readOnly", Bool, Optional),
            f(5, "options", Text, Map),
        ],
    },
    Message {
        name: "core.v1.FlockerVolumeSource",
        fields: &[f(1, "datasetName", Text, Optional), f(2, "datasetUUID", Text, Optional)],
    },
    Message {
        name: "core.v1.GCEPersistentDiskVolumeSource",
        fields: &[
            f(1, "pdName", Text, Required),
            f(2, "fsType", Text, Optional),
            f(3, "partition", Integer, Optional),
            f(4, "readOnly", Bool, Optional),
        ],
    },
    Message {
        name: "core.v1.GRPCAction",
        fields: &[f(1, "port", Integer, Required), f(2, "service", Text, Pointer)],
    },
    Message {
        name: "core.v1.GitRepoVolumeSource",
        fields: &[
            f(1, "repository", Text, Required),
            f(2, "revision", Text, Optional),
            f(3, "directory", Text, Optional),
        ],
    },
    Message {
        name: "core.v1.GlusterfsVolumeSource",
        fields: &[
            f(1, "endpoints", Text, Required),
            f(2, "path", Text, Required),
            f(3, "readOnly", Bool, Optional),
        ],
    },
    Message {
        name: "core.v1.HTTPGetAction",
        fields: &[
            f(1, "path", Text, Optional),
            f(2, "port", IntOrString, Required),
            f(3, "host", Text, Optional),
            f(4, "scheme", Text, Optional),
            f(5, "httpHeaders", M("core.v1.HTTPHeader"), List),
        ],
    },
    Message {
        name: "core.v1.HTTPHeader",
        fields: &[f(1, "name", Text, Required), f(2, "value", Text, Required)],
    },
    Message {
        name: "core.v1.HostAlias",
        fields: &[f(1, "ip", Text, Required), f(2, "hostnames", Text, List)],
    },
    Message { name: "core.v1.HostIP", fields: &[f(1, "ip", Text, Required)] },
    Message {
        name: "core.v1.HostPathVolumeSource",
        fields: &[f(1, "path", Text, Required), f(2, "type", Text, Pointer)],
    },
    Message {
        name: "core.v1.ISCSIVolumeSource",
        fields: &[
            f(1, "targetPortal", Text, Required),
            f(2, "iqn", Text, Required),
            f(3, "lun", Integer, Required),
            f(4, "iscsiInterface", Text, Optional),
            f(5, "fsType", Text, Optional),
            f(6, "readOnly", Bool, Optional),
            f(7, "portals", Text, List),
            f(8, "chapAuthDiscovery", Bool, Optional),
            f(10, "secretRef", M("core.v1.LocalObjectReference"), Pointer),
            f(11, "chapAuthSession", Bool, Optional),
            f(12, "initiatorName", Text, Pointer),
        ],
    },
    Message {
        name: "core.v1.ImageVolumeSource",
        fields: &[f(1, "reference", Text, Optional), f(2, "pullPolicy", Text, Optional)],
    },
    Message { name: "core.v1.ImageVolumeStatus", fields: &[f(1, "imageRef", Text, Optional)] },
    Message {
        name: "core.v1.KeyToPath",
        fields: &[
            f(1, "key", Text, Required),
            f(2, "path", Text, Required),
            f(3, "mode", Integer, Pointer),
        ],
    },
    Message {
        name: "core.v1.Lifecycle",
        fields: &[
            f(1, "postStart", M("core.v1.LifecycleHandler"), Pointer),
            f(2, "preStop", M("core.v1.LifecycleHandler"), Pointer),
            f(3, "stopSignal", Text, Pointer),
        ],
    },
    Message {
        name: "core.v1.LifecycleHandler",
        fields: &[
            f(1, "exec", M("core.v1.ExecAction"), Pointer),
            f(2, "httpGet", M("core.v1.HTTPGetAction"), Pointer),
            f(3, "tcpSocket", M("core.v1.TCPSocketAction"), Pointer),
            f(4, "sleep", M("core.v1.SleepAction"), Pointer),
        ],
    },
    Message {
        name: "core.v1.LinuxContainerUser",
        fields: &[
            f(1, "uid", Integer, Required),
            f(2, "gid", Integer, Required),
            f(3, "supplementalGroups", Integer, List),
        ],
    },
    Message {
        name: "core.v1.LoadBalancerIngress",
        fields: &[
            f(1, "ip", Text, Optional),
            f(2, "hostname", Text, Optional),
            f(3, "ipMode", Text, Pointer),
            f(4, "ports", M("core.v1.PortStatus"), List),
        ],
    },
    Message {
        name: "core.v1.LoadBalancerStatus",
        fields: &[f(1, "ingress", M("core.v1.LoadBalancerIngress"), List)],
    },
    Message { name: "core.v1.LocalObjectReference", fields: &[f(1, "name", Text, Optional)] },
    Message {
        name: "core.v1.ModifyVolumeStatus",
        fields: &[
            f(1, "targetVolumeAttributesClassName", Text, Optional),
            f(2, "status", Text, Required),
        ],
    },
    Message {
        name: "core.v1.NFSVolumeSource",
        fields: &[
            f(1, "server", Text, Required),
            f(2, "path", Text, Required),
            f(3, "readOnly", Bool, Optional),
        ],
    },
    Message {
        name: "core.v1.Namespace",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("core.v1.NamespaceSpec"), Optional),
            f(3, "status", M("core.v1.NamespaceStatus"), Optional),
        ],
    },
    Message {
        name: "core.v1.NamespaceCondition",
        fields: &[
            f(1, "type", Text, Required),
            f(2, "status", Text, Required),
            f(4, "lastTransitionTime", Time, Optional),
            f(5, "reason", Text, Optional),
            f(6, "message", Text, Optional),
        ],
    },
    Message { name: "core.v1.NamespaceSpec", fields: &[f(1, "finalizers", Text, List)] },
    Message {
        name: "core.v1.NamespaceStatus",
        fields: &[
            f(1, "phase", Text, Optional),
            merged(2, "conditions", M("core.v1.NamespaceCondition"), List, Key("type")),
        ],
    },
    Message {
        name: "core.v1.Node",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("core.v1.NodeSpec"), Optional),
            f(3, "status", M("core.v1.NodeStatus"), Optional),
        ],
    },
    Message {
        name: "core.v1.NodeAddress",
        fields: &[f(1, "type", Text, Required), f(2, "address", Text, Required)],
    },
    Message {
        name: "core.v1.NodeAffinity",
        fields: &[
            f(
                1,
                "requiredDuringSchedulingIgnoredDuringExecution",
                M("core.v1.NodeSelector"),
                Pointer,
            ),
            f(
                2,
                "preferredDuringSchedulingIgnoredDuringExecution",
                M("core.v1.PreferredSchedulingTerm"),
                List,
            ),
        ],
    },
    Message {
        name: "core.v1.NodeAllocatableResourceClaimStatus",
        fields: &[
            f(1, "resourceClaimName", Text, Required),
            f(2, "containers", Text, List),
            f(3, "resources", Quantity, Map),
        ],
    },
    Message {
        name: "core.v1.NodeCondition",
        fields: &[
            f(1, "type", Text, Required),
            f(2, "status", Text, Required),
            f(3, "lastHeartbeatTime", Time, Optional),
            f(4, "lastTransitionTime", Time, Optional),
            f(5, "reason", Text, Optional),
            f(6, "message", Text, Optional),
        ],
    },
    Message {
        name: "core.v1.NodeConfigSource",
        fields: &[f(2, "configMap", M("core.v1.ConfigMapNodeConfigSource"), Pointer)],
    },
    Message {
        name: "core.v1.NodeConfigStatus",
        fields: &[
            f(1, "assigned", M("core.v1.NodeConfigSource"), Pointer),
            f(2, "active", M("core.v1.NodeConfigSource"), Pointer),
            f(3, "lastKnownGood", M("core.v1.NodeConfigSource"), Pointer),
            f(4, "error", Text, Optional),
        ],
    },
    Message {
        name: "core.v1.NodeDaemonEndpoints",
        fields: &[f(1, "kubeletEndpoint", M("core.v1.DaemonEndpoint"), Optional)],
    },
    Message {
        name: "core.v1.NodeFeatures",
        fields: &[f(1, "supplementalGroupsPolicy", Bool, Pointer)],
    },
    Message {
        name: "core.v1.NodeRuntimeHandler",
        fields: &[
            f(1, "name", Text, Required),
            f(2, "features", M("core.v1.NodeRuntimeHandlerFeatures"), Pointer),
        ],
    },
    Message {
        name: "core.v1.NodeRuntimeHandlerFeatures",
        fields: &[
            f(1, "recursiveReadOnlyMounts", Bool, Pointer),
            f(2, "userNamespaces", Bool, Pointer),
        ],
    },
    Message {
        name: "core.v1.NodeSelector",
        fields: &[f(1, "nodeSelectorTerms", M("core.v1.NodeSelectorTerm"), List)],
    },
    Message {
        name: "core.v1.NodeSelectorRequirement",
        fields: &[
            f(1, "key", Text, Required),
            f(2, "operator", Text, Required),
            f(3, "values", Text, List),
        ],
    },
    Message {
        name: "core.v1.NodeSelectorTerm",
        fields: &[
            f(1, "matchExpressions", M("core.v1.NodeSelectorRequirement"), List),
            f(2, "matchFields", M("core.v1.NodeSelectorRequirement"), List),
        ],
    },
    Message {
        name: "core.v1.NodeSpec",
        fields: &[
            f(1, "podCIDR", Text, Optional),
            f(2, "externalID", Text, Optional),
            f(3, "providerID", Text, Optional),
            f(4, "unschedulable", Bool, Optional),
            f(5, "taints", M("core.v1.Taint"), List),
            f(6, "configSource", M("core.v1.NodeConfigSource"), Pointer),
            merged(7, "podCIDRs", Text, List, Union),
        ],
    },
    Message {
        name: "core.v1.NodeStatus",
        fields: &[
            f(1, "capacity", Quantity, Map),
            f(2, "allocatable", Quantity, Map),
            f(3, "phase", Text, Optional),
            merged(4, "conditions", M("core.v1.NodeCondition"), List, Key("type")),
            merged(5, "addresses", M("core.v1.NodeAddress"), List, Key("type")),
            f(6, "daemonEndpoints", M("core.v1.NodeDaemonEndpoints"), Optional),
            f(7, "nodeInfo", M("core.v1.NodeSystemInfo"), Optional),
            f(8, "images", M("core.v1.ContainerImage"), List),
            f(9, "volumesInUse", Text, List),
            f(10, "volumesAttached", M("core.v1.AttachedVolume"), List),
            f(11, "config", M("core.v1.NodeConfigStatus"), Pointer),
            f(12, "runtimeHandlers", M("core.v1.NodeRuntimeHandler"), List),
            f(13, "features", M("core.v1.NodeFeatures"), Pointer),
            f(14, "declaredFeatures", Text, List),
        ],
    },
    Message { name: "core.v1.NodeSwapStatus", fields: &[f(1, "capacity", Integer, Pointer)] },
    Message {
        name: "core.v1.NodeSystemInfo",
        fields: &[
            f(1, "machineID", Text, Required),
            f(2, "systemUUID", Text, Required),
            f(3, "bootID", Text, Required),
            f(4, "kernelVersion", Text, Required),
            f(5, "osImage", Text, Required),
            f(6, "containerRuntimeVersion", Text, Required),
            f(7, "kubeletVersion", Text, Required),
            f(8, "kubeProxyVersion", Text, Required),
            f(9, "operatingSystem", Text, Required),
            f(10, "architecture", Text, Required),
            f(11, "swap", M("core.v1.NodeSwapStatus"), Pointer),
        ],
    },
    Message {
        name: "core.v1.ObjectFieldSelector",
        fields: &[f(1, "apiVersion", Text, Optional), f(2, "fieldPath", Text, Required)],
    },
    Message {
        name: "core.v1.ObjectReference",
        fields: &[
            f(1, "kind", Text, Optional),
            f(2, "namespace", Text, Optional),
            f(3, "name", Text, Optional),
            f(4, "uid", Text, Optional),
            f(5, "apiVersion", Text, Optional),
            f(6, "resourceVersion", Text, Optional),
            f(7, "fieldPath", Text, Optional),
        ],
    },
    Message {
        name: "core.v1.PersistentVolumeClaim",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("core.v1.PersistentVolumeClaimSpec"), Optional),
            f(3, "status", M("core.v1.PersistentVolumeClaimStatus"), Optional),
        ],
    },
    Message {
        name: "core.v1.PersistentVolumeClaimCondition",
        fields: &[
            f(1, "type", Text, Required),
            f(2, "status", Text, Required),
            f(3, "lastProbeTime", Time, Optional),
            f(4, "lastTransitionTime", Time, Optional),
            f(5, "reason", Text, Optional),
            f(6, "message", Text, Optional),
        ],
    },
    Message {
        name: "core.v1.PersistentVolumeClaimSpec",
        fields: &[
            f(1, "accessModes", Text, List),
            f(2, "resources", M("core.v1.VolumeResourceRequirements"), Optional),
            f(3, "volumeName", Text, Optional),
            f(4, "selector", M("meta.v1.LabelSelector"), Pointer),
            f(5, "storageClassName", Text, Pointer),
            f(6, "volumeMode", Text, Pointer),
            f(7, "dataSource", M("core.v1.TypedLocalObjectReference"), Pointer),
            f(8, "dataSourceRef", M("core.v1.TypedObjectReference"), Pointer),
            f(9, "volumeAttributesClassName", Text, Pointer),
        ],
    },
    Message {
        name: "core.v1.PersistentVolumeClaimStatus",
        fields: &[
            f(1, "phase", Text, Optional),
            f(2, "accessModes", Text, List),
            f(3, "capacity", Quantity, Map),
            merged(4, "conditions", M("core.v1.PersistentVolumeClaimCondition"), List, Key("type")),
            f(5, "allocatedResources", Quantity, Map),
            f(7, "allocatedResourceStatuses", Text, Map),
            f(8, "currentVolumeAttributesClassName", Text, Pointer),
            f(9, "modifyVolumeStatus", M("core.v1.ModifyVolumeStatus"), Pointer),
        ],
    },
    Message {
        name: "core.v1.PersistentVolumeClaimTemplate",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("core.v1.PersistentVolumeClaimSpec"), Required),
        ],
    },
    Message {
        name: "core.v1.PersistentVolumeClaimVolumeSource",
        fields: &[f(1, "claimName", Text, Required), f(2, "readOnly", Bool, Optional)],
    },
    Message {
        name: "core.v1.PhotonPersistentDiskVolumeSource",
        fields: &[f(1, "pdID", Text, Required), f(2, "fsType", Text, Optional)],
    },
    Message {
        name: "core.v1.Pod",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("core.v1.PodSpec"), Optional),
            f(3, "status", M("core.v1.PodStatus"), Optional),
        ],
    },
    Message {
        name: "core.v1.PodAffinity",
        fields: &[
            f(
                1,
                "requiredDuringSchedulingIgnoredDuringExecution",
                M("core.v1.PodAffinityTerm"),
                List,
            ),
            f(
                2,
                "preferredDuringSchedulingIgnoredDuringExecution",
                M("core.v1.WeightedPodAffinityTerm"),
                List,
            ),
        ],
    },
    Message {
        name: "core.v1.PodAffinityTerm",
        fields: &[
            f(1, "labelSelector", M("meta.v1.LabelSelector"), Pointer),
            f(2, "namespaces", Text, List),
            f(3, "topologyKey", Text, Required),
            f(4, "namespaceSelector", M("meta.v1.LabelSelector"), Pointer),
            f(5, "matchLabelKeys", Text, List),
            f(6, "mismatchLabelKeys", Text, List),
        ],
    },
    Message {
        name: "core.v1.PodAntiAffinity",
        fields: &[
            f(
                1,
                "requiredDuringSchedulingIgnoredDuringExecution",
                M("core.v1.PodAffinityTerm"),
                List,
            ),
            f(
                2,
                "preferredDuringSchedulingIgnoredDuringExecution",
                M("core.v1.WeightedPodAffinityTerm"),
                List,
            ),
        ],
    },
    Message {
        name: "core.v1.PodCertificateProjection",
        fields: &[
            f(1, "signerName", Text, Optional),
            f(2, "keyType", Text, Optional),
            f(3, "maxExpirationSeconds", Integer, Pointer),
            f(4, "credentialBundlePath", Text, Optional),
            f(5, "keyPath", Text, Optional),
            f(6, "certificateChainPath", Text, Optional),
            f(7, "userAnnotations", Text, Map),
        ],
    },
    Message {
        name: "core.v1.PodCondition",
        fields: &[
            f(1, "type", Text, Required),
            f(2, "status", Text, Required),
            f(3, "lastProbeTime", Time, Optional),
            f(4, "lastTransitionTime", Time, Optional),
            f(5, "reason", Text, Optional),
            f(6, "message", Text, Optional),
            f(7, "observedGeneration", Integer, Optional),
        ],
    },
    Message {
        name: "core.v1.PodDNSConfig",
        fields: &[
            f(1, "nameservers", Text, List),
            f(2, "searches", Text, List),
            f(3, "options", M("core.v1.PodDNSConfigOption"), List),
        ],
    },
    Message {
        name: "core.v1.PodDNSConfigOption",
        fields: &[f(1, "name", Text, Optional), f(2, "value", Text, Pointer)],
    },
    Message {
        name: "core.v1.PodExtendedResourceClaimStatus",
        fields: &[
            f(1, "requestMappings", M("core.v1.ContainerExtendedResourceRequest"), List),
            f(2, "resourceClaimName", Text, Required),
        ],
    },
    Message { name: "core.v1.PodIP", fields: &[f(1, "ip", Text, Required)] },
    Message { name: "core.v1.PodOS", fields: &[f(1, "name", Text, Required)] },
    Message { name: "core.v1.PodReadinessGate", fields: &[f(1, "conditionType", Text, Required)] },
    Message {
        name: "core.v1.PodResourceClaim",
        fields: &[
            f(1, "name", Text, Required),
            f(3, "resourceClaimName", Text, Pointer),
            f(4, "resourceClaimTemplateName", Text, Pointer),
        ],
    },
    Message {
        name: "core.v1.PodResourceClaimStatus",
        fields: &[f(1, "name", Text, Required), f(2, "resourceClaimName", Text, Pointer)],
    },
    Message { name: "core.v1.PodSchedulingGate", fields: &[f(1, "name", Text, Required)] },
    Message { name: "core.v1.PodSchedulingGroup", fields: &[f(1, "podGroupName", Text, Pointer)] },
    Message {
        name: "core.v1.PodSecurityContext",
        fields: &[
            f(1, "seLinuxOptions", M("core.v1.SELinuxOptions"), Pointer),
            f(2, "runAsUser", Integer, Pointer),
            f(3, "runAsNonRoot", Bool, Pointer),
            f(4, "supplementalGroups", Integer, List),
            f(5, "fsGroup", Integer, Pointer),
            f(6, "runAsGroup", Integer, Pointer),
            f(7, "sysctls", M("core.v1.Sysctl"), List),
            f(8, "windowsOptions", M("core.v1.WindowsSecurityContextOptions"), Pointer),
            f(9, "fsGroupChangePolicy", Text, Pointer),
            f(10, "seccompProfile", M("core.v1.SeccompProfile"), Pointer),
            f(11, "appArmorProfile", M("core.v1.AppArmorProfile"), Pointer),
            f(12, "supplementalGroupsPolicy", Text, Pointer),
            f(13, "seLinuxChangePolicy", Text, Pointer),
        ],
    },
    Message {
        name: "core.v1.PodSpec",
        fields: &[
            merged(1, "volumes", M("core.v1.Volume"), List, Key("name")),
            merged(2, "containers", M("core.v1.Container"), List, Key("name")),
            f(3, "restartPolicy", Text, Optional),
            f(4, "terminationGracePeriodSeconds", Integer, Pointer),
            f(5, "activeDeadlineSeconds", Integer, Pointer),
            f(6, "dnsPolicy", Text, Optional),
            f(7, "nodeSelector", Text, Map),
            f(8, "serviceAccountName", Text, Optional),
            f(9, "serviceAccount", Text, Optional),
            f(10, "nodeName", Text, Optional),
            f(11, "hostNetwork", Bool, Optional),
            f(12, "hostPID", Bool, Optional),
            f(13, "hostIPC", Bool, Optional),
            f(14, "securityContext", M("core.v1.PodSecurityContext"), Pointer),
            merged(15, "imagePullSecrets", M("core.v1.LocalObjectReference"), List, Key("name")),
            f(16, "hostname", Text, Optional),
            f(17, "subdomain", Text, Optional),
            f(18, "affinity", M("core.v1.Affinity"), Pointer),
            f(19, "schedulerName", Text, Optional),
            merged(20, "initContainers", M("core.v1.Container"), List, Key("name")),
            f(21, "automountServiceAccountToken", Bool, Pointer),
            f(22, "tolerations", M("core.v1.Toleration"), List),
            merged(23, "hostAliases", M("core.v1.HostAlias"), List, Key("ip")),
            f(24, "priorityClassName", Text, Optional),
            f(25, "priority", Integer, Pointer),
            f(26, "dnsConfig", M("core.v1.PodDNSConfig"), Pointer),
            f(27, "shareProcessNamespace", Bool, Pointer),
            f(28, "readinessGates", M("core.v1.PodReadinessGate"), List),
            f(29, "runtimeClassName", Text, Pointer),
            f(30, "enableServiceLinks", Bool, Pointer),
            f(31, "preemptionPolicy", Text, Pointer),
            f(32, "overhead", Quantity, Map),
            merged(
                33,
                "topologySpreadConstraints",
                M("core.v1.TopologySpreadConstraint"),
                List,
                Key("topologyKey"),
            ),
            merged(34, "ephemeralContainers", M("core.v1.EphemeralContainer"), List, Key("name")),
            f(35, "setHostnameAsFQDN", Bool, Pointer),
            f(36, "os", M("core.v1.PodOS"), Pointer),
            f(37, "hostUsers", Bool, Pointer),
            merged(38, "schedulingGates", M("core.v1.PodSchedulingGate"), List, Key("name")),
            merged(39, "resourceClaims", M("core.v1.PodResourceClaim"), List, Key("name")),
            f(40, "resources", M("core.v1.ResourceRequirements"), Pointer),
            f(41, "hostnameOverride", Text, Pointer),
            f(43, "schedulingGroup", M("core.v1.PodSchedulingGroup"), Pointer),
        ],
    },
    Message {
        name: "core.v1.PodStatus",
        fields: &[
            f(1, "phase", Text, Optional),
            merged(2, "conditions", M("core.v1.PodCondition"), List, Key("type")),
            f(3, "message", Text, Optional),
            f(4, "reason", Text, Optional),
            f(5, "hostIP", Text, Optional),
            f(6, "podIP", Text, Optional),
            f(7, "startTime", Time, Pointer),
            f(8, "containerStatuses", M("core.v1.ContainerStatus"), List),
            f(9, "qosClass", Text, Optional),
            f(10, "initContainerStatuses", M("core.v1.ContainerStatus"), List),
            f(11, "nominatedNodeName", Text, Optional),
            merged(12, "podIPs", M("core.v1.PodIP"), List, Key("ip")),
            f(13, "ephemeralContainerStatuses", M("core.v1.ContainerStatus"), List),
            f(14, "resize", Text, Optional),
            merged(
                15,
                "resourceClaimStatuses",
                M("core.v1.PodResourceClaimStatus"),
                List,
                Key("name"),
            ),
            merged(16, "hostIPs", M("core.v1.HostIP"), List, Key("ip")),
            f(17, "observedGeneration", Integer, Optional),
            f(
                18,
                "extendedResourceClaimStatus",
                M("core.v1.PodExtendedResourceClaimStatus"),
                Pointer,
            ),
            f(19, "allocatedResources", Quantity, Map),
            f(20, "resources", M("core.v1.ResourceRequirements"), Pointer),
            f(
                21,
                "nodeAllocatableResourceClaimStatuses",
                M("core.v1.NodeAllocatableResourceClaimStatus"),
                List,
            ),
        ],
    },
    Message {
        name: "core.v1.PodTemplateSpec",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("core.v1.PodSpec"), Optional),
        ],
    },
    Message {
        name: "core.v1.PortStatus",
        fields: &[
            f(1, "port", Integer, Required),
            f(2, "protocol", Text, Required),
            f(3, "error", Text, Pointer),
        ],
    },
    Message {
        name: "core.v1.PortworxVolumeSource",
        fields: &[
            f(1, "volumeID", Text, Required),
            f(2, "fsType", Text, Optional),
            f(3, "readOnly", Bool, Optional),
        ],
    },
    Message {
        name: "core.v1.PreferredSchedulingTerm",
        fields: &[
            f(1, "weight", Integer, Required),
            f(2, "preference", M("core.v1.NodeSelectorTerm"), Required),
        ],
    },
    Message {
        name: "core.v1.Probe",
        fields: &[
            f(1, "", M("core.v1.ProbeHandler"), Inline),
            f(2, "initialDelaySeconds", Integer, Optional),
            f(3, "timeoutSeconds", Integer, Optional),
            f(4, "periodSeconds", Integer, Optional),
            f(5, "successThreshold", Integer, Optional),
            f(6, "failureThreshold", Integer, Optional),
            f(7, "terminationGracePeriodSeconds", Integer, Pointer),
        ],
    },
    Message {
        name: "core.v1.ProbeHandler",
        fields: &[
            f(1, "exec", M("core.v1.ExecAction"), Pointer),
            f(2, "httpGet", M("core.v1.HTTPGetAction"), Pointer),
            f(3, "tcpSocket", M("core.v1.TCPSocketAction"), Pointer),
            f(4, "grpc", M("core.v1.GRPCAction"), Pointer),
        ],
    },
    Message {
        name: "core.v1.ProjectedVolumeSource",
        fields: &[
            f(1, "sources", M("core.v1.VolumeProjection"), List),
            f(2, "defaultMode", Integer, Pointer),
        ],
    },
    Message {
        name: "core.v1.QuobyteVolumeSource",
        fields: &[
            f(1, "registry", Text, Required),
            f(2, "volume", Text, Required),
            f(3, "readOnly", Bool, Optional),
            f(4, "user", Text, Optional),
            f(5, "group", Text, Optional),
            f(6, "tenant", Text, Optional),
        ],
    },
    Message {
        name: "core.v1.RBDVolumeSource",
        fields: &[
            f(1, "monitors", Text, List),
            f(2, "image", Text, Required),
            f(3, "fsType", Text, Optional),
            f(4, "pool", Text, Optional),
            f(5, "user", Text, Optional),
            f(6, "keyring", Text, Optional),
            f(7, "secretRef", M("core.v1.LocalObjectReference"), Pointer),
            f(8, "readOnly", Bool, Optional),
        ],
    },
    Message {
        name: "core.v1.ResourceClaim",
        fields: &[f(1, "name", Text, Required), f(2, "request", Text, Optional)],
    },
    Message {
        name: "core.v1.ResourceFieldSelector",
        fields: &[
            f(1, "containerName", Text, Optional),
            f(2, "resource", Text, Required),
            f(3, "divisor", Quantity, Optional),
        ],
    },
    Message {
        name: "core.v1.ResourceHealth",
        fields: &[
            f(1, "resourceID", Text, Required),
            f(2, "health", Text, Optional),
            f(6, "message", Text, Pointer),
        ],
    },
    Message {
        name: "core.v1.ResourceQuota",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("core.v1.ResourceQuotaSpec"), Optional),
            f(3, "status", M("core.v1.ResourceQuotaStatus"), Optional),
        ],
    },
    Message {
        name: "core.v1.ResourceQuotaSpec",
        fields: &[
            f(1, "hard", Quantity, Map),
            f(2, "scopes", Text, List),
            f(3, "scopeSelector", M("core.v1.ScopeSelector"), Pointer),
        ],
    },
    Message {
        name: "core.v1.ResourceQuotaStatus",
        fields: &[f(1, "hard", Quantity, Map), f(2, "used", Quantity, Map)],
    },
    Message {
        name: "core.v1.ResourceRequirements",
        fields: &[
            f(1, "limits", Quantity, Map),
            f(2, "requests", Quantity, Map),
            f(3, "claims", M("core.v1.ResourceClaim"), List),
        ],
    },
    Message {
        name: "core.v1.ResourceStatus",
        fields: &[
            f(1, "name", Text, Required),
            f(2, "resources", M("core.v1.ResourceHealth"), List),
        ],
    },
    Message {
        name: "core.v1.SELinuxOptions",
        fields: &[
            f(1, "user", Text, Optional),
            f(2, "role", Text, Optional),
            f(3, "type", Text, Optional),
            f(4, "level", Text, Optional),
        ],
    },
    Message {
        name: "core.v1.ScaleIOVolumeSource",
        fields: &[
            f(1, "gateway", Text, Required),
            f(2, "system", Text, Required),
            f(3, "secretRef", M("core.v1.LocalObjectReference"), Pointer),
            f(4, "sslEnabled", Bool, Optional),
            f(5, "protectionDomain", Text, Optional),
            f(6, "storagePool", Text, Optional),
            f(7, "storageMode", Text, Optional),
            f(8, "volumeName", Text, Optional),
            f(9, "fsType", Text, Optional),
            f(10, "readOnly", Bool, Optional),
        ],
    },
    Message {
        name: "core.v1.ScopeSelector",
        fields: &[f(1, "matchExpressions", M("core.v1.ScopedResourceSelectorRequirement"), List)],
    },
    Message {
        name: "core.v1.ScopedResourceSelectorRequirement",
        fields: &[
            f(1, "scopeName", Text, Required),
            f(2, "operator", Text, Required),
            f(3, "values", Text, List),
        ],
    },
    Message {
        name: "core.v1.SeccompProfile",
        fields: &[f(1, "type", Text, Required), f(2, "localhostProfile", Text, Pointer)],
    },
    Message {
        name: "core.v1.Secret",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "data", Bytes, Map),
            f(3, "type", Text, Optional),
            f(4, "stringData", Text, Map),
            f(5, "immutable", Bool, Pointer),
        ],
    },
    Message {
        name: "core.v1.SecretEnvSource",
        fields: &[
            f(1, "", M("core.v1.LocalObjectReference"), Inline),
            f(2, "optional", Bool, Pointer),
        ],
    },
    Message {
        name: "core.v1.SecretKeySelector",
        fields: &[
            f(1, "", M("core.v1.LocalObjectReference"), Inline),
            f(2, "key", Text, Required),
            f(3, "optional", Bool, Pointer),
        ],
    },
    Message {
        name: "core.v1.SecretProjection",
        fields: &[
            f(1, "", M("core.v1.LocalObjectReference"), Inline),
            f(2, "items", M("core.v1.KeyToPath"), List),
            f(4, "optional", Bool, Pointer),
        ],
    },
    Message {
        name: "core.v1.SecretVolumeSource",
        fields: &[
            f(1, "secretName", Text, Optional),
            f(2, "items", M("core.v1.KeyToPath"), List),
            f(3, "defaultMode", Integer, Pointer),
            f(4, "optional", Bool, Pointer),
        ],
    },
    Message {
        name: "core.v1.SecurityContext",
        fields: &[
            f(1, "capabilities", M("core.v1.Capabilities"), Pointer),
            f(2, "privileged", Bool, Pointer),
            f(3, "seLinuxOptions", M("core.v1.SELinuxOptions"), Pointer),
            f(4, "runAsUser", Integer, Pointer),
            f(5, "runAsNonRoot", Bool, Pointer),
            f(6, "readOnlyRootFilesystem", Bool, Pointer),
            f(7, "allowPrivilegeEscalation", Bool, Pointer),
            f(8, "runAsGroup", Integer, Pointer),
            f(9, "procMount", Text, Pointer),
            f(10, "windowsOptions", M("core.v1.WindowsSecurityContextOptions"), Pointer),
            f(11, "seccompProfile", M("core.v1.SeccompProfile"), Pointer),
            f(12, "appArmorProfile", M("core.v1.AppArmorProfile"), Pointer),
        ],
    },
    Message {
        name: "core.v1.Service",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "spec", M("core.v1.ServiceSpec"), Optional),
            f(3, "status", M("core.v1.ServiceStatus"), Optional),
        ],
    },
    Message {
        name: "core.v1.ServiceAccount",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            merged(2, "secrets", M("core.v1.ObjectReference"), List, Key("name")),
            f(3, "imagePullSecrets", M("core.v1.LocalObjectReference"), List),
            f(4, "automountServiceAccountToken", Bool, Pointer),
        ],
    },
    Message {
        name: "core.v1.ServiceAccountTokenProjection",
        fields: &[
            f(1, "audience", Text, Optional),
            f(2, "expirationSeconds", Integer, Pointer),
            f(3, "path", Text, Required),
        ],
    },
    Message {
        name: "core.v1.ServicePort",
        fields: &[
            f(1, "name", Text, Optional),
            f(2, "protocol", Text, Optional),
            f(3, "port", Integer, Required),
            f(4, "targetPort", IntOrString, Optional),
            f(5, "nodePort", Integer, Optional),
            f(6, "appProtocol", Text, Pointer),
        ],
    },
    Message {
        name: "core.v1.ServiceSpec",
        fields: &[
            merged(1, "ports", M("core.v1.ServicePort"), List, Key("port")),
            f(2, "selector", Text, Map),
            f(3, "clusterIP", Text, Optional),
            f(4, "type", Text, Optional),
            f(5, "externalIPs", Text, List),
            f(7, "sessionAffinity", Text, Optional),
            f(8, "loadBalancerIP", Text, Optional),
            f(9, "loadBalancerSourceRanges", Text, List),
            f(10, "externalName", Text, Optional),
            f(11, "externalTrafficPolicy", Text, Optional),
            f(12, "healthCheckNodePort", Integer, Optional),
            f(13, "publishNotReadyAddresses", Bool, Optional),
            f(14, "sessionAffinityConfig", M("core.v1.SessionAffinityConfig"), Pointer),
            f(17, "ipFamilyPolicy", Text, Pointer),
            f(18, "clusterIPs", Text, List),
            f(19, "ipFamilies", Text, List),
            f(20, "allocateLoadBalancerNodePorts", Bool, Pointer),
            f(21, "loadBalancerClass", Text, Pointer),
            f(22, "internalTrafficPolicy", Text, Pointer),
            f(23, "trafficDistribution", Text, Pointer),
        ],
    },
    Message {
        name: "core.v1.ServiceStatus",
        fields: &[
            f(1, "loadBalancer", M("core.v1.LoadBalancerStatus"), Optional),
            merged(2, "conditions", M("meta.v1.Condition"), List, Key("type")),
        ],
    },
    Message {
        name: "core.v1.SessionAffinityConfig",
        fields: &[f(1, "clientIP", M("core.v1.ClientIPConfig"), Pointer)],
    },
    Message { name: "core.v1.SleepAction", fields: &[f(1, "seconds", Integer, Required)] },
    Message {
        name: "core.v1.StorageOSVolumeSource",
        fields: &[
            f(1, "volumeName", Text, Optional),
            f(2, "volumeNamespace", Text, Optional),
            f(3, "fsType", Text, Optional),
            f(4, "readOnly", Bool, Optional),
            f(5, "secretRef", M("core.v1.LocalObjectReference"), Pointer),
        ],
    },
    Message {
        name: "core.v1.Sysctl",
        fields: &[f(1, "name", Text, Required), f(2, "value", Text, Required)],
    },
    Message {
        name: "core.v1.TCPSocketAction",
        fields: &[f(1, "port", IntOrString, Required), f(2, "host", Text, Optional)],
    },
    Message {
        name: "core.v1.Taint",
        fields: &[
            f(1, "key", Text, Required),
            f(2, "value", Text, Optional),
            f(3, "effect", Text, Required),
            f(4, "timeAdded", Time, Pointer),
        ],
    },
    Message {
        name: "core.v1.Toleration",
        fields: &[
            f(1, "key", Text, Optional),
            f(2, "operator", Text, Optional),
            f(3, "value", Text, Optional),
            f(4, "effect", Text, Optional),
            f(5, "tolerationSeconds", Integer, Pointer),
        ],
    },
    Message {
        name: "core.v1.TopologySpreadConstraint",
        fields: &[
            f(1, "maxSkew", Integer, Required),
            f(2, "topologyKey", Text, Required),
            f(3, "whenUnsatisfiable", Text, Required),
            f(4, "labelSelector", M("meta.v1.LabelSelector"), Pointer),
            f(5, "minDomains", Integer, Pointer),
            f(6, "nodeAffinityPolicy", Text, Pointer),
            f(7, "nodeTaintsPolicy", Text, Pointer),
            f(8, "matchLabelKeys", Text, List),
        ],
    },
    Message {
        name: "core.v1.TypedLocalObjectReference",
        fields: &[
            f(1, "apiGroup", Text, Pointer),
            f(2, "kind", Text, Required),
            f(3, "name", Text, Required),
        ],
    },
    Message {
        name: "core.v1.TypedObjectReference",
        fields: &[
            f(1, "apiGroup", Text, Pointer),
            f(2, "kind", Text, Required),
            f(3, "name", Text, Required),
            f(4, "namespace", Text, Pointer),
        ],
    },
    Message {
        name: "core.v1.Volume",
        fields: &[f(1, "name", Text, Required), f(2, "", M("core.v1.VolumeSource"), Inline)],
    },
    Message {
        name: "core.v1.VolumeDevice",
        fields: &[f(1, "name", Text, Required), f(2, "devicePath", Text, Required)],
    },
    Message {
        name: "core.v1.VolumeMount",
        fields: &[
            f(1, "name", Text, Required),
            f(2, "readOnly", Bool, Optional),
            f(3, "mountPath", Text, Required),
            f(4, "subPath", Text, Optional),
            f(5, "mountPropagation", Text, Pointer),
            f(6, "subPathExpr", Text, Optional),
            f(7, "recursiveReadOnly", Text, Pointer),
        ],
    },
    Message {
        name: "core.v1.VolumeMountStatus",
        fields: &[
            f(1, "name", Text, Required),
            f(2, "mountPath", Text, Required),
            f(3, "readOnly", Bool, Optional),
            f(4, "recursiveReadOnly", Text, Pointer),
            f(5, "volumeStatus", M("core.v1.VolumeStatus"), Pointer),
        ],
    },
    Message {
        name: "core.v1.VolumeProjection",
        fields: &[
            f(1, "secret", M("core.v1.SecretProjection"), Pointer),
            f(2, "downwardAPI", M("core.v1.DownwardAPIProjection"), Pointer),
            f(3, "configMap", M("core.v1.ConfigMapProjection"), Pointer),
            f(4, "serviceAccountToken", M("core.v1.ServiceAccountTokenProjection"), Pointer),
            f(5, "clusterTrustBundle", M("core.v1.ClusterTrustBundleProjection"), Pointer),
            f(6, "podCertificate", M("core.v1.PodCertificateProjection"), Pointer),
        ],
    },
    Message {
        name: "core.v1.VolumeResourceRequirements",
        fields: &[f(1, "limits", Quantity, Map), f(2, "requests", Quantity, Map)],
    },
    Message {
        name: "core.v1.VolumeSource",
        fields: &[
            f(1, "hostPath", M("core.v1.HostPathVolumeSource"), Pointer),
            f(2, "emptyDir", M("core.v1.EmptyDirVolumeSource"), Pointer),
            f(3, "gcePersistentDisk", M("core.v1.GCEPersistentDiskVolumeSource"), Pointer),
            f(4, "awsElasticBlockStore", M("core.v1.AWSElasticBlockStoreVolumeSource"), Pointer),
            f(5, "gitRepo", M("core.v1.GitRepoVolumeSource"), Pointer),
            f(6, "secret", M("core.v1.SecretVolumeSource"), Pointer),
            f(7, "nfs", M("core.v1.NFSVolumeSource"), Pointer),
            f(8, "iscsi", M("core.v1.ISCSIVolumeSource"), Pointer),
            f(9, "glusterfs", M("core.v1.GlusterfsVolumeSource"), Pointer),
            f(10, "persistentVolumeClaim", M("core.v1.PersistentVolumeClaimVolumeSource"), Pointer),
            f(11, "rbd", M("core.v1.RBDVolumeSource"), Pointer),
            f(12, "flexVolume", M("core.v1.FlexVolumeSource"), Pointer),
            f(13, "cinder", M("core.v1.CinderVolumeSource"), Pointer),
            f(14, "cephfs", M("core.v1.CephFSVolumeSource"), Pointer),
            f(15, "flocker", M("core.v1.FlockerVolumeSource"), Pointer),
            f(16, "downwardAPI", M("core.v1.DownwardAPIVolumeSource"), Pointer),
            f(17, "fc", M("core.v1.FCVolumeSource"), Pointer),
            f(18, "azureFile", M("core.v1.AzureFileVolumeSource"), Pointer),
            f(19, "configMap", M("core.v1.ConfigMapVolumeSource"), Pointer),
            f(20, "vsphereVolume", M("core.v1.VsphereVirtualDiskVolumeSource"), Pointer),
            f(21, "quobyte", M("core.v1.QuobyteVolumeSource"), Pointer),
            f(22, "azureDisk", M("core.v1.AzureDiskVolumeSource"), Pointer),
            f(23, "photonPersistentDisk", M("core.v1.PhotonPersistentDiskVolumeSource"), Pointer),
            f(24, "portworxVolume", M("core.v1.PortworxVolumeSource"), Pointer),
            f(25, "scaleIO", M("core.v1.ScaleIOVolumeSource"), Pointer),
            f(26, "projected", M("core.v1.ProjectedVolumeSource"), Pointer),
            f(27, "storageos", M("core.v1.StorageOSVolumeSource"), Pointer),
            f(28, "csi", M("core.v1.CSIVolumeSource"), Pointer),
            f(29, "ephemeral", M("core.v1.EphemeralVolumeSource"), Pointer),
            f(30, "image", M("core.v1.ImageVolumeSource"), Pointer),
        ],
    },
    Message {
        name: "core.v1.VolumeStatus",
        fields: &[f(1, "image", M("core.v1.ImageVolumeStatus"), Pointer)],
    },
    Message {
        name: "core.v1.VsphereVirtualDiskVolumeSource",
        fields: &[
            f(1, "volumePath", Text, Required),
            f(2, "fsType", Text, Optional),
            f(3, "storagePolicyName", Text, Optional),
            f(4, "storagePolicyID", Text, Optional),
        ],
    },
    Message {
        name: "core.v1.WeightedPodAffinityTerm",
        fields: &[
            f(1, "weight", Integer, Required),
            f(2, "podAffinityTerm", M("core.v1.PodAffinityTerm"), Required),
        ],
    },
    Message {
        name: "core.v1.WindowsSecurityContextOptions",
        fields: &[
            f(1, "gmsaCredentialSpecName", Text, Pointer),
            f(2, "gmsaCredentialSpec", Text, Pointer),
            f(3, "runAsUserName", Text, Pointer),
            f(4, "hostProcess", Bool, Pointer),
        ],
    },
    Message {
        name: "events.v1.Event",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Required),
            f(2, "eventTime", MicroTime, Required),
            f(3, "series", M("events.v1.EventSeries"), Pointer),
            f(4, "reportingController", Text, Optional),
            f(5, "reportingInstance", Text, Optional),
            f(6, "action", Text, Optional),
            f(7, "reason", Text, Optional),
            f(8, "regarding", M("core.v1.ObjectReference"), Optional),
            f(9, "related", M("core.v1.ObjectReference"), Pointer),
            f(10, "note", Text, Optional),
            f(11, "type", Text, Optional),
            f(12, "deprecatedSource", M("core.v1.EventSource"), Optional),
            f(13, "deprecatedFirstTimestamp", Time, Optional),
            f(14, "deprecatedLastTimestamp", Time, Optional),
            f(15, "deprecatedCount", Integer, Optional),
        ],
    },
    Message {
        name: "events.v1.EventSeries",
        fields: &[f(1, "count", Integer, Required), f(2, "lastObservedTime", MicroTime, Required)],
    },
    Message {
        name: "meta.v1.Condition",
        fields: &[
            f(1, "type", Text, Required),
            f(2, "status", Text, Required),
            f(3, "observedGeneration", Integer, Optional),
            f(4, "lastTransitionTime", Time, Required),
            f(5, "reason", Text, Required),
            f(6, "message", Text, Required),
        ],
    },
    Message {
        name: "meta.v1.DeleteOptions",
        fields: &[
            f(1, "gracePeriodSeconds", Integer, Pointer),
            f(2, "preconditions", M("meta.v1.Preconditions"), Pointer),
            f(3, "orphanDependents", Bool, Pointer),
            f(4, "propagationPolicy", Text, Pointer),
            f(5, "dryRun", Text, List),
            f(6, "ignoreStoreReadErrorWithClusterBreakingPotential", Bool, Pointer),
        ],
    },
    Message {
        name: "meta.v1.FieldSelectorRequirement",
        fields: &[
            f(1, "key", Text, Required),
            f(2, "operator", Text, Required),
            f(3, "values", Text, List),
        ],
    },
    Message {
        name: "meta.v1.LabelSelector",
        fields: &[
            f(1, "matchLabels", Text, Map),
            f(2, "matchExpressions", M("meta.v1.LabelSelectorRequirement"), List),
        ],
    },
    Message {
        name: "meta.v1.LabelSelectorRequirement",
        fields: &[
            f(1, "key", Text, Required),
            f(2, "operator", Text, Required),
            f(3, "values", Text, List),
        ],
    },
    Message {
        name: "meta.v1.ManagedFieldsEntry",
        fields: &[
            f(1, "manager", Text, Optional),
            f(2, "operation", Text, Optional),
            f(3, "apiVersion", Text, Optional),
            f(4, "time", Time, Pointer),
            f(6, "fieldsType", Text, Optional),
            f(7, "fieldsV1", RawJson, Pointer),
            f(8, "subresource", Text, Optional),
        ],
    },
    Message {
        name: "meta.v1.ObjectMeta",
        fields: &[
            f(1, "name", Text, Optional),
            f(2, "generateName", Text, Optional),
            f(3, "namespace", Text, Optional),
            f(4, "selfLink", Text, Optional),
            f(5, "uid", Text, Optional),
            f(6, "resourceVersion", Text, Optional),
            f(7, "generation", Integer, Optional),
            f(8, "creationTimestamp", Time, Optional),
            f(9, "deletionTimestamp", Time, Pointer),
            f(10, "deletionGracePeriodSeconds", Integer, Pointer),
            f(11, "labels", Text, Map),
            f(12, "annotations", Text, Map),
            merged(13, "ownerReferences", M("meta.v1.OwnerReference"), List, Key("uid")),
            merged(14, "finalizers", Text, List, Union),
            f(17, "managedFields", M("meta.v1.ManagedFieldsEntry"), List),
        ],
    },
    Message {
        name: "meta.v1.OwnerReference",
        fields: &[
            f(1, "kind", Text, Required),
            f(3, "name", Text, Required),
            f(4, "uid", Text, Required),
            f(5, "apiVersion", Text, Required),
            f(6, "controller", Bool, Pointer),
            f(7, "blockOwnerDeletion", Bool, Pointer),
        ],
    },
    Message {
        name: "meta.v1.Preconditions",
        fields: &[f(1, "uid", Text, Pointer), f(2, "resourceVersion", Text, Pointer)],
    },
    Message {
        name: "policy.v1.Eviction",
        fields: &[
            f(1, "metadata", M("meta.v1.ObjectMeta"), Optional),
            f(2, "deleteOptions", M("meta.v1.DeleteOptions"), Pointer),
        ],
    },
];
