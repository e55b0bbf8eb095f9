//! Seccomp profile, sysctls, and masked and read-only paths of a container.

use serde_json::{Map, Value};

use super::{Facts, Host, seccomp};
use probelet_domain::spec::{ContainerSpec, EffectiveSecurity, PodSpec, ProcMount, SeccompProfile};

pub fn seccomp(
    pod: &PodSpec,
    container: &ContainerSpec,
    host: &Host,
    capabilities: &[String],
) -> Option<Value> {
    match EffectiveSecurity::of(pod, container).seccomp()? {
        SeccompProfile::Unconfined => None,
        SeccompProfile::RuntimeDefault => {
            Some(seccomp::default_profile(capabilities, std::env::consts::ARCH))
        }
        SeccompProfile::Localhost(_) => host.seccomp.clone(),
    }
}

/// Returns the sysctls of the pod. In its own network namespace, every process may use low ports
/// and ping, as in containerd 2 and Docker, unless the pod sets these sysctls.
pub fn sysctls(pod: &PodSpec, facts: &Facts) -> Option<Value> {
    let is_own = !pod.host_namespaces.network;
    let defaults = [
        ("net.ipv4.ip_unprivileged_port_start", "0", facts.unprivileged_ports),
        ("net.ipv4.ping_group_range", "0 2147483647", facts.ping_groups),
    ];
    let defaults = defaults.into_iter().filter(|(_, _, can_be)| is_own && *can_be);
    let mut all: Map<String, Value> =
        defaults.map(|(name, value, _)| (name.to_owned(), value.into())).collect();
    let own = pod.security.sysctls.iter();
    all.extend(own.map(|sysctl| (sysctl.dotted(), sysctl.value.clone().into())));
    (!all.is_empty()).then_some(Value::Object(all))
}

pub fn masked(container: &ContainerSpec) -> &'static [&'static str] {
    if sees_all(container) { &[] } else { &MASKED }
}

pub fn read_only(container: &ContainerSpec) -> &'static [&'static str] {
    if sees_all(container) { &[] } else { &READ_ONLY }
}

fn sees_all(container: &ContainerSpec) -> bool {
    let security = &container.security;
    security.is_privileged() || security.proc_mount == Some(ProcMount::Unmasked)
}

/// Masked paths, as in containerd 1.7.
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
