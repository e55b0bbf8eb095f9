//! A pod's spec and status → a Kubernetes `v1.Pod`, as `get pod -o json` prints it.

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::container_view::{container_status, mount_status, time};
use crate::durations::seconds;
use crate::optional_fields::{list, some};
use crate::render::pod_spec;
use crate::server_annotations::{CONFIG_FILE, CONFIG_SOURCE, MANIFEST_ERROR, ServerMade};
use crate::{annotations, defaults, probe_report, strict, submitted};
use probelet_domain::exit::Terminated;
use probelet_domain::pod::PodView;
use probelet_domain::spec::{PodSpec, QosClass, SpecError};
use probelet_domain::status::{Condition, ContainerState, ContainerStatus, Phase, PodStatus};

/// The pod as Kubernetes would show it.
pub fn to_v1_pod(view: &PodView) -> k8s::Pod {
    k8s::Pod {
        metadata: metadata(view),
        spec: Some(k8s::PodSpec {
            node_name: some(&view.status.network.node_name),
            ..defaults::fill(&view.spec, pod_spec(&view.spec))
        }),
        status: Some(k8s::PodStatus {
            observed_generation: Some(generation(view)),
            conditions: Some(conditions(view)),
            ..pod_status(&view.spec, &view.status)
        }),
    }
}

/// [`to_v1_pod`] as JSON, with `apiVersion` and `kind`.
/// A pod that a client of the Kubernetes API wrote has the object that it wrote.
pub fn to_json(view: &PodView) -> Value {
    // Serializing this type fails only for a time after the year 9999, which `time` leaves out.
    let mut pod = serde_json::to_value(to_v1_pod(view)).unwrap_or_default();
    if let Some(submitted) = &view.spec.submitted {
        submitted::overlay(&mut pod, submitted);
    }
    pod
}

/// Reads the object of a pod. Fields that the type does not have are left out.
///
/// # Errors
///
/// The field that is not what Kubernetes' type has.
pub fn v1_pod(object: &Value) -> Result<k8s::Pod, SpecError> {
    strict::read(object, &mut |_| {})
}

/// Returns a changed spec of a pod with the object of `before`, changed in the same way.
#[must_use]
pub fn followed(before: &PodSpec, mut after: PodSpec) -> PodSpec {
    if let (Some(kept), None) = (&before.submitted, &after.submitted) {
        let kept = submitted::follow(kept, &from_spec(before), &from_spec(&after));
        after.submitted = Some(Box::new(kept));
    }
    after
}

/// The part of an object that the spec alone decides.
fn from_spec(spec: &PodSpec) -> Value {
    let metadata = ObjectMeta {
        labels: Some(spec.labels.clone()),
        annotations: Some(annotations::render(spec)),
        ..ObjectMeta::default()
    };
    let spec = Some(defaults::fill(spec, pod_spec(spec)));
    serde_json::to_value(k8s::Pod { metadata, spec, status: None }).unwrap_or_default()
}

/// The generation of the pod's spec. A deletion is a change too, as in Kubernetes.
fn generation(view: &PodView) -> i64 {
    let generation = view.spec.submitted.as_ref().map_or(1, |submitted| submitted.generation);
    let is_deleted = view.status.deletion.is_some();
    i64::try_from(generation.saturating_add(u64::from(is_deleted))).unwrap_or(i64::MAX)
}

fn metadata(view: &PodView) -> ObjectMeta {
    let (spec, status) = (&view.spec, &view.status);
    let mut annotations = annotations::render(spec);
    annotations.extend(defaults::annotations(spec));
    for container in status.all() {
        let cause = last_termination(container).map(Terminated::why);
        let shown = [
            (ServerMade::LastCause, cause),
            (ServerMade::Probes, probe_report::render(&container.probes)),
            (ServerMade::ProbesPausedUntil, container.paused_until.and_then(probe_report::rfc3339)),
            (ServerMade::KillHeld, container.kill_held.as_ref().map(|held| held.reason.clone())),
        ];
        let set = shown.into_iter().filter_map(|(made, text)| Some((made, text?)));
        annotations.extend(set.map(|(made, text)| (made.key(&container.name), text)));
    }
    if let Some(origin) = &spec.origin {
        annotations.insert(CONFIG_SOURCE.to_owned(), "file".to_owned());
        annotations.insert(CONFIG_FILE.to_owned(), origin.file.clone());
    }
    annotations.extend(view.manifest_error.iter().map(|e| (MANIFEST_ERROR.to_owned(), e.clone())));
    ObjectMeta {
        name: Some(spec.name.clone()),
        namespace: Some(spec.key().namespace().to_owned()),
        uid: some(&spec.uid),
        labels: (!spec.labels.is_empty()).then(|| spec.labels.clone()),
        annotations: (!annotations.is_empty()).then_some(annotations),
        creation_timestamp: time(status.created_at),
        generation: Some(generation(view)),
        // As in Kubernetes, the end of the grace period, not the time of the request.
        deletion_timestamp: status
            .deletion
            .and_then(|(asked, grace)| time(asked.checked_add(grace).unwrap_or(asked))),
        deletion_grace_period_seconds: status.deletion.map(|(_, grace)| seconds(grace)),
        ..ObjectMeta::default()
    }
}

/// The most recent termination, which is the state of a container that has ended.
fn last_termination(container: &ContainerStatus) -> Option<&Terminated> {
    match &container.state {
        ContainerState::Terminated(now) => Some(now),
        _ => container.last_state.as_ref(),
    }
}

fn pod_status(spec: &PodSpec, status: &PodStatus) -> k8s::PodStatus {
    let expired = status.expired.as_ref().filter(|_| status.phase == Phase::Failed);
    let of = |status: &ContainerStatus| {
        let container = spec.all().find(|container| container.name == status.name);
        k8s::ContainerStatus {
            volume_mounts: container.and_then(|spec| list(&spec.volume_mounts, mount_status)),
            ..container_status(status, container.map(|spec| &spec.resources))
        }
    };
    k8s::PodStatus {
        phase: Some(status.phase.as_str().to_owned()),
        reason: expired.map(|expired| expired.reason().to_owned()),
        message: expired.map(|expired| expired.message().to_owned()),
        host_ip: status.network.host_ips.first().cloned(),
        host_ips: list(&status.network.host_ips, |ip| k8s::HostIP { ip: ip.clone() }),
        pod_ip: status.network.ips.first().cloned(),
        pod_ips: list(&status.network.ips, |ip| k8s::PodIP { ip: ip.clone() }),
        qos_class: Some(QosClass::of(spec).as_str().to_owned()),
        start_time: time(status.created_at),
        init_container_statuses: list(&status.init_containers, of),
        container_statuses: Some(status.containers.iter().map(of).collect()),
        ..k8s::PodStatus::default()
    }
}

/// The conditions that callers have set come first, as in the kubelet.
fn conditions(view: &PodView) -> Vec<k8s::PodCondition> {
    let set = view.spec.gates.conditions.iter().map(|(kind, set)| k8s::PodCondition {
        type_: kind.clone(),
        status: set.status.as_str().to_owned(),
        reason: some(&set.reason),
        message: some(&set.message),
        last_transition_time: time(set.since),
        ..k8s::PodCondition::default()
    });
    let generation = generation(view);
    let decided = view.status.conditions.iter();
    set.chain(decided.map(|decided| condition(decided, generation))).collect()
}

fn condition(condition: &Condition, generation: i64) -> k8s::PodCondition {
    k8s::PodCondition {
        observed_generation: Some(generation),
        type_: condition.kind.to_owned(),
        status: if condition.is_true { "True" } else { "False" }.to_owned(),
        reason: some(condition.reason),
        message: some(&condition.message),
        last_transition_time: time(condition.since),
        ..k8s::PodCondition::default()
    }
}
