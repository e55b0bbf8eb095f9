//! Pods: READY, STATUS and RESTARTS by the rules of Kubernetes' printer.

use serde_json::{Value, json};

use super::object::{NONE, age, condition, list, number, since, text, text_or, time};
use super::{Column, Layout, column, wide};
use crate::time::Timestamp;

pub(super) const LAYOUT: Layout = Layout { columns: &COLUMNS, cells };

const COLUMNS: [Column; 9] = [
    column("Name"),
    column("Ready"),
    column("Status"),
    column("Restarts"),
    column("Age"),
    wide("IP"),
    wide("Node"),
    wide("Nominated Node"),
    wide("Readiness Gates"),
];

fn cells(pod: &Value, now: Timestamp) -> Vec<Value> {
    let summary = Summary::of(pod);
    let gates = list(pod, "/spec/readinessGates");
    let passed = gates.iter().filter(|gate| condition(pod, text(gate, "/conditionType"))).count();
    let gates = match gates.len() {
        0 => NONE.to_owned(),
        total => format!("{passed}/{total}"),
    };
    let ip = text_or(pod, "/status/podIPs/0/ip", text_or(pod, "/status/podIP", NONE));
    vec![
        json!(text(pod, "/metadata/name")),
        json!(format!("{}/{}", summary.ready, summary.total)),
        json!(summary.status),
        json!(summary.restarts(now)),
        json!(age(pod, now)),
        json!(ip),
        json!(text_or(pod, "/spec/nodeName", NONE)),
        json!(text_or(pod, "/status/nominatedNodeName", NONE)),
        json!(gates),
    ]
}

/// What a pod's row says of its containers.
#[derive(Default)]
struct Summary {
    ready: usize,
    total: usize,
    status: String,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

impl Summary {
    fn of(pod: &Value) -> Self {
        let init = list(pod, "/spec/initContainers");
        let phase = text(pod, "/status/phase");
        let mut summary = Self {
            total: list(pod, "/spec/containers").len()
                + init.iter().filter(|it| sidecar(it)).count(),
            status: text_or(pod, "/status/reason", phase).to_owned(),
            ..Self::default()
        };
        let conditions = list(pod, "/status/conditions");
        if conditions.iter().any(|it| {
            text(it, "/type") == "PodScheduled" && text(it, "/reason") == "SchedulingGated"
        }) {
            summary.status = "SchedulingGated".to_owned();
        }
        let statuses = list(pod, "/status/initContainerStatuses");
        let initializing = summary.add_init(init, statuses);
        if !initializing || condition(pod, "Initialized") {
            // The restarts of plain init containers are history by now; those of sidecars are not.
            (summary.restarts, summary.last_restart) = (0, None);
            let sidecars = statuses.iter().filter(|status| is_sidecar(init, status));
            sidecars.for_each(|status| summary.count_restarts(status));
            summary.add_regular(pod);
        }
        if pod.pointer("/metadata/deletionTimestamp").is_some_and(|it| !it.is_null()) {
            if text(pod, "/status/reason") == "NodeLost" {
                summary.status = "Unknown".to_owned();
            } else if !matches!(phase, "Failed" | "Succeeded") {
                summary.status = "Terminating".to_owned();
            }
        }
        summary
    }

    /// True while an init container has to end before the regular containers start.
    fn add_init(&mut self, init: &[Value], statuses: &[Value]) -> bool {
        for (i, status) in statuses.iter().enumerate() {
            self.count_restarts(status);
            let end = terminated(status);
            if end.is_some_and(|end| number(end, "/exitCode") == 0) {
                continue;
            }
            let started = status.get("started").and_then(Value::as_bool) == Some(true);
            if started && is_sidecar(init, status) {
                self.ready += usize::from(is_ready(status));
                continue;
            }
            self.status = match (end, waiting(status)) {
                (Some(end), _) => format!("Init:{}", end_text(end)),
                (None, reason) if !matches!(reason, "" | "PodInitializing") => {
                    format!("Init:{reason}")
                }
                _ => format!("Init:{i}/{}", init.len()),
            };
            return true;
        }
        false
    }

    fn add_regular(&mut self, pod: &Value) {
        let (mut running, mut failure) = (false, None);
        // From the last to the first: the first container with a reason decides.
        for status in list(pod, "/status/containerStatuses").iter().rev() {
            self.count_restarts(status);
            let reason = waiting(status);
            if !reason.is_empty() {
                self.status = reason.to_owned();
            } else if let Some(end) = terminated(status) {
                self.status = end_text(end);
                if number(end, "/exitCode") != 0 {
                    failure = Some(self.status.clone());
                }
            } else if is_ready(status) && state(status, "running").is_some() {
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

    fn count_restarts(&mut self, status: &Value) {
        self.restarts = self.restarts.saturating_add(number(status, "/restartCount"));
        self.last_restart = self.last_restart.max(time(status, "/lastState/terminated/finishedAt"));
    }

    fn restarts(&self, now: Timestamp) -> String {
        match self.last_restart {
            Some(last) if self.restarts != 0 => {
                format!("{} ({} ago)", self.restarts, since(Some(last), now))
            }
            _ => self.restarts.to_string(),
        }
    }
}

fn sidecar(container: &Value) -> bool {
    text(container, "/restartPolicy") == "Always"
}

fn is_sidecar(init: &[Value], status: &Value) -> bool {
    let name = text(status, "/name");
    init.iter().any(|container| text(container, "/name") == name && sidecar(container))
}

fn is_ready(status: &Value) -> bool {
    status.get("ready").and_then(Value::as_bool) == Some(true)
}

fn state<'a>(status: &'a Value, state: &str) -> Option<&'a Value> {
    status.get("state")?.get(state).filter(|state| !state.is_null())
}

fn terminated(status: &Value) -> Option<&Value> {
    state(status, "terminated")
}

fn waiting(status: &Value) -> &str {
    state(status, "waiting").map_or("", |waiting| text(waiting, "/reason"))
}

fn end_text(end: &Value) -> String {
    match (text(end, "/reason"), number(end, "/signal")) {
        ("", 0) => format!("ExitCode:{}", number(end, "/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}
