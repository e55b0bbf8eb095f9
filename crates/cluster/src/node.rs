//! The Node object: created once, then patched where it differs from the host.

use core::net::IpAddr;
use std::collections::BTreeMap;

use probelet_domain::quantity::{show_millis, show_whole};
use probelet_kube_wire::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::fields::{list, text};

/// Time after which a status is posted although nothing has changed, in microseconds.
const REPORT: i64 = 300_000_000;
/// Memory that is not given to pods, as the kubelet's default for evictions: 100 MiB.
const MEMORY_RESERVE: u64 = 100 << 20;
/// The newest minor version of Kubernetes whose protocol this node has.
const NEWEST_MINOR: u64 = 36;

/// A condition of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `Ready`, `MemoryPressure`, `DiskPressure` or `PIDPressure`.
    pub kind: &'static str,
    /// True for the status `True`.
    pub is_true: bool,
    /// Kubernetes' reason.
    pub reason: &'static str,
    /// Text for people.
    pub message: String,
}

/// What the host lacks, as it was measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Memory that is available, in bytes; `None` if it is not known.
    pub memory_available: Option<u64>,
    /// Free and all bytes of the filesystem with the daemon's data.
    pub disk: Option<(u64, u64)>,
    /// Processes and threads, and the most that there may be.
    pub pids: Option<(u64, u64)>,
}

/// The conditions of a node. `unready` is why it can start no pods.
pub fn conditions(pressure: &Pressure, unready: Option<(&'static str, String)>) -> Vec<Condition> {
    let pressure_of = |kind, is_low: bool, [low, enough]: [&'static str; 2], what: &str| {
        let (reason, has) =
            if is_low { (low, "has insufficient") } else { (enough, "has sufficient") };
        let message = format!("kubelet {has} {what}");
        Condition { kind, is_true: is_low, reason, message }
    };
    let memory = pressure.memory_available.is_some_and(|available| available < MEMORY_RESERVE);
    // A tenth, as by the kubelet's defaults for the filesystem and for processes.
    let tenth = |(free, all): (u64, u64)| free < all / 10;
    let disk = pressure.disk.is_some_and(tenth);
    let pids = pressure.pids.is_some_and(|(used, most)| tenth((most.saturating_sub(used), most)));
    let disk_reasons = ["KubeletHasDiskPressure", "KubeletHasNoDiskPressure"];
    let disk_message =
        if disk { "kubelet has disk pressure" } else { "kubelet has no disk pressure" };
    let (is_ready, reason, message) = match unready {
        Some((reason, message)) => (false, reason, message),
        None => (true, "KubeletReady", "kubelet is posting ready status".to_owned()),
    };
    vec![
        pressure_of(
            "MemoryPressure",
            memory,
            ["KubeletHasInsufficientMemory", "KubeletHasSufficientMemory"],
            "memory available",
        ),
        Condition {
            message: disk_message.to_owned(),
            ..pressure_of("DiskPressure", disk, disk_reasons, "disk")
        },
        pressure_of(
            "PIDPressure",
            pids,
            ["KubeletHasInsufficientPID", "KubeletHasSufficientPID"],
            "PID available",
        ),
        Condition { kind: "Ready", is_true: is_ready, reason, message },
    ]
}

/// The host, as its Node describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// Name of the node.
    pub name: String,
    /// Addresses at which the node is reached.
    pub addresses: Vec<IpAddr>,
    /// Thousandths of cores.
    pub cpu: u64,
    /// Memory in bytes.
    pub memory: u64,
    /// Bytes of the filesystem with the daemon's data.
    pub disk: u64,
    /// Most pods.
    pub pods: u64,
    /// Requests of pods that are no pods of the cluster: thousandths of cores, bytes, and how many
    /// there are. The scheduler cannot see them.
    pub local: (u64, u64, u64),
    /// The machine's ID.
    pub machine_id: String,
    /// The firmware's ID of the machine; empty if it cannot be read.
    pub system_uuid: String,
    /// The kernel's ID of this boot.
    pub boot_id: String,
    /// Version of the kernel.
    pub kernel: String,
    /// Name of the operating system.
    pub os_image: String,
    /// Version of the container runtime.
    pub runtime: String,
    /// Version of the node agent: see [`version`].
    pub version: String,
    /// Architecture as Go names it.
    pub architecture: String,
    /// Labels that the configuration adds at the registration.
    pub labels: BTreeMap<String, String>,
    /// Taints that the configuration adds at the registration.
    pub taints: Vec<Value>,
}

/// The version of a node at a server of this minor version: a node may not be newer than its server.
pub fn version(server_minor: Option<u64>, own: &str) -> String {
    let minor = server_minor.unwrap_or(NEWEST_MINOR).min(NEWEST_MINOR);
    format!("v1.{minor}.0+probelet.{own}")
}

/// What is done for the Node.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeStep {
    /// Nothing differs.
    Nothing,
    /// The Node does not exist.
    Create(Value),
    /// A strategic merge patch of the Node, for its labels.
    PatchLabels(Value),
    /// A strategic merge patch of the Node's status.
    PatchStatus(Value),
}

/// The next step of the Node. `seen` is the Node as the API has it, `posted` when its status was last
/// posted by this daemon.
pub fn next(
    seen: Option<&Value>,
    facts: &NodeFacts,
    conditions: &[Condition],
    posted: Option<Timestamp>,
    now: Timestamp,
) -> NodeStep {
    let Some(seen) = seen else { return NodeStep::Create(create(facts, conditions, now)) };
    if let Some(patch) = labels_patch(seen, facts) {
        return NodeStep::PatchLabels(patch);
    }
    let age = posted.map(|posted| now.micros().saturating_sub(posted.micros()));
    // A clock that was set back counts as a long time.
    let is_due = age.is_none_or(|age| !(0..REPORT).contains(&age));
    if !is_due && !differs(seen, &status(facts, conditions, Some(seen), now)) {
        return NodeStep::Nothing;
    }
    let mut status = status(facts, conditions, Some(seen), now);
    // Addresses are merged by their type, and there may be two of one type.
    if let Some(addresses) = status.get_mut("addresses").and_then(Value::as_array_mut) {
        addresses.push(json!({"$patch": "replace"}));
    }
    NodeStep::PatchStatus(json!({"status": status}))
}

/// Why this daemon does not take the Node of its name: another machine holds it and is alive.
pub fn is_taken(seen: &Value, lease: Option<&Value>, facts: &NodeFacts, now: Timestamp) -> bool {
    let machine = text(seen, "/status/nodeInfo/machineID");
    let is_other = !machine.is_empty() && machine != facts.machine_id;
    is_other && lease.is_some_and(|lease| crate::lease::is_alive(lease, now))
}

/// Labels that each node has.
fn default_labels(facts: &NodeFacts) -> Map<String, Value> {
    let mut labels: Map<String, Value> =
        facts.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    for (key, value) in [
        ("kubernetes.io/arch", facts.architecture.as_str()),
        ("kubernetes.io/hostname", &facts.name),
        ("kubernetes.io/os", "linux"),
    ] {
        labels.insert(key.to_owned(), json!(value));
    }
    labels
}

fn create(facts: &NodeFacts, conditions: &[Condition], now: Timestamp) -> Value {
    let mut node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": facts.name, "labels": default_labels(facts)},
        "spec": {},
        "status": status(facts, conditions, None, now),
    });
    if let Some(spec) = node.get_mut("spec").and_then(Value::as_object_mut)
        && !facts.taints.is_empty()
    {
        spec.insert("taints".to_owned(), json!(facts.taints));
    }
    node
}

/// A patch of the labels that each node has, if one of them differs. Labels of the configuration are
/// set at the registration only: an administrator may have changed them since.
fn labels_patch(seen: &Value, facts: &NodeFacts) -> Option<Value> {
    let mut wanted = default_labels(&NodeFacts { labels: BTreeMap::new(), ..facts.clone() });
    let labels = seen.pointer("/metadata/labels");
    wanted.retain(|key, value| labels.and_then(|labels| labels.get(key)) != Some(value));
    (!wanted.is_empty()).then(|| json!({"metadata": {"labels": wanted}}))
}

fn status(
    facts: &NodeFacts,
    conditions: &[Condition],
    seen: Option<&Value>,
    now: Timestamp,
) -> Value {
    let mut addresses: Vec<Value> = facts
        .addresses
        .iter()
        .map(|address| json!({"type": "InternalIP", "address": address.to_string()}))
        .collect();
    addresses.push(json!({"type": "Hostname", "address": facts.name}));
    let (cpu, memory, pods) = facts.local;
    let amounts = |cpu: u64, memory: u64, disk: u64, pods: u64| {
        json!({
            "cpu": show_millis(cpu),
            "memory": show_whole(memory),
            "ephemeral-storage": show_whole(disk),
            "pods": pods.to_string(),
        })
    };
    let free = facts.memory.saturating_sub(MEMORY_RESERVE).saturating_sub(memory);
    json!({
        "addresses": addresses,
        "capacity": amounts(facts.cpu, facts.memory, facts.disk, facts.pods),
        "allocatable": amounts(
            facts.cpu.saturating_sub(cpu),
            free,
            facts.disk.saturating_sub(facts.disk / 10),
            facts.pods.saturating_sub(pods),
        ),
        "conditions": conditions.iter().map(|one| condition(one, seen, now)).collect::<Vec<_>>(),
        "nodeInfo": {
            "architecture": facts.architecture,
            "bootID": facts.boot_id,
            "containerRuntimeVersion": facts.runtime,
            "kernelVersion": facts.kernel,
            "kubeProxyVersion": "",
            "kubeletVersion": facts.version,
            "machineID": facts.machine_id,
            "operatingSystem": "linux",
            "osImage": facts.os_image,
            "systemUUID": facts.system_uuid,
        },
    })
}

/// A condition keeps the time of its last change while its status is the same.
fn condition(condition: &Condition, seen: Option<&Value>, now: Timestamp) -> Value {
    let status = if condition.is_true { "True" } else { "False" };
    let mut before = seen.into_iter().flat_map(|seen| list(seen, "/status/conditions"));
    let same =
        before.find(|it| text(it, "/type") == condition.kind && text(it, "/status") == status);
    let since = same.map(|same| text(same, "/lastTransitionTime")).filter(|at| !at.is_empty());
    let now = now.to_seconds_text();
    json!({
        "type": condition.kind,
        "status": status,
        "reason": condition.reason,
        "message": condition.message,
        "lastHeartbeatTime": now,
        "lastTransitionTime": since.unwrap_or(&now),
    })
}

/// True if the API's status differs in more than the times of heartbeats.
fn differs(seen: &Value, wanted: &Value) -> bool {
    let fields = ["addresses", "capacity", "allocatable", "nodeInfo"];
    let has = |field: &&str| {
        let seen = seen.pointer(&format!("/status/{field}"));
        match (wanted.get(*field), seen) {
            // A newer server may add fields, such as other resources.
            (Some(Value::Object(wanted)), Some(Value::Object(seen))) => {
                wanted.iter().all(|(key, value)| match value {
                    Value::String(text) if text.is_empty() => {
                        seen.get(key).is_none_or(|seen| seen == value)
                    }
                    value => seen.get(key) == Some(value),
                })
            }
            (wanted, seen) => wanted == seen,
        }
    };
    let same_condition = |wanted: &Value| {
        let mut all = list(seen, "/status/conditions").iter();
        let same = |it: &&Value| {
            ["/type", "/status", "/reason", "/message"]
                .iter()
                .all(|field| text(it, field) == text(wanted, field))
        };
        all.any(|it| same(&it))
    };
    !fields.iter().all(has) || !list(wanted, "/conditions").iter().all(same_condition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> NodeFacts {
        NodeFacts {
            name: "edge-1".into(),
            addresses: vec!["10.0.0.7".parse().unwrap(), "fd00::7".parse().unwrap()],
            cpu: 4000,
            memory: 4 << 30,
            disk: 100 << 30,
            pods: 110,
            local: (500, 1 << 30, 2),
            machine_id: "m1".into(),
            system_uuid: String::new(),
            boot_id: "b1".into(),
            kernel: "6.1".into(),
            os_image: "Debian".into(),
            runtime: "containerd://2.0.0".into(),
            version: version(Some(35), "0.1.0"),
            architecture: "amd64".into(),
            labels: BTreeMap::from([("site".into(), "north".into())]),
            taints: vec![
                json!({"key": "probelet.io/node", "value": "true", "effect": "NoSchedule"}),
            ],
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn ready() -> Vec<Condition> {
        conditions(&Pressure::default(), None)
    }

    fn created(now: i64) -> Value {
        match next(None, &facts(), &ready(), None, at(now)) {
            NodeStep::Create(node) => node,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_node_is_created_with_what_pods_of_the_cluster_can_have() {
        let node = created(100);
        assert_eq!(node["metadata"]["labels"]["kubernetes.io/hostname"], "edge-1");
        assert_eq!(node["metadata"]["labels"]["site"], "north");
        assert_eq!(node["spec"]["taints"][0]["effect"], "NoSchedule");
        assert_eq!(node["status"]["capacity"]["cpu"], "4");
        assert_eq!(node["status"]["allocatable"]["cpu"], "3500m");
        assert_eq!(node["status"]["allocatable"]["pods"], "108");
        assert_eq!(node["status"]["allocatable"]["memory"], "2972Mi");
        assert_eq!(node["status"]["allocatable"]["ephemeral-storage"], "90Gi");
        assert_eq!(node["status"]["nodeInfo"]["kubeletVersion"], "v1.35.0+probelet.0.1.0");
        assert_eq!(node["status"]["addresses"][1]["address"], "fd00::7");
        assert_eq!(node["status"]["conditions"][3]["reason"], "KubeletReady");
    }

    #[test]
    fn a_status_is_posted_when_it_differs_and_each_five_minutes() {
        let (node, facts) = (created(100), facts());
        let posted = Some(at(100));
        let step = |node: &Value, facts: &NodeFacts, conditions: &[Condition], now| {
            next(Some(node), facts, conditions, posted, at(now))
        };
        assert_eq!(step(&node, &facts, &ready(), 399), NodeStep::Nothing);
        assert!(matches!(step(&node, &facts, &ready(), 400), NodeStep::PatchStatus(_)));
        // The clock was set back.
        assert!(matches!(step(&node, &facts, &ready(), 99), NodeStep::PatchStatus(_)));
        let other = NodeFacts { boot_id: "b2".into(), ..facts.clone() };
        assert!(matches!(step(&node, &other, &ready(), 110), NodeStep::PatchStatus(_)));
        let unready = conditions(&Pressure::default(), Some(("KubeletNotReady", "x".into())));
        let NodeStep::PatchStatus(patch) = step(&node, &facts, &unready, 110) else { panic!() };
        let ready = &patch["status"]["conditions"][3];
        assert_eq!(
            (&ready["status"], &ready["lastTransitionTime"]),
            (&json!("False"), &json!("1970-01-01T00:01:50Z"))
        );
        // The others have not changed.
        assert_eq!(patch["status"]["conditions"][0]["lastTransitionTime"], "1970-01-01T00:01:40Z");
        assert_eq!(patch["status"]["addresses"][3], json!({"$patch": "replace"}));
        // The node controller writes the conditions of a node that is silent.
        let mut unknown = node.clone();
        unknown["status"]["conditions"][3]["status"] = json!("Unknown");
        assert!(matches!(step(&unknown, &facts, &self::ready(), 110), NodeStep::PatchStatus(_)));
    }

    #[test]
    fn labels_of_the_configuration_are_set_once() {
        let mut node = created(100);
        node["metadata"]["labels"]["site"] = json!("south");
        assert_eq!(
            next(Some(&node), &facts(), &ready(), Some(at(100)), at(101)),
            NodeStep::Nothing
        );
        node["metadata"]["labels"] = json!({"kubernetes.io/os": "linux"});
        let NodeStep::PatchLabels(patch) =
            next(Some(&node), &facts(), &ready(), Some(at(100)), at(101))
        else {
            panic!("no labels are set");
        };
        assert_eq!(
            patch["metadata"]["labels"],
            json!({"kubernetes.io/arch": "amd64", "kubernetes.io/hostname": "edge-1"})
        );
    }

    #[test]
    fn a_version_is_not_newer_than_the_servers() {
        for (server, expected) in [(Some(34), "v1.34.0"), (Some(40), "v1.36.0"), (None, "v1.36.0")]
        {
            assert!(version(server, "0.1.0").starts_with(expected));
        }
    }

    #[test]
    fn pressure_has_the_kubelets_thresholds() {
        let low = Pressure {
            memory_available: Some((100 << 20) - 1),
            disk: Some((9, 100)),
            pids: Some((91, 100)),
        };
        let enough = Pressure {
            memory_available: Some(100 << 20),
            disk: Some((10, 100)),
            pids: Some((90, 100)),
        };
        let truths = |pressure: &Pressure| -> Vec<_> {
            conditions(pressure, None).iter().map(|it| (it.is_true, it.reason)).collect()
        };
        assert_eq!(
            truths(&low)[..3],
            [
                (true, "KubeletHasInsufficientMemory"),
                (true, "KubeletHasDiskPressure"),
                (true, "KubeletHasInsufficientPID"),
            ]
        );
        assert_eq!(
            truths(&enough)[..3],
            [
                (false, "KubeletHasSufficientMemory"),
                (false, "KubeletHasNoDiskPressure"),
                (false, "KubeletHasSufficientPID"),
            ]
        );
        let texts: Vec<_> = conditions(&enough, None).into_iter().map(|it| it.message).collect();
        assert_eq!(
            texts,
            [
                "kubelet has sufficient memory available",
                "kubelet has no disk pressure",
                "kubelet has sufficient PID available",
                "kubelet is posting ready status",
            ]
        );
    }

    #[test]
    fn a_name_belongs_to_the_machine_whose_lease_moves() {
        let lease = |seconds: i64| json!({"spec": {"renewTime": at(seconds).to_micros_text()}});
        let node = |machine: &str| json!({"status": {"nodeInfo": {"machineID": machine}}});
        for (machine, renewed, taken) in [
            ("m2", Some(95), true),
            ("m1", Some(95), false),
            ("", Some(95), false),
            // The other machine is gone: its name is taken over.
            ("m2", Some(10), false),
            ("m2", None, false),
        ] {
            let lease = renewed.map(lease);
            assert_eq!(is_taken(&node(machine), lease.as_ref(), &facts(), at(100)), taken);
        }
    }
}
