//! Events, of the core group and of `events.k8s.io`: the same columns from other field names.

use serde_json::{Value, json};

use super::object::{number, since, text, text_or, time};
use super::{Column, Layout, column, wide};
use crate::time::Timestamp;

pub(super) const LAYOUT: Layout = Layout { columns: &COLUMNS, cells };

const COLUMNS: [Column; 10] = [
    column("Last Seen"),
    column("Type"),
    column("Reason"),
    column("Object"),
    wide("Subobject"),
    wide("Source"),
    column("Message"),
    wide("First Seen"),
    wide("Count"),
    wide("Name"),
];

fn cells(event: &Value, now: Timestamp) -> Vec<Value> {
    let either = |old: &str, new: &str| time(event, old).or_else(|| time(event, new));
    let first = either("/firstTimestamp", "/deprecatedFirstTimestamp")
        .or_else(|| time(event, "/eventTime"));
    let mut last = either("/lastTimestamp", "/deprecatedLastTimestamp").or(first);
    let mut count = number(event, "/count").max(number(event, "/deprecatedCount")).max(1);
    if event.get("series").is_some_and(|series| !series.is_null()) {
        last = time(event, "/series/lastObservedTime");
        count = number(event, "/series/count");
    }
    let object = if event.get("regarding").is_some() { "/regarding" } else { "/involvedObject" };
    let part = |name: &str| text(event, &format!("{object}/{name}"));
    let kind = part("kind").to_lowercase();
    let target = match part("name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let message = text_or(event, "/message", text(event, "/note"));
    vec![
        json!(since(last, now)),
        json!(text(event, "/type")),
        json!(text(event, "/reason")),
        json!(target),
        json!(part("fieldPath")),
        json!(source(event)),
        json!(message.trim()),
        json!(since(first, now)),
        json!(count),
        json!(text(event, "/metadata/name")),
    ]
}

fn source(event: &Value) -> String {
    let first = |pointers: &[&str]| {
        let mut texts = pointers.iter().map(|pointer| text(event, pointer));
        texts.find(|text| !text.is_empty()).unwrap_or_default().to_owned()
    };
    let component = first(&[
        "/source/component",
        "/deprecatedSource/component",
        "/reportingComponent",
        "/reportingController",
    ]);
    let instance = first(&["/source/host", "/deprecatedSource/host", "/reportingInstance"]);
    if instance.is_empty() { component } else { format!("{component}, {instance}") }
}
