//! Nodes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::object::{NONE, UNKNOWN, age, list, text, text_or, texts};
use super::{Column, Layout, column, wide};
use crate::time::Timestamp;

pub(super) const LAYOUT: Layout = Layout { columns: &COLUMNS, cells };

const COLUMNS: [Column; 10] = [
    column("Name"),
    column("Status"),
    column("Roles"),
    column("Age"),
    column("Version"),
    wide("Internal-IP"),
    wide("External-IP"),
    wide("OS-Image"),
    wide("Kernel-Version"),
    wide("Container-Runtime"),
];

fn cells(node: &Value, now: Timestamp) -> Vec<Value> {
    let info =
        |name: &str, absent| json!(text_or(node, &format!("/status/nodeInfo/{name}"), absent));
    vec![
        json!(text(node, "/metadata/name")),
        json!(status(node)),
        json!(roles(node)),
        json!(age(node, now)),
        info("kubeletVersion", ""),
        json!(address(node, "InternalIP")),
        json!(address(node, "ExternalIP")),
        info("osImage", UNKNOWN),
        info("kernelVersion", UNKNOWN),
        info("containerRuntimeVersion", UNKNOWN),
    ]
}

fn status(node: &Value) -> String {
    let mut conditions = list(node, "/status/conditions").iter();
    let ready = conditions.find(|it| text(it, "/type") == "Ready");
    let status = match ready.map(|ready| text(ready, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let unschedulable = node.pointer("/spec/unschedulable").and_then(Value::as_bool) == Some(true);
    let disabled = if unschedulable { ",SchedulingDisabled" } else { "" };
    format!("{status}{disabled}")
}

fn roles(node: &Value) -> String {
    let roles: BTreeSet<_> = texts(node, "/metadata/labels")
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None => (key == "kubernetes.io/role").then_some(value),
        })
        .filter(|role| !role.is_empty())
        .collect();
    if roles.is_empty() {
        return NONE.to_owned();
    }
    roles.into_iter().collect::<Vec<_>>().join(",")
}

fn address<'a>(node: &'a Value, kind: &str) -> &'a str {
    let mut addresses = list(node, "/status/addresses").iter();
    let address = addresses.find(|address| text(address, "/type") == kind);
    address.map_or(NONE, |address| text_or(address, "/address", NONE))
}
