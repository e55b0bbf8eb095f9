//! Whether this node admits a pod that was bound to it.
//!
//! A rejected pod has failed, and its controller makes another one at once. So only what the scheduler
//! would have known is a reason: what the host cannot do for other reasons keeps a pod waiting.

use std::collections::BTreeSet;

use probelet_domain::quantity;
use serde_json::Value;

use crate::fields::{list, text, texts};
use crate::pod::BoundPod;

/// Why a pod is not admitted, in the kubelet's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Kubernetes' reason, such as `OutOfcpu`.
    pub reason: &'static str,
    /// Text for people.
    pub message: String,
}

/// Decides about a pod. `admitted` are the other pods of the cluster that this node has admitted and
/// that are not over.
///
/// # Errors
///
/// The first reason for which the scheduler would not have bound the pod to this node.
pub fn admit(pod: BoundPod<'_>, node: &Value, admitted: &[BoundPod<'_>]) -> Result<(), Rejection> {
    let object = pod.object();
    let failed = |reason: &'static str, why: &str| {
        Err(Rejection { reason, message: format!("Predicate {reason} failed: {why}") })
    };
    fits(object, node, admitted)?;
    if !selects(object, node) {
        return failed("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
    }
    let name = text(object, "/spec/nodeName");
    if !name.is_empty() && name != text(node, "/metadata/name") {
        return failed("NodeName", "node(s) didn't match the requested node name");
    }
    let ports = host_ports(object);
    let conflicts = |other: &BoundPod<'_>| {
        let others = host_ports(other.object());
        ports.iter().any(|port| others.iter().any(|other| port.conflicts(other)))
    };
    if admitted.iter().any(conflicts) {
        return failed("NodePorts", "node(s) didn't have free ports for the requested pod ports");
    }
    let tolerations = list(object, "/spec/tolerations");
    let evicts = |taint: &&Value| text(taint, "/effect") == "NoExecute";
    let mut taints = list(node, "/spec/taints").iter().filter(evicts);
    if taints.any(|taint| !tolerations.iter().any(|it| tolerates(it, taint))) {
        return failed("TaintToleration", "node(s) had taints that the pod didn't tolerate");
    }
    let os = text(object, "/spec/os/name");
    if !os.is_empty() && os != "linux" {
        let message = "Failed to admit pod as the OS field doesn't match node OS";
        return Err(Rejection { reason: "PodOSNotSupported", message: message.to_owned() });
    }
    Ok(())
}

/// Requests of a pod: thousandths of cores, bytes of memory and of ephemeral storage.
type Amounts = [u64; 3];

const RESOURCES: [(&str, &str); 3] = [
    ("cpu", "OutOfcpu"),
    ("memory", "OutOfmemory"),
    ("ephemeral-storage", "OutOfephemeral-storage"),
];

fn fits(pod: &Value, node: &Value, admitted: &[BoundPod<'_>]) -> Result<(), Rejection> {
    let short = |reason, resource: &str, requested: u64, used: u64, capacity: u64| {
        let message = format!(
            "Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, \
             capacity: {capacity}"
        );
        Err(Rejection { reason, message })
    };
    // A Node that does not say how much it has is not full.
    let allocatable = |resource: &str| amount(node.pointer("/status/allocatable")?, resource);
    let used_pods = u64::try_from(admitted.len()).unwrap_or(u64::MAX);
    if let Some(most) = allocatable("pods").filter(|most| used_pods >= *most) {
        return short("OutOfpods", "pods", 1, used_pods, most);
    }
    let requested = requests(pod);
    let mut used: Amounts = [0; 3];
    for other in admitted {
        used = sum(used, requests(other.object()));
    }
    for ((resource, reason), (requested, used)) in
        RESOURCES.iter().zip(requested.into_iter().zip(used))
    {
        let Some(capacity) = allocatable(resource) else { continue };
        if requested > 0 && requested.saturating_add(used) > capacity {
            return short(reason, resource, requested, used, capacity);
        }
    }
    Ok(())
}

/// An amount in the units of [`Amounts`]; pods are counted.
fn amount(amounts: &Value, resource: &str) -> Option<u64> {
    let value = match amounts.get(resource)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    match resource {
        "cpu" => quantity::millis(&value).ok(),
        _ => quantity::whole(&value).ok(),
    }
}

fn sum(one: Amounts, other: Amounts) -> Amounts {
    let [a, b, c] = one;
    let [x, y, z] = other;
    [a.saturating_add(x), b.saturating_add(y), c.saturating_add(z)]
}

fn max(one: Amounts, other: Amounts) -> Amounts {
    let [a, b, c] = one;
    let [x, y, z] = other;
    [a.max(x), b.max(y), c.max(z)]
}

/// What a pod requests: the sum of its containers and sidecars, or the most that an init container
/// requests beside the sidecars before it.
fn requests(pod: &Value) -> Amounts {
    let of = |container: &Value| {
        let of = |resource: &str| {
            let requests = container.pointer("/resources/requests");
            requests.and_then(|requests| amount(requests, resource)).unwrap_or_default()
        };
        RESOURCES.map(|(resource, _)| of(resource))
    };
    let mut sidecars: Amounts = [0; 3];
    let mut first: Amounts = [0; 3];
    for container in list(pod, "/spec/initContainers") {
        let own = of(container);
        let beside = sum(sidecars, own);
        if text(container, "/restartPolicy") == "Always" {
            sidecars = beside;
        }
        first = max(first, beside);
    }
    let regular = list(pod, "/spec/containers").iter().map(of).fold(sidecars, sum);
    let overhead = pod.pointer("/spec/overhead").map_or([0; 3], |overhead| {
        RESOURCES.map(|(resource, _)| amount(overhead, resource).unwrap_or_default())
    });
    sum(max(first, regular), overhead)
}

/// True if the node has the labels that the pod asks for.
fn selects(pod: &Value, node: &Value) -> bool {
    let label = |key: &str| texts(node, "/metadata/labels").find(|(name, _)| *name == key);
    let mut wanted = texts(pod, "/spec/nodeSelector");
    if !wanted.all(|(key, value)| label(key) == Some((key, value))) {
        return false;
    }
    const TERMS: &str =
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    let Some(required) = pod.pointer(TERMS).filter(|required| !required.is_null()) else {
        return true;
    };
    let name = text(node, "/metadata/name");
    list(required, "/nodeSelectorTerms").iter().any(|term| {
        let labels = list(term, "/matchExpressions");
        let fields = list(term, "/matchFields");
        // A term without a requirement selects nothing.
        !(labels.is_empty() && fields.is_empty())
            && labels.iter().all(|it| matches(it, label(text(it, "/key")).map(|(_, value)| value)))
            && fields.iter().all(|it| {
                let is_name = text(it, "/key") == "metadata.name";
                matches(it, is_name.then_some(name))
            })
    })
}

fn matches(requirement: &Value, value: Option<&str>) -> bool {
    let values = list(requirement, "/values");
    let is_listed = || values.iter().any(|it| it.as_str() == value);
    let compared = || {
        let limit: i64 = values.first()?.as_str()?.parse().ok()?;
        let value: i64 = value?.parse().ok()?;
        Some(value.cmp(&limit))
    };
    match text(requirement, "/operator") {
        "In" => value.is_some() && is_listed(),
        "NotIn" => value.is_none() || !is_listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compared() == Some(std::cmp::Ordering::Greater),
        "Lt" => compared() == Some(std::cmp::Ordering::Less),
        _ => false,
    }
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let effect = text(toleration, "/effect");
    let key = text(toleration, "/key");
    let is_effect = effect.is_empty() || effect == text(taint, "/effect");
    let is_key = key.is_empty() || key == text(taint, "/key");
    let is_value = match text(toleration, "/operator") {
        "Exists" => true,
        _ => !key.is_empty() && text(toleration, "/value") == text(taint, "/value"),
    };
    is_effect && is_key && is_value
}

/// A port of the host that a pod asks for.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HostPort {
    ip: String,
    protocol: String,
    port: u64,
}

impl HostPort {
    fn conflicts(&self, other: &Self) -> bool {
        let is_any = |ip: &str| matches!(ip, "" | "0.0.0.0" | "::");
        let same_ip = self.ip == other.ip || is_any(&self.ip) || is_any(&other.ip);
        self.port == other.port && self.protocol == other.protocol && same_ip
    }
}

fn host_ports(pod: &Value) -> BTreeSet<HostPort> {
    let is_sidecar = |container: &&Value| text(container, "/restartPolicy") == "Always";
    let init = list(pod, "/spec/initContainers").iter().filter(is_sidecar);
    let all = list(pod, "/spec/containers").iter().chain(init);
    let ports = all.flat_map(|container| list(container, "/ports"));
    let of = |port: &Value| {
        let number = port.get("hostPort").and_then(Value::as_u64).filter(|port| *port > 0)?;
        let protocol = match text(port, "/protocol") {
            "" => "TCP",
            protocol => protocol,
        };
        let ip = text(port, "/hostIP").to_owned();
        Some(HostPort { ip, protocol: protocol.to_owned(), port: number })
    };
    ports.filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node() -> Value {
        json!({
            "metadata": {"name": "edge-1", "labels": {"zone": "b", "cores": "8"}},
            "spec": {"taints": [{"key": "k", "value": "v", "effect": "NoExecute"},
                {"key": "other", "effect": "NoSchedule"}]},
            "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "3",
                "ephemeral-storage": "1Gi"}},
        })
    }

    /// A pod that is admitted, with these fields of its spec.
    fn pod(spec: Value) -> Value {
        let mut pod = json!({
            "metadata": {"name": "p", "namespace": "a", "uid": "u"},
            "spec": {"nodeName": "edge-1", "tolerations": [{"operator": "Exists"}]},
        });
        pod["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        pod
    }

    fn container(cpu: &str) -> Value {
        json!({"name": "c", "resources": {"requests": {"cpu": cpu}}})
    }

    fn reason(pod: &Value, others: &[Value]) -> Result<(), (&'static str, String)> {
        let others: Vec<_> = others.iter().map(|pod| BoundPod::of(pod).unwrap()).collect();
        let admitted = admit(BoundPod::of(pod).unwrap(), &node(), &others);
        admitted.map_err(|rejection| (rejection.reason, rejection.message))
    }

    #[test]
    fn a_full_node_admits_no_pod() {
        let one = pod(json!({"containers": [container("1500m")]}));
        assert_eq!(reason(&one, &[]), Ok(()));
        let (why, text) = reason(&one, std::slice::from_ref(&one)).unwrap_err();
        assert_eq!(why, "OutOfcpu");
        assert_eq!(
            text,
            "Node didn't have enough resource: cpu, requested: 1500, used: 1500, capacity: 2000"
        );
        let none = pod(json!({"containers": [{"name": "c"}]}));
        // A pod without requests fits as long as it may be counted.
        assert_eq!(reason(&none, std::slice::from_ref(&one)), Ok(()));
        let three = [none.clone(), none.clone(), none.clone()];
        assert_eq!(reason(&none, &three).unwrap_err().0, "OutOfpods");
        let large = json!({"name": "c", "resources": {"requests": {"memory": "2Gi"}}});
        assert_eq!(reason(&pod(json!({"containers": [large]})), &[]).unwrap_err().0, "OutOfmemory");
        let large = json!({"name": "c", "resources": {"requests": {"ephemeral-storage": "2Gi"}}});
        let large = pod(json!({"containers": [large]}));
        assert_eq!(reason(&large, &[]).unwrap_err().0, "OutOfephemeral-storage");
    }

    #[test]
    fn init_containers_request_beside_the_sidecars_before_them() {
        let init = |cpu: &str| container(cpu);
        let sidecar = |cpu: &str| {
            let mut one = container(cpu);
            one["restartPolicy"] = json!("Always");
            one
        };
        for (inits, regular, expected) in [
            (vec![init("2")], "1", 2000),
            (vec![init("1"), init("1")], "1", 1000),
            (vec![sidecar("1"), init("1")], "500m", 2000),
            (vec![init("1"), sidecar("1")], "500m", 1500),
        ] {
            let spec = json!({"initContainers": inits, "containers": [container(regular)],
                "overhead": {"cpu": "10m"}});
            assert_eq!(requests(&pod(spec))[0], expected + 10);
        }
    }

    #[test]
    fn the_node_has_the_labels_that_the_pod_asks_for() {
        let term = |key: &str, operator: &str, values: Value| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        let affinity = |terms: Value| {
            json!({"affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}})
        };
        let by_name = |name: &str| {
            json!({"matchFields": [
            {"key": "metadata.name", "operator": "In", "values": [name]}]})
        };
        for (spec, fits) in [
            (json!({"nodeSelector": {"zone": "b"}}), true),
            (json!({"nodeSelector": {"zone": "a"}}), false),
            (affinity(json!([term("zone", "In", json!(["a", "b"]))])), true),
            (
                affinity(json!([
                    term("zone", "In", json!(["a"])),
                    term("zone", "Exists", json!([]))
                ])),
                true,
            ),
            (affinity(json!([term("zone", "NotIn", json!(["b"]))])), false),
            (affinity(json!([term("rack", "NotIn", json!(["b"]))])), true),
            (affinity(json!([term("zone", "DoesNotExist", json!([]))])), false),
            (affinity(json!([term("cores", "Gt", json!(["7"]))])), true),
            (affinity(json!([term("cores", "Lt", json!(["8"]))])), false),
            (affinity(json!([by_name("edge-1")])), true),
            (affinity(json!([by_name("edge-2")])), false),
            (affinity(json!([{}])), false),
            (affinity(json!([])), false),
        ] {
            let pod = pod(spec.clone());
            let expected = if fits { None } else { Some("NodeAffinity") };
            assert_eq!(reason(&pod, &[]).err().map(|(why, _)| why), expected, "{spec}");
        }
    }

    #[test]
    fn only_a_taint_that_evicts_rejects() {
        for (tolerations, fits) in [
            (json!([]), false),
            (json!([{"key": "k", "value": "v"}]), true),
            (json!([{"key": "k", "operator": "Equal", "value": "x"}]), false),
            (json!([{"key": "k", "operator": "Exists", "effect": "NoExecute"}]), true),
            (json!([{"key": "k", "operator": "Exists", "effect": "NoSchedule"}]), false),
            (json!([{"key": "other", "operator": "Exists"}]), false),
            (json!([{"operator": "Exists"}]), true),
        ] {
            let pod = pod(json!({"tolerations": tolerations}));
            let expected = if fits { None } else { Some("TaintToleration") };
            assert_eq!(reason(&pod, &[]).err().map(|(why, _)| why), expected, "{tolerations}");
        }
    }

    #[test]
    fn a_port_of_the_host_is_one_pods() {
        let with = |ip: &str, protocol: &str| {
            let port = json!({"hostPort": 80, "hostIP": ip, "protocol": protocol});
            pod(json!({"containers": [{"name": "c", "ports": [port]}]}))
        };
        for (one, other, fits) in [
            (with("", "TCP"), with("10.0.0.1", "TCP"), false),
            (with("10.0.0.2", "TCP"), with("10.0.0.1", "TCP"), true),
            (with("", "TCP"), with("", "UDP"), true),
        ] {
            let why = reason(&one, &[other]).err().map(|(why, _)| why);
            assert_eq!(why, if fits { None } else { Some("NodePorts") });
        }
    }

    #[test]
    fn a_pod_of_another_node_or_system_is_rejected() {
        let name = reason(&pod(json!({"nodeName": "edge-2"})), &[]).unwrap_err();
        assert_eq!(name.0, "NodeName");
        assert!(name.1.starts_with("Predicate NodeName failed: node(s) didn't match"));
        let os = reason(&pod(json!({"os": {"name": "windows"}})), &[]).unwrap_err();
        assert_eq!(os.0, "PodOSNotSupported");
        assert_eq!(reason(&pod(json!({"os": {"name": "linux"}})), &[]), Ok(()));
    }
}
