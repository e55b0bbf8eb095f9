//! The containers and events as probelet reports them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use probelet_integration::Host;
use serde_json::Value;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct End {
    pub(crate) id: String,
    pub(crate) code: i64,
    pub(crate) reason: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Status {
    pub(crate) uid: String,
    /// The id of the newest attempt that ran.
    pub(crate) id: String,
    pub(crate) restarts: u64,
    pub(crate) ready: bool,
    pub(crate) is_running: bool,
    pub(crate) terminated: Option<End>,
    pub(crate) last: Option<End>,
    pub(crate) state: String,
}

pub(crate) type Table = BTreeMap<String, Status>;

/// All containers by `POD/CONTAINER`.
pub(crate) fn table(host: &Host) -> Result<Table> {
    let list: Value = serde_json::from_str(&host.probelet(["get", "pods", "-o", "json"])?)?;
    let items = list.get("items").and_then(Value::as_array).context("no items")?;
    let mut table = Table::new();
    for pod in items {
        let uid = word(pod, "/metadata/uid");
        let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
        let statuses = lists.iter().filter_map(|list| pod.pointer(list)?.as_array()).flatten();
        for status in statuses {
            let name = format!("{}/{}", word(pod, "/metadata/name"), word(status, "/name"));
            table.insert(name, shown(&uid, status));
        }
    }
    Ok(table)
}

fn shown(uid: &str, status: &Value) -> Status {
    let number = |at: &str| status.pointer(at).and_then(Value::as_u64).unwrap_or_default();
    Status {
        uid: uid.to_owned(),
        id: id(status),
        restarts: number("/restartCount"),
        ready: status.get("ready") == Some(&Value::Bool(true)),
        is_running: status.pointer("/state/running").is_some(),
        terminated: end(status, "/state/terminated"),
        last: end(status, "/lastState/terminated"),
        state: status.get("state").map(Value::to_string).unwrap_or_default(),
    }
}

fn end(status: &Value, at: &str) -> Option<End> {
    let ended = status.pointer(at)?;
    let code = ended.get("exitCode").and_then(Value::as_i64)?;
    Some(End { id: id(ended), code, reason: word(ended, "/reason") })
}

fn id(of: &Value) -> String {
    word(of, "/containerID").trim_start_matches("containerd://").to_owned()
}

fn word(of: &Value, at: &str) -> String {
    of.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The part of an event that never changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventIdentity {
    pub(crate) uid: String,
    /// `spec.containers{NAME}`, or empty for an event of the pod.
    pub(crate) about: String,
    pub(crate) reason: String,
    message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) identity: EventIdentity,
    pub(crate) count: u64,
    first: String,
}

/// All events with their sequence numbers, in the order of `get events`.
pub(crate) fn events(host: &Host) -> Result<Vec<(u64, Reported)>> {
    let list: Value = serde_json::from_str(&host.probelet(["get", "events", "-o", "json"])?)?;
    let items = list.get("items").and_then(Value::as_array).context("no items")?;
    items.iter().map(reported).collect()
}

fn reported(item: &Value) -> Result<(u64, Reported)> {
    let number = word(item, "/metadata/resourceVersion");
    let number = number.parse().with_context(|| format!("no sequence in {item}"))?;
    let identity = EventIdentity {
        uid: word(item, "/involvedObject/uid"),
        about: word(item, "/involvedObject/fieldPath"),
        reason: word(item, "/reason"),
        // A record keeps only the beginning of a long message.
        message: word(item, "/message").chars().take(500).collect(),
    };
    let count = item.get("count").and_then(Value::as_u64).context("no count")?;
    Ok((number, Reported { identity, count, first: word(item, "/firstTimestamp") }))
}
