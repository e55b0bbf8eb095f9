//! `kubectl describe pod`'s layout. Pure: a pod, its events and a clock in, text out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Pod, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::layout_container::containers;
use super::layout_context::Context;
use super::layout_gates::gates;
use super::layout_volumes::volumes;
use super::objects::text;
use super::printed::{Printed, none_if, put};
use super::times::{rfc1123, since};
use probelet_api::pb;
use probelet_manifest::{MANIFEST_ERROR, ServerMade};

const PADDING: usize = 2;
/// As in kubectl: longer annotations get lines of their own, cut to this length.
const LONG: usize = 140;

/// The whole text. `live` has the values for which a `v1.Pod` has no field.
pub fn describe(pod: &Pod, live: &pb::Pod, events: &[Event], now: Timestamp) -> Printed {
    let mut out = Printed::default();
    let spec = pod.spec.clone().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let annotations = pod.metadata.annotations.clone().unwrap_or_default();
    // Annotations that the server writes are printed beside the fields that they are about.
    let (made, annotations): (BTreeMap<_, _>, BTreeMap<_, _>) = annotations
        .into_iter()
        .partition(|(key, _)| key == MANIFEST_ERROR || ServerMade::of(key).is_some());
    let causes = made.iter().filter_map(|(key, cause)| match ServerMade::of(key)? {
        (ServerMade::LastCause, container) => Some((container, cause.as_str())),
        _ => None,
    });
    let causes = causes.collect();
    let context = Context {
        causes: &causes,
        meta: &pod.metadata,
        annotations: &annotations,
        live: &live.containers,
        now,
    };

    head(&mut out, pod, &spec, &status);
    labels(&mut out, &pod.metadata.labels.clone().unwrap_or_default());
    self::annotations(&mut out, &annotations);
    status_lines(&mut out, pod, &status, now);
    if !live.network.is_empty() {
        put!(out, "Network:\t{}", live.network);
    }
    let init = spec.init_containers.unwrap_or_default();
    if !init.is_empty() {
        let statuses = status.init_container_statuses.unwrap_or_default();
        containers(&mut out, "Init Containers", &init, &statuses, &context);
    }
    let statuses = status.container_statuses.unwrap_or_default();
    containers(&mut out, "Containers", &spec.containers, &statuses, &context);
    let conditions = status.conditions.unwrap_or_default();
    gates(&mut out, &spec.readiness_gates.unwrap_or_default(), &conditions);
    if !conditions.is_empty() {
        put!(out, "Conditions:\n  Type\tStatus");
        for c in conditions {
            put!(out, "  {} \t{} ", c.type_, c.status);
        }
    }
    volumes(&mut out, &spec.volumes.unwrap_or_default());
    if let Some(qos) = status.qos_class {
        put!(out, "QoS Class:\t{}", qos);
    }
    let mut text = out.elastic(PADDING);
    // As kubectl: the columns of the events are independent of those above.
    text.append(&event_table(events, now).elastic(PADDING));
    text
}

fn head(out: &mut Printed, pod: &Pod, spec: &PodSpec, status: &PodStatus) {
    put!(out, "Name:\t{}", text(&pod.metadata.name));
    put!(out, "Namespace:\t{}", text(&pod.metadata.namespace));
    if let Some(priority) = spec.priority {
        put!(out, "Priority:\t{}", priority);
    }
    let optional = [
        ("Priority Class Name", &spec.priority_class_name),
        ("Runtime Class Name", &spec.runtime_class_name),
        ("Service Account", &spec.service_account_name),
    ];
    for (title, value) in optional {
        if !text(value).is_empty() {
            put!(out, "{}:\t{}", title, text(value));
        }
    }
    match text(&spec.node_name) {
        "" => put!(out, "Node:\t<none>"),
        node => put!(out, "Node:\t{}/{}", node, text(&status.host_ip)),
    }
    if let Some(start) = &status.start_time {
        put!(out, "Start Time:\t{}", rfc1123(Some(start)));
    }
}

fn labels(out: &mut Printed, labels: &BTreeMap<String, String>) {
    if labels.is_empty() {
        put!(out, "Labels:\t<none>");
    }
    for (i, (key, value)) in labels.iter().enumerate() {
        put!(out, "{}\t{}={}", if i == 0 { "Labels:" } else { "" }, key, value);
    }
}

fn annotations(out: &mut Printed, annotations: &BTreeMap<String, String>) {
    if annotations.is_empty() {
        put!(out, "Annotations:\t<none>");
    }
    for (i, (key, value)) in annotations.iter().enumerate() {
        let title = if i == 0 { "Annotations:" } else { "" };
        let value = value.strip_suffix('\n').unwrap_or(value);
        if key.len() + value.len() + 2 <= LONG && !value.contains('\n') {
            put!(out, "{}\t{}: {}", title, key, value);
            continue;
        }
        put!(out, "{}\t{}:", title, key);
        for line in value.split('\n') {
            let short: String = line.chars().take(LONG - 2).collect();
            let dots = if short.len() < line.len() { "..." } else { "" };
            put!(out, "\t  {}{}", short, dots);
        }
    }
}

fn status_lines(out: &mut Printed, pod: &Pod, status: &PodStatus, now: Timestamp) {
    let phase = text(&status.phase);
    match &pod.metadata.deletion_timestamp {
        Some(deleted) if !matches!(phase, "Failed" | "Succeeded") => {
            // The time is in the future until the grace period is over; kubectl prints `<invalid>` until then.
            let lasts = since(Some(deleted.0.min(now)), now);
            put!(out, "Status:\tTerminating (lasts {})", lasts);
            if let Some(grace) = pod.metadata.deletion_grace_period_seconds {
                put!(out, "Termination Grace Period:\t{}s", grace);
            }
        }
        _ => put!(out, "Status:\t{}", phase),
    }
    for (title, value) in [("Reason", &status.reason), ("Message", &status.message)] {
        if !text(value).is_empty() {
            put!(out, "{}:\t{}", title, text(value));
        }
    }
    if let Some(why) = pod.metadata.annotations.as_ref().and_then(|all| all.get(MANIFEST_ERROR)) {
        put!(out, "Manifest Error:\t{}", why);
    }
    put!(out, "IP:\t{}", text(&status.pod_ip));
    let ips = status.pod_ips.as_deref().unwrap_or_default();
    put!(out, "IPs:{}", none_if(ips.is_empty()));
    for ip in ips {
        put!(out, "  IP:\t{}", ip.ip);
    }
}

fn event_table(events: &[Event], now: Timestamp) -> Printed {
    let mut out = Printed::default();
    if events.is_empty() {
        put!(out, "Events:\t<none>");
        return out;
    }
    put!(out, "Events:\n  Type\tReason\tAge\tFrom\tMessage");
    put!(out, "  ----\t------\t----\t----\t-------");
    for event in events {
        let age = |t: &Option<Time>| since(t.as_ref().map(|t| t.0), now);
        let first = age(&event.first_timestamp);
        let age = match event.count {
            Some(n) if n > 1 => format!("{} (x{n} over {first})", age(&event.last_timestamp)),
            _ => first,
        };
        let source = event.source.as_ref().and_then(|s| s.component.as_deref());
        let field = match text(&event.involved_object.field_path) {
            "" => String::new(),
            path => format!("{path}: "),
        };
        let message = text(&event.message).trim();
        let (kind, reason) = (text(&event.type_), text(&event.reason));
        put!(
            out,
            "  {}\t{}\t{}\t{}\t{}{}",
            kind,
            reason,
            age,
            source.unwrap_or_default(),
            field,
            message
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn now() -> Timestamp {
        "2026-08-21T11:05:00Z".parse().unwrap()
    }

    fn sample() -> Value {
        json!({
            "metadata": {"name": "web-0", "namespace": "prod", "labels": {"app": "web"}},
            "spec": {
                "nodeName": "node1",
                "containers": [{
                    "name": "app",
                    "image": "registry.example/app:1",
                    "command": ["/bin/app"],
                    "args": ["-v"],
                    "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                    "resources": {"limits": {"memory": "128Mi"}, "requests": {"cpu": "100m"}},
                    "livenessProbe": {"httpGet": {"port": "http", "path": "/healthz"}},
                    "readinessProbe": {
                        "exec": {"command": ["sh", "-c", "test -f /ready"]}, "periodSeconds": 5,
                    },
                    "startupProbe": {
                        "tcpSocket": {"port": 8080}, "periodSeconds": 2, "failureThreshold": 30,
                    },
                    "env": [{"name": "A", "value": "1"}],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }],
            },
            "status": {
                "phase": "Running", "hostIP": "192.0.2.10", "podIP": "10.0.0.7",
                "podIPs": [{"ip": "10.0.0.7"}],
                "startTime": "2026-08-21T11:00:00Z",
                "conditions": [
                    {"type": "Ready", "status": "False"},
                    {"type": "PodScheduled", "status": "True"},
                ],
                "containerStatuses": [{
                    "name": "app", "ready": false, "restartCount": 3,
                    "image": "", "imageID": "registry.example/app@sha256:1",
                    "containerID": "containerd://abc",
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "unseen"}},
                    "lastState": {"terminated": {
                        "reason": "Error", "message": "boom", "exitCode": 1,
                        "startedAt": "2026-08-21T11:00:00Z",
                        "finishedAt": "2026-08-21T11:02:03Z",
                    }},
                }],
            },
        })
    }

    fn events() -> Vec<Event> {
        serde_json::from_value(json!([
            {
                "metadata": {}, "type": "Normal", "reason": "Killing", "count": 1,
                "message": "Container app failed liveness probe, will be restarted",
                "source": {"component": "probelet"},
                "involvedObject": {"fieldPath": "spec.containers{app}"},
                "firstTimestamp": "2026-08-21T11:03:30Z",
                "lastTimestamp": "2026-08-21T11:03:30Z",
            },
            {
                "metadata": {}, "type": "Warning", "reason": "Unhealthy", "count": 6,
                "message": "Liveness probe failed: HTTP probe failed with statuscode: 503",
                "source": {"component": "probelet"},
                "involvedObject": {"fieldPath": "spec.containers{app}"},
                "firstTimestamp": "2026-08-21T11:01:40Z",
                "lastTimestamp": "2026-08-21T11:04:50Z",
            },
        ]))
        .unwrap()
    }

    const GOLDEN: &str = "\
Name:         web-0
Namespace:    prod
Node:         node1/192.0.2.10
Start Time:   Fri, 21 Aug 2026 11:00:00 +0000
Labels:       app=web
Annotations:  <none>
Status:       Running
IP:           10.0.0.7
IPs:
  IP:  10.0.0.7
Containers:
  app:
    Container ID:  containerd://abc
    Image:         registry.example/app:1
    Image ID:      registry.example/app@sha256:1
    Port:          8080/TCP (http)
    Host Port:     0/TCP (http)
    Command:
      /bin/app
    Args:
      -v
    State:          Waiting
      Reason:       CrashLoopBackOff
    Last State:     Terminated
      Reason:       Error
      Message:      boom
      Exit Code:    1
      Started:      Fri, 21 Aug 2026 11:00:00 +0000
      Finished:     Fri, 21 Aug 2026 11:02:03 +0000
    Ready:          False
    Restart Count:  3
    Limits:
      memory:  128Mi
    Requests:
      cpu:      100m
    Liveness:   http-get http://:http/healthz delay=0s timeout=1s period=10s #success=1 #failure=3
    Readiness:  exec [sh -c test -f /ready] delay=0s timeout=1s period=5s #success=1 #failure=3
    Startup:    tcp-socket :8080 delay=0s timeout=1s period=2s #success=1 #failure=30
    Environment:
      A:  1
    Mounts:
      /data from data (rw)
Conditions:
  Type           Status
  Ready          False\x20
  PodScheduled   True\x20
Volumes:         <none>
Events:
  Type     Reason     Age                  From      Message
  ----     ------     ----                 ----      -------
  Normal   Killing    90s                  probelet  spec.containers{app}: Container app failed liveness probe, will be restarted
  Warning  Unhealthy  10s (x6 over 3m20s)  probelet  spec.containers{app}: Liveness probe failed: HTTP probe failed with statuscode: 503
";

    #[test]
    fn golden() {
        let pod = serde_json::from_value(sample()).unwrap();
        assert_eq!(describe(&pod, &pb::Pod::default(), &events(), now()), GOLDEN);
    }

    #[test]
    fn cause_and_signal_in_the_last_state() {
        let mut pod = sample();
        pod["metadata"]["annotations"] = json!({
            "probelet.io/last-cause.app": "killed by probelet: liveness probe failed",
            "team": "a",
        });
        let end = &mut pod["status"]["containerStatuses"][0]["lastState"]["terminated"];
        end["exitCode"] = json!(137);
        end["signal"] = json!(9);
        let text = describe(&serde_json::from_value(pod).unwrap(), &pb::Pod::default(), &[], now());
        let block = "      Message:      boom
      Cause:        killed by probelet: liveness probe failed
      Exit Code:    137
      Signal:       9
";
        assert!(text.contains(block), "{text:?}");
        assert!(text.contains("\nAnnotations:  team: a\nStatus:"), "{text:?}");
        assert!(text.ends_with("\nEvents:  <none>\n"), "{text:?}");
    }

    #[test]
    fn the_error_of_a_manifest_is_printed() {
        let mut pod = sample();
        pod["metadata"]["annotations"] = json!({
            "probelet.io/manifest-error": "/m/web.yaml:3:1: spec.x: unknown field",
            "kubernetes.io/config.source": "file",
        });
        let text = describe(&serde_json::from_value(pod).unwrap(), &pb::Pod::default(), &[], now());
        assert!(
            text.contains("\nManifest Error:  /m/web.yaml:3:1: spec.x: unknown field\n"),
            "{text:?}"
        );
        assert!(
            text.contains("\nAnnotations:     kubernetes.io/config.source: file\n"),
            "{text:?}"
        );
    }

    #[test]
    fn while_terminating() {
        let mut pod = sample();
        pod["metadata"]["deletionTimestamp"] = json!("2026-08-21T11:04:55Z");
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(30);
        let text = describe(&serde_json::from_value(pod).unwrap(), &pb::Pod::default(), &[], now());
        assert!(text.contains("Status:                    Terminating (lasts 5s)\n"), "{text:?}");
        assert!(text.contains("Termination Grace Period:  30s\n"), "{text:?}");
    }

    #[test]
    fn long_annotations_are_cut() {
        let mut out = Printed::default();
        let long = BTreeMap::from([("k".to_owned(), "v".repeat(200))]);
        annotations(&mut out, &long);
        assert_eq!(out, format!("Annotations:\tk:\n\t  {}...\n", "v".repeat(138)));
    }
}
