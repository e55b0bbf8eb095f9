//! The columns of `kubectl get pods`, computed from a v1.Pod as kubectl does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, ContainerStateTerminated, ContainerStatus, Pod};

use super::times::since;
use probelet_manifest::{MANIFEST_ERROR, ServerMade};

pub const HEADER: [&str; 5] = ["NAME", "READY", "STATUS", "RESTARTS", "AGE"];
pub const WIDE: [&str; 4] = ["IP", "NODE", "NOMINATED NODE", "READINESS GATES"];

/// The reason of a container that waits for the init containers of its pod.
const INITIALIZING: &str = "PodInitializing";

/// The values of a pod's row. Ages are computed when the row is printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    name: String,
    ready: i32,
    total: usize,
    status: String,
    restarts: i32,
    last_restart: Option<Timestamp>,
    created: Option<Timestamp>,
    probes_paused_until: Option<Timestamp>,
    kill_held: bool,
    manifest_error: bool,
    wide: [String; 4],
    labels: BTreeMap<String, String>,
}

impl Row {
    pub fn without_labels(self) -> Self {
        Self { labels: BTreeMap::new(), ..self }
    }

    /// The cell of `--show-labels`, as kubectl has it.
    pub fn labels(&self) -> String {
        if self.labels.is_empty() {
            return "<none>".to_owned();
        }
        let labels = self.labels.iter().map(|(key, value)| format!("{key}={value}"));
        labels.collect::<Vec<_>>().join(",")
    }

    pub fn cells(&self, wide: bool, now: Timestamp) -> Vec<String> {
        let restarts = match self.last_restart {
            Some(last) if self.restarts != 0 => {
                format!("{} ({} ago)", self.restarts, since(Some(last), now))
            }
            _ => self.restarts.to_string(),
        };
        // The form of kubectl's `Ready,SchedulingDisabled` of a node.
        let paused = self.probes_paused_until.is_some_and(|until| until > now);
        let mut cells = vec![
            self.name.clone(),
            format!("{}/{}", self.ready, self.total),
            self.status(paused),
            restarts,
            since(self.created, now),
        ];
        if wide {
            cells.extend(self.wide.iter().cloned());
        }
        cells
    }

    fn status(&self, paused: bool) -> String {
        if self.manifest_error && self.total == 0 {
            // The manifest has no pod yet.
            return "ManifestError".to_owned();
        }
        let marks = [
            (paused, ",ProbesPaused"),
            (self.kill_held, ",KillHeld"),
            (self.manifest_error, ",ManifestError"),
        ];
        let marks = marks.iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| *mark);
        std::iter::once(self.status.as_str()).chain(marks).collect()
    }
}

pub fn row(pod: &Pod) -> Row {
    let spec = pod.spec.clone().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let init = spec.init_containers.unwrap_or_default();
    let phase = status.phase.clone().unwrap_or_default();
    let mut row = Row {
        name: pod.metadata.name.clone().unwrap_or_default(),
        total: spec.containers.len() + init.iter().filter(|c| is_sidecar(c)).count(),
        status: status.reason.clone().filter(|r| !r.is_empty()).unwrap_or_else(|| phase.clone()),
        created: pod.metadata.creation_timestamp.as_ref().map(|t| t.0),
        probes_paused_until: probes_paused_until(pod),
        kill_held: made(pod, ServerMade::KillHeld).next().is_some(),
        manifest_error: pod.metadata.annotations.iter().flatten().any(|(k, _)| k == MANIFEST_ERROR),
        wide: wide(pod),
        labels: pod.metadata.labels.clone().unwrap_or_default(),
        ..Row::default()
    };
    let initializing =
        row.add_init(&init, status.init_container_statuses.as_deref().unwrap_or_default());
    if !initializing || condition(pod, "Initialized") {
        // Init containers have ended by now, except sidecars.
        let statuses = status.init_container_statuses.iter().flatten();
        let sidecars = statuses.filter(|s| init.iter().any(|c| c.name == s.name && is_sidecar(c)));
        (row.restarts, row.last_restart) = (0, None);
        sidecars.for_each(|s| row.count_restarts(s));
        row.add_regular(status.container_statuses.as_deref().unwrap_or_default(), pod);
    }
    if pod.metadata.deletion_timestamp.is_some() {
        if status.reason.as_deref() == Some("NodeLost") {
            row.status = "Unknown".to_owned();
        } else if !matches!(phase.as_str(), "Failed" | "Succeeded") {
            row.status = "Terminating".to_owned();
        }
    }
    row
}

impl Row {
    /// True while an init container keeps the regular containers from starting.
    fn add_init(&mut self, init: &[Container], statuses: &[ContainerStatus]) -> bool {
        for (i, status) in statuses.iter().enumerate() {
            self.count_restarts(status);
            let sidecar = init.iter().any(|c| c.name == status.name && is_sidecar(c));
            let terminated = terminated(status);
            if terminated.is_some_and(|t| t.exit_code == 0) {
                continue;
            }
            if sidecar && status.started == Some(true) {
                self.ready += i32::from(status.ready);
                continue;
            }
            self.status = match (terminated, waiting(status)) {
                (Some(end), _) => format!("Init:{}", end_text(end)),
                (None, Some(reason)) if reason != INITIALIZING => {
                    format!("Init:{reason}")
                }
                _ => format!("Init:{i}/{}", init.len()),
            };
            return true;
        }
        false
    }

    fn add_regular(&mut self, statuses: &[ContainerStatus], pod: &Pod) {
        let mut running = false;
        let mut failure = None;
        // Backwards, so that the first container with a reason decides.
        for status in statuses.iter().rev() {
            self.count_restarts(status);
            if let Some(reason) = waiting(status) {
                self.status = reason.to_owned();
            } else if let Some(end) = terminated(status) {
                self.status = end_text(end);
                if end.exit_code != 0 {
                    failure = Some(self.status.clone());
                }
            } else if status.ready && status.state.as_ref().is_some_and(|s| s.running.is_some()) {
                running = true;
                self.ready += 1;
            }
        }
        if self.status == "Completed" {
            if running && condition(pod, "Ready") {
                self.status = "Running".to_owned();
            } else if let Some(reason) = failure {
                self.status = reason;
            } else if running {
                self.status = "NotReady".to_owned();
            }
        }
    }

    fn count_restarts(&mut self, status: &ContainerStatus) {
        self.restarts += status.restart_count;
        let last = status.last_state.as_ref().and_then(|s| s.terminated.as_ref());
        let finished = last.and_then(|t| t.finished_at.as_ref()).map(|t| t.0);
        self.last_restart = self.last_restart.max(finished);
    }
}

fn end_text(end: &ContainerStateTerminated) -> String {
    match (end.reason.as_deref().unwrap_or_default(), end.signal.unwrap_or_default()) {
        ("", 0) => format!("ExitCode:{}", end.exit_code),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn terminated(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    status.state.as_ref()?.terminated.as_ref()
}

fn waiting(status: &ContainerStatus) -> Option<&str> {
    let reason = status.state.as_ref()?.waiting.as_ref()?.reason.as_deref()?;
    (!reason.is_empty()).then_some(reason)
}

fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

fn condition(pod: &Pod, kind: &str) -> bool {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|c| c.type_ == kind && c.status == "True")
}

/// The latest end of a pause among the containers.
fn probes_paused_until(pod: &Pod) -> Option<Timestamp> {
    made(pod, ServerMade::ProbesPausedUntil).filter_map(|until| until.parse().ok()).max()
}

/// The values of this annotation of the server, one for each container.
fn made(pod: &Pod, what: ServerMade) -> impl Iterator<Item = &str> {
    let annotations = pod.metadata.annotations.iter().flatten();
    let own = annotations
        .filter(move |(key, _)| ServerMade::of(key).is_some_and(|(made, _)| made == what));
    own.map(|(_, text)| text.as_str())
}

fn wide(pod: &Pod) -> [String; 4] {
    let status = pod.status.clone().unwrap_or_default();
    let spec = pod.spec.clone().unwrap_or_default();
    let first_ip = status.pod_ips.unwrap_or_default().into_iter().next().map(|ip| ip.ip);
    let gates = spec.readiness_gates.unwrap_or_default();
    let passed = gates.iter().filter(|g| condition(pod, &g.condition_type)).count();
    let or_none = |text: Option<String>| {
        text.filter(|t| !t.is_empty()).unwrap_or_else(|| "<none>".to_owned())
    };
    [
        or_none(first_ip.or(status.pod_ip)),
        or_none(spec.node_name),
        or_none(status.nominated_node_name),
        or_none((!gates.is_empty()).then(|| format!("{passed}/{}", gates.len()))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const VECTORS: &str = include_str!("get-columns.jsonl");

    fn status(i: usize, c: &Value, now: Timestamp) -> Value {
        let reason = c.get("reason").cloned().unwrap_or_default();
        let state = match c["st"].as_str().unwrap() {
            "running" => json!({"running": {}}),
            "waiting" => json!({"waiting": {"reason": reason}}),
            _ => json!({"terminated": {
                "reason": reason, "exitCode": c["exit"], "signal": c.get("signal"),
            }}),
        };
        let mut status = json!({
            "name": format!("c{i}"), "image": "", "imageID": "", "state": state,
            "ready": c.get("ready").and_then(Value::as_bool).unwrap_or(false),
            "started": c.get("started"), "restartCount": c["rc"],
        });
        if let Some(ago) = c.get("last_ago").and_then(Value::as_i64) {
            let finished = now - jiff::SignedDuration::from_secs(ago);
            status["lastState"] = json!({"terminated": {"exitCode": 1, "finishedAt": finished}});
        }
        status
    }

    fn pod(v: &Value, now: Timestamp) -> Pod {
        let list = |key: &str| v.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let (init, regular) = (list("init"), list("c"));
        let spec = |(i, c): (usize, &Value)| {
            let policy = c.get("sidecar").map(|_| "Always");
            json!({"name": format!("c{i}"), "restartPolicy": policy})
        };
        // G16 has no statuses, but a pod has at least one container.
        let blank = vec![json!({})];
        let specs = if regular.is_empty() { &blank } else { &regular };
        let statuses = |list: &[Value]| -> Vec<Value> {
            list.iter().enumerate().map(|(i, c)| status(i, c, now)).collect()
        };
        serde_json::from_value(json!({
            "metadata": {
                "name": "p",
                "deletionTimestamp": v.get("deleted").map(|_| now),
            },
            "spec": {
                "initContainers": init.iter().enumerate().map(spec).collect::<Vec<_>>(),
                "containers": specs.iter().enumerate().map(spec).collect::<Vec<_>>(),
            },
            "status": {
                "phase": v["phase"], "reason": v.get("podreason"),
                "conditions": [{
                    "type": "Ready",
                    "status": if v["ready"].as_bool().unwrap() { "True" } else { "False" },
                }],
                "initContainerStatuses": statuses(&init),
                "containerStatuses": statuses(&regular),
            },
        }))
        .unwrap()
    }

    #[test]
    fn every_vector() {
        let now: Timestamp = "2026-08-21T12:00:00Z".parse().unwrap();
        let mut rows = 0;
        for line in VECTORS.lines().filter(|l| !l.trim().is_empty()) {
            let v: Value = serde_json::from_str(line).unwrap();
            let cells = row(&pod(&v, now)).cells(false, now);
            let want = [&v["READY"], &v["STATUS"], &v["RESTARTS"]];
            assert_eq!(cells[1..4], want.map(|w| w.as_str().unwrap()), "{}", v["id"]);
            rows += 1;
        }
        assert_eq!(rows, 22);
    }

    #[test]
    fn a_pause_of_probes_shows_behind_any_status_while_it_lasts() {
        let now: Timestamp = "2026-08-21T12:00:00Z".parse().unwrap();
        let shown = |v: &Value, until: &str| {
            let mut pod = pod(v, now);
            let annotation = ("probelet.io/probes-paused-until.c0".to_owned(), until.to_owned());
            pod.metadata.annotations = Some([annotation].into());
            row(&pod).cells(false, now)[2].clone()
        };
        for line in VECTORS.lines().filter(|l| !l.trim().is_empty()) {
            let v: Value = serde_json::from_str(line).unwrap();
            let status = v["STATUS"].as_str().unwrap();
            assert_eq!(shown(&v, "2026-08-21T12:00:00.5Z"), format!("{status},ProbesPaused"));
            assert_eq!(shown(&v, "2026-08-21T12:00:00Z"), status);
        }
    }

    #[test]
    fn a_kill_that_is_held_shows_behind_the_status() {
        let now: Timestamp = "2026-08-21T12:00:00Z".parse().unwrap();
        let vectors = VECTORS.lines().filter_map(|line| serde_json::from_str(line).ok());
        let running = vectors.into_iter().find(|v: &Value| v["STATUS"] == "Running").unwrap();
        let mut pod = pod(&running, now);
        let before = row(&pod);
        pod.metadata.annotations =
            Some([("probelet.io/kill-held.c0".to_owned(), "a storm".to_owned())].into());
        assert_eq!(row(&pod).cells(false, now)[2], "Running,KillHeld");
        assert_ne!(row(&pod), before, "a watch shows it");
    }

    #[test]
    fn the_error_of_a_manifest_is_shown_with_or_without_its_pod() {
        let now: Timestamp = "2026-08-21T12:00:00Z".parse().unwrap();
        let vectors = VECTORS.lines().filter_map(|line| serde_json::from_str(line).ok());
        let running = vectors.into_iter().find(|v: &Value| v["STATUS"] == "Running").unwrap();
        let mut pod = pod(&running, now);
        pod.metadata.annotations = Some([(MANIFEST_ERROR.to_owned(), "why".to_owned())].into());
        assert_eq!(row(&pod).cells(false, now)[2], "Running,ManifestError");
        pod.spec = None;
        pod.status = None;
        assert_eq!(row(&pod).cells(false, now)[1..3], ["0/0", "ManifestError"]);
    }

    #[test]
    fn wide_without_anything() {
        let cells = row(&Pod::default()).cells(true, Timestamp::UNIX_EPOCH);
        assert_eq!(cells[4..], ["<unknown>", "<none>", "<none>", "<none>", "<none>"]);
    }
}
