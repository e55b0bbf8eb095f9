//! Namespaces and hostname of a container.

use serde_json::{Value, json};

use super::Host;
use probelet_domain::spec::{ContainerSpec, Hostname, PodSpec};

pub fn namespaces(pod: &PodSpec, container: &ContainerSpec, host: &Host) -> Vec<Value> {
    let of_host = pod.host_namespaces;
    let kinds = [
        ("pid", !of_host.pid),
        ("ipc", !of_host.ipc),
        ("uts", has_own_name(pod)),
        ("mount", true),
        ("network", !of_host.network),
        // A privileged container sees the host's cgroups, as in containerd.
        ("cgroup", host.facts.cgroup2 && !container.security.is_privileged()),
    ];
    let own = kinds.into_iter().filter(|(_, own)| *own);
    own.map(|(kind, _)| match host.shared.iter().find(|(shared, _)| *shared == kind) {
        Some((_, path)) => json!({ "type": kind, "path": path.display().to_string() }),
        None => json!({ "type": kind }),
    })
    .collect()
}

/// Returns whether the pod has its own hostname, which it has unless it uses the host's network.
pub fn has_own_name(pod: &PodSpec) -> bool {
    !pod.host_namespaces.network
}

pub fn hostname(pod: &PodSpec, host: &Host) -> String {
    if has_own_name(pod) { Hostname::of(pod).of_own_network() } else { host.facts.hostname.clone() }
}
