//! The objects that describe the host: one node, and the API as a service.

use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use probelet_kube_wire::quantity::canonical;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::times::seconds;
use crate::domain::link::Link;

/// What does not change while the daemon runs.
#[derive(Debug, Clone)]
pub struct HostFacts {
    pub name: String,
    /// The host's cores.
    pub cpus: u64,
    /// The host's memory in bytes.
    pub memory: u64,
    pub kernel: String,
    pub os_image: String,
    pub boot_id: String,
    pub machine_id: String,
    /// When this daemon started.
    pub started: SystemTime,
}

/// Pods that a node may have, as the kubelet's default: only for display.
const MOST_PODS: &str = "110";

/// Returns the `v1.Node` of this host. It changes only with the addresses and the link to the
/// container runtime, so watchers get no heartbeat.
pub fn node(facts: &HostFacts, addresses: &[IpAddr], link: &Link) -> Value {
    let architecture = architecture();
    let amounts = json!({
        "cpu": facts.cpus.to_string(),
        "memory": canonical(&format!("{}Ki", facts.memory / 1024)),
        "pods": MOST_PODS,
    });
    let (status, reason, message) = match link.up {
        true => ("True", "ContainerdReady", "containerd answers".to_owned()),
        false => ("False", "ContainerdUnavailable", link.error.clone()),
    };
    let since = seconds(link.since);
    let mut listed: Vec<_> = addresses
        .iter()
        .map(|address| json!({"type": "InternalIP", "address": address.to_string()}))
        .collect();
    listed.push(json!({"type": "Hostname", "address": facts.name}));
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": facts.name,
            "uid": uid("node", &facts.name),
            "creationTimestamp": seconds(facts.started),
            "labels": {
                "kubernetes.io/arch": architecture,
                "kubernetes.io/hostname": facts.name,
                "kubernetes.io/os": "linux",
            },
        },
        "spec": {},
        "status": {
            "addresses": listed,
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [{
                "type": "Ready",
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": since,
                "lastTransitionTime": since,
            }],
            "nodeInfo": {
                "architecture": architecture,
                "bootID": facts.boot_id,
                "containerRuntimeVersion": "containerd://",
                "kernelVersion": facts.kernel,
                "kubeProxyVersion": "",
                "kubeletVersion": concat!("probelet-", env!("CARGO_PKG_VERSION")),
                "machineID": facts.machine_id,
                "operatingSystem": "linux",
                "osImage": facts.os_image,
                "systemUUID": "",
            },
        },
    })
}

/// Gives a node the spec of the published one, which clients write: see `node_kind`.
pub fn keep_spec(before: &Value, node: &mut Value) {
    if let (Some(spec), Some(node)) = (before.get("spec"), node.as_object_mut()) {
        node.insert("spec".to_owned(), spec.clone());
    }
}

/// Returns the name of the processor's architecture, as Go has it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Returns the `v1.Service` of the API itself. `address` is where it listens; there is no proxy, so
/// its port is the one that clients connect to.
pub fn api_service(facts: &HostFacts, address: SocketAddr, host: &[IpAddr]) -> Value {
    let is_right = |ip: &&IpAddr| ip.is_ipv4() == address.is_ipv4();
    let ip = match address.ip() {
        ip if ip.is_unspecified() => host.iter().find(is_right).copied().unwrap_or(ip),
        ip => ip,
    };
    let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "uid": uid("service", "kubernetes"),
            "creationTimestamp": seconds(facts.started),
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": ip.to_string(),
            "clusterIPs": [ip.to_string()],
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": [family],
            "ipFamilyPolicy": "SingleStack",
            "ports": [{
                "name": "https",
                "port": address.port(),
                "protocol": "TCP",
                "targetPort": address.port(),
            }],
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    })
}

/// Returns a uid that is the same after each restart of the daemon.
fn uid(kind: &str, name: &str) -> String {
    let sum = Sha256::digest(format!("{kind}/{name}"));
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(sum.iter()).for_each(|(byte, digest)| *byte = *digest);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> HostFacts {
        HostFacts {
            name: "edge-1".into(),
            cpus: 2,
            memory: 4 << 30,
            kernel: "6.1".into(),
            os_image: "Debian".into(),
            boot_id: String::new(),
            machine_id: String::new(),
            started: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_node_is_ready_while_containerd_answers() {
        let mut link = Link::new(crate::supervisor::now());
        let node = |link: &Link| node(&facts(), &["10.0.0.7".parse().unwrap()], link);
        assert_eq!(node(&link).pointer("/status/conditions/0/status"), Some(&json!("True")));
        link.up = false;
        link.error = "no such socket".into();
        let down = node(&link);
        assert_eq!(down.pointer("/status/conditions/0/status"), Some(&json!("False")));
        assert_eq!(down.pointer("/status/conditions/0/message"), Some(&json!("no such socket")));
        assert_eq!(down.pointer("/status/capacity/memory"), Some(&json!("4Gi")));
        assert_eq!(down.pointer("/status/addresses/0/address"), Some(&json!("10.0.0.7")));
    }

    #[test]
    fn a_uid_belongs_to_one_object() {
        assert_eq!(uid("service", "a"), uid("service", "a"));
        assert_ne!(uid("service", "a"), uid("service", "b"));
        assert_ne!(uid("service", "a"), uid("node", "a"));
    }
}
