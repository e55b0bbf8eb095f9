//! The one list of what a manifest's fields mean here. What it does not name is refused.

use serde_json::Value;

use super::defaults;
use probelet_domain::spec::SpecError;

pub(super) const NOT_YET: &str = "not supported yet";
/// Of what makes the kubelet evict a pod some time after it was exceeded.
pub(super) const NOT_MEASURED: &str =
    "not enforced: what a container writes beside its volumes is not measured here";

#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// Has its effect, with all below it; its value is judged where it is converted.
    Honoured,
    /// Has no effect here, and that is said.
    Warned(&'static str),
    /// As [`Rule::Warned`], but for Kubernetes' default, which asks for nothing.
    WarnedBut(&'static str, &'static str),
    /// These values state what holds here anyway; any other is refused.
    Only(&'static [&'static str]),
    Refused(&'static str),
}

use Rule::{Honoured, Only, Refused, Warned, WarnedBut};

pub(super) const SERVER: &str = "made by the server";
const SCHEDULER: &str = "there is no scheduler here";
const ACCOUNTS: &str = "there are no service accounts here";
const NAMES_ONLY: &str = "there are no service accounts here, it is only a name";

/// `[]` is any index, `<probe>` each of the three probes, `containers` the init ones too.
#[rustfmt::skip]
pub(super) const TABLE: &[(&str, Rule)] = &[
    ("apiVersion", Honoured),
    ("kind", Honoured),
    ("metadata.name", Honoured),
    ("metadata.namespace", Honoured),
    ("metadata.labels", Honoured),
    ("metadata.annotations", Honoured),
    ("metadata.uid", Warned(SERVER)),
    ("metadata.creationTimestamp", Warned(SERVER)),
    ("metadata.deletionTimestamp", Warned(SERVER)),
    ("metadata.deletionGracePeriodSeconds", Warned(SERVER)),
    ("metadata.generation", Warned(SERVER)),
    ("metadata.managedFields", Warned(SERVER)),
    ("metadata.resourceVersion", Warned(SERVER)),
    ("metadata.selfLink", Warned(SERVER)),
    ("metadata.ownerReferences", Warned("pods have no owners here")),
    ("metadata.finalizers", Refused(NOT_YET)),
    ("metadata.generateName", Refused(NOT_YET)),
    ("status", Warned(SERVER)),
    // Of ConfigMaps and Secrets; a pod has none of them.
    ("data", Honoured),
    ("binaryData", Honoured),
    ("stringData", Honoured),
    ("immutable", Warned("the object itself is not kept")),
    ("type", Honoured),

    ("spec.restartPolicy", Honoured),
    ("spec.terminationGracePeriodSeconds", Honoured),
    ("spec.activeDeadlineSeconds", Honoured),
    ("spec.hostname", Honoured),
    ("spec.imagePullSecrets[].name", Honoured),
    ("spec.nodeName", Warned(SCHEDULER)),
    ("spec.nodeSelector", Warned(SCHEDULER)),
    ("spec.affinity", Warned(SCHEDULER)),
    ("spec.tolerations", Warned(SCHEDULER)),
    ("spec.schedulerName", WarnedBut(defaults::SCHEDULER, SCHEDULER)),
    ("spec.schedulingGroup", Warned(SCHEDULER)),
    ("spec.topologySpreadConstraints", Warned(SCHEDULER)),
    ("spec.priority", WarnedBut("0", SCHEDULER)),
    ("spec.priorityClassName", Warned(SCHEDULER)),
    ("spec.preemptionPolicy", WarnedBut("PreemptLowerPriority", SCHEDULER)),
    ("spec.serviceAccount", Warned(NAMES_ONLY)),
    ("spec.serviceAccountName", Warned(NAMES_ONLY)),
    ("spec.automountServiceAccountToken", Warned(ACCOUNTS)),
    ("spec.enableServiceLinks", WarnedBut(defaults::SERVICE_LINKS, "there are no services here")),
    ("spec.os.name", Only(&["linux"])),
    ("spec.dnsPolicy", Honoured),
    ("spec.dnsConfig", Honoured),
    ("spec.hostAliases", Honoured),
    ("spec.hostIPC", Honoured),
    ("spec.hostNetwork", Honoured),
    ("spec.hostPID", Honoured),
    ("spec.hostUsers", Only(&["true"])),
    ("spec.setHostnameAsFQDN", Honoured),
    ("spec.subdomain", Honoured),
    ("spec.securityContext.appArmorProfile", Honoured),
    ("spec.securityContext.fsGroup", Honoured),
    ("spec.securityContext.fsGroupChangePolicy", Honoured),
    ("spec.securityContext.runAsGroup", Honoured),
    ("spec.securityContext.runAsNonRoot", Honoured),
    ("spec.securityContext.runAsUser", Honoured),
    ("spec.securityContext.seccompProfile", Honoured),
    ("spec.securityContext.supplementalGroups", Honoured),
    ("spec.securityContext.supplementalGroupsPolicy", Honoured),
    ("spec.securityContext.sysctls", Honoured),
    ("spec.securityContext.seLinuxChangePolicy", Refused(NOT_YET)),
    ("spec.securityContext.seLinuxOptions", Refused(NOT_YET)),
    ("spec.securityContext.windowsOptions", Refused(NOT_YET)),
    ("spec.shareProcessNamespace", Honoured),
    ("spec.ephemeralContainers", Refused(NOT_YET)),
    ("spec.hostnameOverride", Refused(NOT_YET)),
    ("spec.overhead", Refused(NOT_YET)),
    ("spec.readinessGates[].conditionType", Honoured),
    ("spec.resourceClaims", Refused(NOT_YET)),
    ("spec.resources", Refused(NOT_YET)),
    ("spec.runtimeClassName", Refused(NOT_YET)),
    ("spec.schedulingGates", Refused(NOT_YET)),
    ("spec.volumes[].name", Honoured),
    ("spec.volumes[].configMap", Honoured),
    ("spec.volumes[].downwardAPI.defaultMode", Honoured),
    ("spec.volumes[].downwardAPI.items[].fieldRef.apiVersion", Only(&["v1"])),
    ("spec.volumes[].downwardAPI.items[].fieldRef.fieldPath", Honoured),
    ("spec.volumes[].downwardAPI.items[].mode", Honoured),
    ("spec.volumes[].downwardAPI.items[].path", Honoured),
    ("spec.volumes[].downwardAPI.items[].resourceFieldRef", Honoured),
    ("spec.volumes[].emptyDir", Honoured),
    ("spec.volumes[].hostPath", Honoured),
    ("spec.volumes[].image", Honoured),
    ("spec.volumes[].projected.defaultMode", Honoured),
    ("spec.volumes[].projected.sources[].clusterTrustBundle", Refused(NOT_YET)),
    ("spec.volumes[].projected.sources[].configMap", Honoured),
    ("spec.volumes[].projected.sources[].downwardAPI.items[].fieldRef.apiVersion", Only(&["v1"])),
    ("spec.volumes[].projected.sources[].downwardAPI.items[].fieldRef.fieldPath", Honoured),
    ("spec.volumes[].projected.sources[].downwardAPI.items[].mode", Honoured),
    ("spec.volumes[].projected.sources[].downwardAPI.items[].path", Honoured),
    ("spec.volumes[].projected.sources[].downwardAPI.items[].resourceFieldRef", Honoured),
    ("spec.volumes[].projected.sources[].podCertificate", Refused(NOT_YET)),
    ("spec.volumes[].projected.sources[].secret", Honoured),
    ("spec.volumes[].projected.sources[].serviceAccountToken", Refused(ACCOUNTS)),
    ("spec.volumes[].secret", Honoured),
    ("spec.volumes[].awsElasticBlockStore", Refused(NOT_YET)),
    ("spec.volumes[].azureDisk", Refused(NOT_YET)),
    ("spec.volumes[].azureFile", Refused(NOT_YET)),
    ("spec.volumes[].cephfs", Refused(NOT_YET)),
    ("spec.volumes[].cinder", Refused(NOT_YET)),
    ("spec.volumes[].csi", Refused(NOT_YET)),
    ("spec.volumes[].ephemeral", Refused(NOT_YET)),
    ("spec.volumes[].fc", Refused(NOT_YET)),
    ("spec.volumes[].flexVolume", Refused(NOT_YET)),
    ("spec.volumes[].flocker", Refused(NOT_YET)),
    ("spec.volumes[].gcePersistentDisk", Refused(NOT_YET)),
    ("spec.volumes[].gitRepo", Refused(NOT_YET)),
    ("spec.volumes[].glusterfs", Refused(NOT_YET)),
    ("spec.volumes[].iscsi", Refused(NOT_YET)),
    ("spec.volumes[].nfs", Refused(NOT_YET)),
    ("spec.volumes[].persistentVolumeClaim", Refused(NOT_YET)),
    ("spec.volumes[].photonPersistentDisk", Refused(NOT_YET)),
    ("spec.volumes[].portworxVolume", Refused(NOT_YET)),
    ("spec.volumes[].quobyte", Refused(NOT_YET)),
    ("spec.volumes[].rbd", Refused(NOT_YET)),
    ("spec.volumes[].scaleIO", Refused(NOT_YET)),
    ("spec.volumes[].storageos", Refused(NOT_YET)),
    ("spec.volumes[].vsphereVolume", Refused(NOT_YET)),

    ("spec.containers[].name", Honoured),
    ("spec.containers[].image", Honoured),
    ("spec.containers[].imagePullPolicy", Honoured),
    ("spec.containers[].command", Honoured),
    ("spec.containers[].args", Honoured),
    ("spec.containers[].env[].name", Honoured),
    ("spec.containers[].env[].value", Honoured),
    ("spec.containers[].env[].valueFrom.configMapKeyRef", Honoured),
    ("spec.containers[].env[].valueFrom.fieldRef.apiVersion", Only(&["v1"])),
    ("spec.containers[].env[].valueFrom.fieldRef.fieldPath", Honoured),
    ("spec.containers[].env[].valueFrom.fileKeyRef", Refused(NOT_YET)),
    ("spec.containers[].env[].valueFrom.resourceFieldRef", Honoured),
    ("spec.containers[].env[].valueFrom.secretKeyRef", Honoured),
    ("spec.containers[].envFrom", Honoured),
    ("spec.containers[].workingDir", Honoured),
    ("spec.containers[].ports[].name", Honoured),
    ("spec.containers[].ports[].containerPort", Honoured),
    ("spec.containers[].ports[].protocol", Honoured),
    ("spec.containers[].restartPolicy", Honoured),
    ("spec.containers[].restartPolicyRules", Honoured),
    ("spec.containers[].lifecycle", Honoured),
    ("spec.containers[].ports[].hostIP", Honoured),
    ("spec.containers[].ports[].hostPort", Honoured),
    ("spec.containers[].resizePolicy", Refused(NOT_YET)),
    ("spec.containers[].volumeDevices", Refused(NOT_YET)),
    ("spec.containers[].volumeMounts", Honoured),
    ("spec.containers[].stdin", Only(&["false"])),
    ("spec.containers[].stdinOnce", Only(&["false"])),
    ("spec.containers[].tty", Only(&["false"])),
    ("spec.containers[].terminationMessagePath", Honoured),
    ("spec.containers[].terminationMessagePolicy", Honoured),
    ("spec.containers[].resources.limits", Honoured),
    ("spec.containers[].resources.requests", Honoured),
    ("spec.containers[].resources.claims", Refused(NOT_YET)),
    ("spec.containers[].securityContext.allowPrivilegeEscalation", Honoured),
    ("spec.containers[].securityContext.appArmorProfile", Honoured),
    ("spec.containers[].securityContext.capabilities", Honoured),
    ("spec.containers[].securityContext.privileged", Honoured),
    ("spec.containers[].securityContext.procMount", Honoured),
    ("spec.containers[].securityContext.readOnlyRootFilesystem", Honoured),
    ("spec.containers[].securityContext.runAsGroup", Honoured),
    ("spec.containers[].securityContext.runAsNonRoot", Honoured),
    ("spec.containers[].securityContext.runAsUser", Honoured),
    ("spec.containers[].securityContext.seccompProfile", Honoured),
    ("spec.containers[].securityContext.seLinuxOptions", Refused(NOT_YET)),
    ("spec.containers[].securityContext.windowsOptions", Refused(NOT_YET)),

    ("spec.containers[].<probe>.exec.command", Honoured),
    ("spec.containers[].<probe>.grpc.port", Honoured),
    ("spec.containers[].<probe>.grpc.service", Honoured),
    ("spec.containers[].<probe>.httpGet.host", Honoured),
    ("spec.containers[].<probe>.httpGet.httpHeaders", Honoured),
    ("spec.containers[].<probe>.httpGet.path", Honoured),
    ("spec.containers[].<probe>.httpGet.port", Honoured),
    ("spec.containers[].<probe>.httpGet.scheme", Honoured),
    ("spec.containers[].<probe>.tcpSocket.host", Honoured),
    ("spec.containers[].<probe>.tcpSocket.port", Honoured),
    ("spec.containers[].<probe>.initialDelaySeconds", Honoured),
    ("spec.containers[].<probe>.timeoutSeconds", Honoured),
    ("spec.containers[].<probe>.periodSeconds", Honoured),
    ("spec.containers[].<probe>.successThreshold", Honoured),
    ("spec.containers[].<probe>.failureThreshold", Honoured),
    ("spec.containers[].<probe>.terminationGracePeriodSeconds", Honoured),
];

#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) refused: Vec<SpecError>,
    pub(super) warnings: Vec<String>,
}

/// Visits every field that is set. `null` and, away from the list, an empty list or mapping set
/// nothing: `kubectl get -o yaml` is full of `resources: {}`.
pub(super) fn walk(manifest: &Value) -> Walked {
    walk_by(TABLE, manifest)
}

pub(super) fn walk_by(table: &[(&str, Rule)], manifest: &Value) -> Walked {
    let mut walked = Walked::default();
    visit(table, manifest, ("", ""), &mut walked);
    walked
}

fn visit(table: &[(&str, Rule)], value: &Value, (path, pattern): (&str, &str), out: &mut Walked) {
    match rule_of(table, pattern) {
        _ if is_unset(value) => {}
        Some(Honoured) => {}
        Some(Warned(why)) => out.warnings.push(format!("{path}: ignored: {why}")),
        Some(WarnedBut(default, _)) if is_one_of(value, &[default]) => {}
        Some(WarnedBut(_, why)) => out.warnings.push(format!("{path}: ignored: {why}")),
        Some(Only(values)) if is_one_of(value, values) => {}
        Some(Refused(why)) => out.refused.push(SpecError::new(path, why)),
        None if leads_on(table, pattern) => match value {
            Value::Object(map) => map.iter().for_each(|(key, below)| {
                let at = (&*member(path, key), &*member(pattern, generic(key)));
                visit(table, below, at, out);
            }),
            Value::Array(items) => items.iter().enumerate().for_each(|(index, below)| {
                let at = (&*format!("{path}[{index}]"), &*format!("{pattern}[]"));
                visit(table, below, at, out);
            }),
            _ => out.refused.push(SpecError::new(path, NOT_YET)),
        },
        _ => out.refused.push(SpecError::new(path, NOT_YET)),
    }
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn is_one_of(value: &Value, values: &[&str]) -> bool {
    match value {
        Value::String(text) => values.contains(&text.as_str()),
        Value::Bool(_) | Value::Number(_) => values.contains(&value.to_string().as_str()),
        _ => false,
    }
}

fn rule_of(table: &[(&str, Rule)], pattern: &str) -> Option<Rule> {
    table.iter().find(|(known, _)| *known == pattern).map(|(_, rule)| *rule)
}

fn leads_on(table: &[(&str, Rule)], pattern: &str) -> bool {
    table.iter().any(|(known, _)| {
        known.strip_prefix(pattern).is_some_and(|rest| {
            pattern.is_empty() || rest.starts_with('.') || rest.starts_with('[')
        })
    })
}

fn generic(key: &str) -> &str {
    match key {
        "livenessProbe" | "readinessProbe" | "startupProbe" => "<probe>",
        "initContainers" => "containers",
        other => other,
    }
}

pub(super) fn member(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}
