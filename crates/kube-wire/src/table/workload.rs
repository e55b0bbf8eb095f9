//! Deployments, ReplicaSets, DaemonSets, StatefulSets, Jobs and CronJobs.

use serde_json::{Value, json};

use super::object::{NONE, age, condition, list, number, text, texts, time};
use super::{Column, Layout, column, integer, wide};
use crate::time::{Timestamp, human_duration};

const MICROS: i64 = 1_000_000;

pub(super) const DEPLOYMENT: Layout = Layout {
    columns: &[
        column("Name"),
        column("Ready"),
        integer("Up-to-date"),
        integer("Available"),
        column("Age"),
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ],
    cells: deployment,
};

pub(super) const REPLICA_SET: Layout = Layout {
    columns: &[
        column("Name"),
        integer("Desired"),
        integer("Current"),
        integer("Ready"),
        column("Age"),
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ],
    cells: replica_set,
};

pub(super) const STATEFUL_SET: Layout = Layout {
    columns: &[column("Name"), column("Ready"), column("Age"), wide("Containers"), wide("Images")],
    cells: stateful_set,
};

pub(super) const DAEMON_SET: Layout = Layout { columns: &DAEMON_SET_COLUMNS, cells: daemon_set };

const DAEMON_SET_COLUMNS: [Column; 11] = [
    column("Name"),
    integer("Desired"),
    integer("Current"),
    integer("Ready"),
    integer("Up-to-date"),
    integer("Available"),
    column("Node Selector"),
    column("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];

pub(super) const JOB: Layout = Layout {
    columns: &[
        column("Name"),
        column("Status"),
        column("Completions"),
        column("Duration"),
        column("Age"),
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ],
    cells: job,
};

pub(super) const CRON_JOB: Layout = Layout { columns: &CRON_JOB_COLUMNS, cells: cron_job };

const CRON_JOB_COLUMNS: [Column; 10] = [
    column("Name"),
    column("Schedule"),
    column("Timezone"),
    Column { name: "Suspend", kind: "boolean", wide: false },
    integer("Active"),
    column("Last Schedule"),
    column("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];

fn name(object: &Value) -> Value {
    json!(text(object, "/metadata/name"))
}

/// `spec.replicas`, which is 1 if it is absent.
fn replicas(object: &Value) -> i64 {
    object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

fn ready(object: &Value) -> Value {
    json!(format!("{}/{}", number(object, "/status/readyReplicas"), replicas(object)))
}

/// Names and images of the containers, then the selector.
fn template(object: &Value) -> [Value; 3] {
    template_of(object, object)
}

/// `owner` has the template, `object` the selector.
fn template_of(owner: &Value, object: &Value) -> [Value; 3] {
    let containers = list(owner, "/spec/template/spec/containers");
    let all =
        |field: &str| containers.iter().map(|it| text(it, field)).collect::<Vec<_>>().join(",");
    [json!(all("/name")), json!(all("/image")), json!(selector(object))]
}

fn selector(object: &Value) -> String {
    let labels = texts(object, "/spec/selector/matchLabels");
    let labels = labels.map(|(key, value)| (key.to_owned(), format!("{key}={value}")));
    let expressions = list(object, "/spec/selector/matchExpressions").iter().map(|it| {
        let mut values: Vec<_> = list(it, "/values").iter().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let (key, values) = (text(it, "/key"), values.join(","));
        let text = match text(it, "/operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        (key.to_owned(), text)
    });
    let mut parts: Vec<_> = labels.chain(expressions).collect();
    parts.sort();
    let parts: Vec<_> = parts.into_iter().map(|(_, text)| text).collect();
    if parts.is_empty() { NONE.to_owned() } else { parts.join(",") }
}

fn deployment(object: &Value, now: Timestamp) -> Vec<Value> {
    let [containers, images, selector] = template(object);
    vec![
        name(object),
        ready(object),
        json!(number(object, "/status/updatedReplicas")),
        json!(number(object, "/status/availableReplicas")),
        json!(age(object, now)),
        containers,
        images,
        selector,
    ]
}

fn replica_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let [containers, images, selector] = template(object);
    vec![
        name(object),
        json!(replicas(object)),
        json!(number(object, "/status/replicas")),
        json!(number(object, "/status/readyReplicas")),
        json!(age(object, now)),
        containers,
        images,
        selector,
    ]
}

fn stateful_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let [containers, images, _] = template(object);
    vec![name(object), ready(object), json!(age(object, now)), containers, images]
}

fn daemon_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let [containers, images, selector] = template(object);
    let status = |field: &str| json!(number(object, &format!("/status/{field}")));
    let nodes = texts(object, "/spec/template/spec/nodeSelector");
    let nodes = nodes.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
    let nodes = if nodes.is_empty() { NONE.to_owned() } else { nodes };
    vec![
        name(object),
        status("desiredNumberScheduled"),
        status("currentNumberScheduled"),
        status("numberReady"),
        status("updatedNumberScheduled"),
        status("numberAvailable"),
        json!(nodes),
        json!(age(object, now)),
        containers,
        images,
        selector,
    ]
}

fn job(object: &Value, now: Timestamp) -> Vec<Value> {
    let [containers, images, selector] = template(object);
    let succeeded = number(object, "/status/succeeded");
    let integer = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
    let completions = match (integer("/spec/completions"), integer("/spec/parallelism")) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, Some(parallelism)) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        _ => format!("{succeeded}/1"),
    };
    let duration = time(object, "/status/startTime").map(|start| {
        let end = time(object, "/status/completionTime").unwrap_or(now);
        human_duration(end.micros().saturating_sub(start.micros()) / MICROS)
    });
    let deleting = object.pointer("/metadata/deletionTimestamp").is_some_and(|it| !it.is_null());
    let status = match () {
        () if condition(object, "Complete") => "Complete",
        () if condition(object, "Failed") => "Failed",
        () if deleting => "Terminating",
        () if condition(object, "Suspended") => "Suspended",
        () if condition(object, "FailureTarget") => "FailureTarget",
        () if condition(object, "SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    };
    vec![
        name(object),
        json!(status),
        json!(completions),
        json!(duration.unwrap_or_default()),
        json!(age(object, now)),
        containers,
        images,
        selector,
    ]
}

fn cron_job(object: &Value, now: Timestamp) -> Vec<Value> {
    // The selector of its Jobs is generated for each of them.
    let job = object.pointer("/spec/jobTemplate").unwrap_or(&Value::Null);
    let [containers, images, selector] = template_of(job, job);
    let zone = text(object, "/spec/timeZone");
    let suspend = match object.pointer("/spec/suspend").and_then(Value::as_bool) {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let last = time(object, "/status/lastScheduleTime");
    vec![
        name(object),
        json!(text(object, "/spec/schedule")),
        json!(if zone.is_empty() { NONE } else { zone }),
        json!(suspend),
        json!(list(object, "/status/active").len()),
        json!(last.map_or_else(|| NONE.to_owned(), |last| last.age(now))),
        json!(age(object, now)),
        containers,
        images,
        selector,
    ]
}
