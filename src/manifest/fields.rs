//! The one list of what a manifest's fields mean here. What it does not name is refused.

use serde_json::Value;

use crate::domain::spec::SpecError;

pub(super) const NOT_YET: &str = "not supported yet";

#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// Has its effect, with all below it; its value is judged where it is converted.
    Honoured,
    /// Has no effect here, and that is said.
    Warned(&'static str),
    /// These values state what holds here anyway; any other is refused.
    Only(&'static [&'static str]),
    /// As `Only`, with a word on why even these have no effect.
    OnlyWarned(&'static [&'static str], &'static str),
}

use Rule::{Honoured, Only, OnlyWarned, Warned};

const SERVER: &str = "made by the server";
const SCHEDULER: &str = "there is no scheduler here";
const ACCOUNTS: &str = "there are no service accounts here";

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
    ("status", Warned(SERVER)),

    ("spec.restartPolicy", Honoured),
    ("spec.terminationGracePeriodSeconds", Honoured),
    ("spec.activeDeadlineSeconds", Honoured),
    ("spec.hostname", Honoured),
    ("spec.imagePullSecrets[].name", Honoured),
    ("spec.nodeName", Warned(SCHEDULER)),
    ("spec.nodeSelector", Warned(SCHEDULER)),
    ("spec.affinity", Warned(SCHEDULER)),
    ("spec.tolerations", Warned(SCHEDULER)),
    ("spec.schedulerName", Warned(SCHEDULER)),
    ("spec.topologySpreadConstraints", Warned(SCHEDULER)),
    ("spec.priority", Warned(SCHEDULER)),
    ("spec.priorityClassName", Warned(SCHEDULER)),
    ("spec.preemptionPolicy", Warned(SCHEDULER)),
    ("spec.serviceAccount", Warned(ACCOUNTS)),
    ("spec.serviceAccountName", Warned(ACCOUNTS)),
    ("spec.automountServiceAccountToken", Warned(ACCOUNTS)),
    ("spec.enableServiceLinks", Warned("there are no services here")),
    ("spec.dnsPolicy", OnlyWarned(&["ClusterFirst"], "there is no cluster DNS here")),
    ("spec.os.name", Only(&["linux"])),
    ("spec.hostIPC", Only(&["false"])),
    ("spec.hostNetwork", Only(&["false"])),
    ("spec.hostPID", Only(&["false"])),
    ("spec.setHostnameAsFQDN", Only(&["false"])),
    ("spec.shareProcessNamespace", Only(&["false"])),

    ("spec.containers[].name", Honoured),
    ("spec.containers[].image", Honoured),
    ("spec.containers[].imagePullPolicy", Honoured),
    ("spec.containers[].command", Honoured),
    ("spec.containers[].args", Honoured),
    ("spec.containers[].env[].name", Honoured),
    ("spec.containers[].env[].value", Honoured),
    ("spec.containers[].workingDir", Honoured),
    ("spec.containers[].ports[].name", Honoured),
    ("spec.containers[].ports[].containerPort", Honoured),
    ("spec.containers[].ports[].protocol", Honoured),
    ("spec.containers[].restartPolicy", Honoured),
    ("spec.containers[].restartPolicyRules", Honoured),
    ("spec.containers[].lifecycle", Honoured),
    ("spec.containers[].stdin", Only(&["false"])),
    ("spec.containers[].stdinOnce", Only(&["false"])),
    ("spec.containers[].tty", Only(&["false"])),
    ("spec.containers[].terminationMessagePath", Honoured),
    ("spec.containers[].terminationMessagePolicy", Honoured),

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
    let mut walked = Walked::default();
    visit(manifest, "", "", &mut walked);
    walked
}

fn visit(value: &Value, path: &str, pattern: &str, out: &mut Walked) {
    match TABLE.iter().find(|(known, _)| *known == pattern).map(|(_, rule)| *rule) {
        _ if is_unset(value) => {}
        Some(Honoured) => {}
        Some(Warned(why)) => out.warnings.push(format!("{path}: ignored: {why}")),
        Some(Only(values)) if is_one_of(value, values) => {}
        Some(OnlyWarned(values, why)) if is_one_of(value, values) => {
            out.warnings.push(format!("{path}: ignored: {why}"));
        }
        None if leads_on(pattern) => match value {
            Value::Object(map) => map.iter().for_each(|(key, below)| {
                visit(below, &member(path, key), &member(pattern, generic(key)), out);
            }),
            Value::Array(items) => items.iter().enumerate().for_each(|(index, below)| {
                visit(below, &format!("{path}[{index}]"), &format!("{pattern}[]"), out);
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
        Value::Bool(flag) => values.contains(&flag.to_string().as_str()),
        _ => false,
    }
}

fn leads_on(pattern: &str) -> bool {
    TABLE.iter().any(|(known, _)| {
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
