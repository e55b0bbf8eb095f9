//! Resources with few columns.

use serde_json::{Value, json};

use super::object::{NONE, age, list, number, text, text_or, texts};
use super::{Column, Layout, column, integer, wide};
use crate::time::Timestamp;

pub(super) const NAME_AND_AGE: Layout =
    Layout { columns: &[column("Name"), column("Age")], cells: name_and_age };
pub(super) const NAMESPACE: Layout =
    Layout { columns: &[column("Name"), column("Status"), column("Age")], cells: namespace };
pub(super) const CONFIG_MAP: Layout =
    Layout { columns: &[column("Name"), integer("Data"), column("Age")], cells: config_map };
pub(super) const SECRET: Layout = Layout {
    columns: &[column("Name"), column("Type"), integer("Data"), column("Age")],
    cells: secret,
};
pub(super) const SERVICE: Layout = Layout { columns: &SERVICE_COLUMNS, cells: service };

const SERVICE_COLUMNS: [Column; 7] = [
    column("Name"),
    column("Type"),
    column("Cluster-IP"),
    column("External-IP"),
    column("Port(s)"),
    column("Age"),
    wide("Selector"),
];

fn name(object: &Value) -> Value {
    json!(text(object, "/metadata/name"))
}

/// The cells of any other resource.
fn name_and_age(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), json!(age(object, now))]
}

fn namespace(namespace: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(namespace), json!(text(namespace, "/status/phase")), json!(age(namespace, now))]
}

fn entries(object: &Value, field: &str) -> usize {
    object.get(field).and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

fn config_map(map: &Value, now: Timestamp) -> Vec<Value> {
    let data = entries(map, "data") + entries(map, "binaryData");
    vec![name(map), json!(data), json!(age(map, now))]
}

fn secret(secret: &Value, now: Timestamp) -> Vec<Value> {
    let kind = text(secret, "/type");
    vec![name(secret), json!(kind), json!(entries(secret, "data")), json!(age(secret, now))]
}

fn service(service: &Value, now: Timestamp) -> Vec<Value> {
    let ports = list(service, "/spec/ports").iter().map(|port| {
        let node = number(port, "/nodePort");
        let node = if node > 0 { format!(":{node}") } else { String::new() };
        let protocol = text_or(port, "/protocol", "TCP");
        format!("{}{node}/{protocol}", number(port, "/port"))
    });
    let ports = or_none(ports.collect::<Vec<_>>().join(","));
    let selector = texts(service, "/spec/selector").map(|(key, value)| format!("{key}={value}"));
    let external = list(service, "/spec/externalIPs").iter().filter_map(Value::as_str);
    vec![
        name(service),
        json!(text(service, "/spec/type")),
        json!(text_or(service, "/spec/clusterIP", NONE)),
        json!(or_none(external.collect::<Vec<_>>().join(","))),
        json!(ports),
        json!(age(service, now)),
        json!(or_none(selector.collect::<Vec<_>>().join(","))),
    ]
}

fn or_none(text: String) -> String {
    if text.is_empty() { NONE.to_owned() } else { text }
}
