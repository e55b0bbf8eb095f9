use proptest::prelude::*;
use serde_json::json;

use super::*;

/// kubectl's own columns, which the command line is tested with too.
const VECTORS: &str = include_str!("../../../cli/src/get-columns.jsonl");
const NOW: &str = "2026-08-21T12:00:00Z";

fn now() -> Timestamp {
    Timestamp::parse(NOW).unwrap()
}

fn ago(seconds: i64) -> String {
    Timestamp::from_micros(now().micros() - seconds * 1_000_000).to_seconds_text()
}

fn tables(group: &str, resource: &str, include: IncludeObject) -> Tables {
    let options = TableOptions { version: MetaVersion::V1, include };
    Tables::of(&GroupResource::new(group, resource), options)
}

fn cells(group: &str, resource: &str, object: &Value) -> Vec<Value> {
    let table = tables(group, resource, IncludeObject::None).object(object, now(), true);
    let cells = table["rows"][0]["cells"].as_array().unwrap().clone();
    assert_eq!(cells.len(), table["columnDefinitions"].as_array().unwrap().len());
    cells
}

fn status(i: usize, c: &Value) -> Value {
    let state = match c["st"].as_str().unwrap() {
        "running" => json!({"running": {}}),
        "waiting" => json!({"waiting": {"reason": c["reason"]}}),
        _ => json!({"terminated": {
            "reason": c["reason"], "exitCode": c["exit"], "signal": c.get("signal"),
        }}),
    };
    let mut status = json!({
        "name": format!("c{i}"), "state": state, "ready": c.get("ready") == Some(&json!(true)),
        "started": c.get("started"), "restartCount": c["rc"],
    });
    if let Some(seconds) = c.get("last_ago").and_then(Value::as_i64) {
        status["lastState"] = json!({"terminated": {"exitCode": 1, "finishedAt": ago(seconds)}});
    }
    status
}

fn pod(vector: &Value) -> Value {
    let list = |key: &str| vector.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let (init, regular) = (list("init"), list("c"));
    let spec = |(i, c): (usize, &Value)| {
        let policy = c.get("sidecar").map(|_| "Always");
        json!({"name": format!("c{i}"), "restartPolicy": policy})
    };
    // One vector has no statuses, but a pod has at least one container.
    let blank = vec![json!({})];
    let specs = if regular.is_empty() { &blank } else { &regular };
    let statuses = |list: &[Value]| -> Vec<Value> {
        list.iter().enumerate().map(|(i, c)| status(i, c)).collect()
    };
    json!({
        "metadata": {"name": "p", "deletionTimestamp": vector.get("deleted").map(|_| NOW)},
        "spec": {
            "initContainers": init.iter().enumerate().map(spec).collect::<Vec<_>>(),
            "containers": specs.iter().enumerate().map(spec).collect::<Vec<_>>(),
        },
        "status": {
            "phase": vector["phase"], "reason": vector.get("podreason"),
            "conditions": [{
                "type": "Ready", "status": if vector["ready"] == true { "True" } else { "False" },
            }],
            "initContainerStatuses": statuses(&init), "containerStatuses": statuses(&regular),
        },
    })
}

#[test]
fn pods_are_printed_as_kubectl_prints_them() {
    let mut rows = 0;
    for line in VECTORS.lines().filter(|line| !line.trim().is_empty()) {
        let vector: Value = serde_json::from_str(line).unwrap();
        let cells = cells("", "pods", &pod(&vector));
        let expected = ["READY", "STATUS", "RESTARTS"].map(|key| vector[key].clone());
        assert_eq!(cells[1..4], expected, "{}", vector["id"]);
        rows += 1;
    }
    assert_eq!(rows, 22);
}

#[test]
fn the_wide_columns_of_pods() {
    let mut pod = json!({
        "metadata": {"name": "web", "creationTimestamp": ago(200)},
        "spec": {"nodeName": "n", "containers": [{}], "readinessGates": [
            {"conditionType": "a"}, {"conditionType": "b"},
        ]},
        "status": {
            "phase": "Running", "podIPs": [{"ip": "10.0.0.7"}], "podIP": "10.0.0.7",
            "conditions": [{"type": "a", "status": "True"}],
        },
    });
    assert_eq!(
        cells("", "pods", &pod),
        ["web", "0/1", "Running", "0", "3m20s", "10.0.0.7", "n", "<none>", "1/2"]
    );
    let waiting = |reason: &str| json!({"state": {"waiting": {"reason": reason}}});
    pod["status"]["containerStatuses"] = json!([waiting("First"), waiting("Second")]);
    assert_eq!(cells("", "pods", &pod)[2], "First", "the first container decides");
    pod["status"]["containerStatuses"] = json!([{"restartCount": i64::MAX}, {"restartCount": 9}]);
    assert_eq!(cells("", "pods", &pod)[3], i64::MAX.to_string());
    pod["status"]["containerStatuses"] = json!([]);
    pod["status"]["conditions"] =
        json!([{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]);
    assert_eq!(cells("", "pods", &pod)[2], "SchedulingGated");
    assert_eq!(
        cells("", "pods", &json!({})),
        ["", "0/0", "", "0", "<unknown>", "<none>", "<none>", "<none>", "<none>"]
    );
}

#[test]
fn events_of_both_groups() {
    let core = json!({
        "metadata": {"name": "web.17"}, "type": "Warning", "reason": "Unhealthy",
        "involvedObject": {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{app}"},
        "source": {"component": "probelet", "host": "n"}, "message": " it failed\n",
        "firstTimestamp": ago(300), "lastTimestamp": ago(30), "count": 4,
    });
    let expected = json!([
        "30s",
        "Warning",
        "Unhealthy",
        "pod/web",
        "spec.containers{app}",
        "probelet, n",
        "it failed",
        "5m",
        4,
        "web.17",
    ]);
    assert_eq!(json!(cells("", "events", &core)), expected);
    let new = json!({
        "metadata": {"name": "web.17"}, "type": "Warning", "reason": "Unhealthy",
        "regarding": {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{app}"},
        "deprecatedSource": {"component": "probelet", "host": "n"}, "note": "it failed",
        "deprecatedFirstTimestamp": ago(300), "deprecatedLastTimestamp": ago(30),
        "deprecatedCount": 4,
    });
    assert_eq!(json!(cells("events.k8s.io", "events", &new)), expected);
    let series = json!({
        "eventTime": ago(90), "reportingComponent": "k", "involvedObject": {"kind": "Node"},
        "series": {"count": 9, "lastObservedTime": ago(5)},
    });
    assert_eq!(
        json!(cells("", "events", &series)),
        json!(["5s", "", "", "node", "", "k", "", "90s", 9, ""])
    );
    let single = json!({"eventTime": "2026-08-21T11:59:50.123456Z"});
    let cells = cells("", "events", &single);
    assert_eq!((&cells[0], &cells[8]), (&json!("9s"), &json!(1)));
}

#[test]
fn nodes() {
    let node = json!({
        "metadata": {"name": "n", "creationTimestamp": ago(7200), "labels": {
            "node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge", "x": "y",
        }},
        "spec": {"unschedulable": true},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "Hostname", "address": "n"},
                          {"type": "InternalIP", "address": "10.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Debian",
                         "containerRuntimeVersion": "containerd://2.0"},
        },
    });
    assert_eq!(
        cells("", "nodes", &node),
        [
            "n",
            "Ready,SchedulingDisabled",
            "edge,worker",
            "120m",
            "v1.36.0",
            "10.0.0.1",
            "<none>",
            "Debian",
            "<unknown>",
            "containerd://2.0",
        ]
    );
    let status =
        |status: &str| json!({"status": {"conditions": [{"type": "Ready", "status": status}]}});
    assert_eq!(cells("", "nodes", &status("False"))[1], "NotReady");
    assert_eq!(cells("", "nodes", &json!({}))[1..3], ["Unknown", "<none>"]);
}

#[test]
fn other_resources() {
    let meta = json!({"name": "x", "creationTimestamp": ago(60)});
    let rows = [
        ("", "namespaces", json!({"status": {"phase": "Active"}}), json!(["x", "Active", "60s"])),
        (
            "",
            "configmaps",
            json!({"data": {"a": "1"}, "binaryData": {"b": ""}}),
            json!(["x", 2, "60s"]),
        ),
        (
            "",
            "secrets",
            json!({"type": "Opaque", "data": {"a": ""}}),
            json!(["x", "Opaque", 1, "60s"]),
        ),
        ("example.com", "things", json!({}), json!(["x", "60s"])),
        (
            "",
            "services",
            json!({"spec": {
                "type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": [{"port": 443}],
            }}),
            json!(["x", "ClusterIP", "10.0.0.1", "<none>", "443/TCP", "60s", "<none>"]),
        ),
        (
            "apps",
            "deployments",
            json!({
                "spec": {
                    "replicas": 1, "selector": {"matchLabels": {"app": "x", "a": "b"}},
                    "template": {"spec": {"containers": [
                        {"name": "c", "image": "i"}, {"name": "d", "image": "j"},
                    ]}},
                },
                "status": {"readyReplicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
            }),
            json!(["x", "1/1", 1, 1, "60s", "c,d", "i,j", "a=b,app=x"]),
        ),
        ("apps", "statefulsets", json!({}), json!(["x", "0/1", "60s", "", ""])),
        (
            "batch",
            "jobs",
            json!({
                "spec": {"completions": 1, "selector": {"matchExpressions": [
                    {"key": "k", "operator": "In", "values": ["b", "a"]},
                ]}},
                "status": {
                    "succeeded": 1, "startTime": ago(50), "completionTime": ago(40),
                    "conditions": [{"type": "Complete", "status": "True"}],
                },
            }),
            json!(["x", "Complete", "1/1", "10s", "60s", "", "", "k in (a,b)"]),
        ),
        (
            "batch",
            "cronjobs",
            json!({
                "spec": {
                    "schedule": "*/5 * * * *", "suspend": false,
                    "jobTemplate": {"spec": {"template": {"spec": {"containers": [
                        {"name": "c", "image": "i"},
                    ]}}}},
                },
                "status": {"active": [{"name": "x-1"}], "lastScheduleTime": ago(20)},
            }),
            json!(["x", "*/5 * * * *", "<none>", "False", 1, "20s", "60s", "c", "i", "<none>"]),
        ),
    ];
    for (group, resource, mut object, expected) in rows {
        object["metadata"] = meta.clone();
        assert_eq!(json!(cells(group, resource, &object)), expected, "{resource}");
    }
}

#[test]
fn every_layout_has_a_cell_for_each_column() {
    for (group, resource, _) in LAYOUTS {
        cells(group, resource, &json!({}));
        cells(group, resource, &json!([1, "a", null]));
    }
}

#[test]
fn a_table_of_a_list() {
    let pod = json!({"metadata": {"name": "web", "namespace": "a"}, "spec": {"containers": [{}]}});
    let metadata =
        json!({"resourceVersion": "7", "continue": "c", "remainingItemCount": 3, "x": 1});
    let list = |include| {
        tables("", "pods", include).list(&metadata, std::iter::once(Cow::Borrowed(&pod)), now())
    };
    let table = list(IncludeObject::Metadata);
    assert_eq!((&table["kind"], &table["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
    assert_eq!(
        table["metadata"],
        json!({"resourceVersion": "7", "continue": "c", "remainingItemCount": 3})
    );
    assert_eq!(
        table["columnDefinitions"][0],
        json!({"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0})
    );
    assert_eq!(table["columnDefinitions"][5]["priority"], 1);
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(table["rows"][0]["object"]["metadata"], pod["metadata"]);
    let whole = list(IncludeObject::Object);
    assert_eq!(whole["rows"][0]["object"], pod);
    let without = tables("", "pods", IncludeObject::None).object(&pod, now(), false);
    assert_eq!(without["rows"][0].get("object"), None);
    assert_eq!(without["columnDefinitions"], json!([]));
}

/// Values with the keys that the cells read.
fn object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!("2026-08-21T12:00:00Z")),
        "\\PC{0,5}".prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "metadata",
        "spec",
        "status",
        "containers",
        "containerStatuses",
        "initContainerStatuses",
        "state",
        "lastState",
        "terminated",
        "waiting",
        "reason",
        "restartCount",
        "exitCode",
        "finishedAt",
        "series",
        "count",
        "startTime",
        "completionTime",
        "creationTimestamp",
        "replicas",
        "ports",
        "port",
        "name",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| map.into_iter().map(|(key, it)| (key.to_owned(), it)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_object_makes_it_panic(object in object(), micros: i64) {
        for (group, resource, _) in LAYOUTS {
            let tables = tables(group, resource, IncludeObject::Metadata);
            tables.object(&object, Timestamp::from_micros(micros), true);
        }
    }
}
