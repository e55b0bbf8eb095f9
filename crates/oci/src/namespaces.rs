//! Whose network, processes, queues and name a container has.

use serde_json::{Value, json};

use super::Host;
use probelet_domain::spec::{ContainerSpec, PodSpec};

pub(super) fn namespaces(pod: &PodSpec, container: &ContainerSpec, host: &Host) -> Vec<Value> {
    let of_host = pod.host_namespaces;
    let kinds = [
        ("pid", !of_host.pid),
        ("ipc", !of_host.ipc),
        ("uts", has_own_name(pod)),
        ("mount", true),
        ("network", !of_host.network),
        // A privileged container has the host's cgroups in sight, as in containerd.
        ("cgroup", host.facts.cgroup2 && !container.security.is_privileged()),
    ];
    let own = kinds.into_iter().filter(|(_, own)| *own);
    own.map(|(kind, _)| match host.shared.iter().find(|(shared, _)| *shared == kind) {
        Some((_, path)) => json!({ "type": kind, "path": path.display().to_string() }),
        None => json!({ "type": kind }),
    })
    .collect()
}

/// The host's network comes with the host's name.
pub(super) fn has_own_name(pod: &PodSpec) -> bool {
    !pod.host_namespaces.network
}

pub(super) fn hostname(pod: &PodSpec, host: &Host) -> String {
    if has_own_name(pod) { pod.own_hostname() } else { host.facts.hostname.clone() }
}
