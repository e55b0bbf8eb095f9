//! What a container must not do or see: system calls, sysctls, parts of `/proc`.

use serde_json::{Map, Value};

use super::{Host, seccomp};
use crate::domain::spec::{ContainerSpec, PodSpec, ProcMount, SeccompProfile};

pub(super) fn seccomp(
    pod: &PodSpec,
    container: &ContainerSpec,
    host: &Host,
    capabilities: &[String],
) -> Option<Value> {
    match pod.seccomp_of(container)? {
        SeccompProfile::Unconfined => None,
        SeccompProfile::RuntimeDefault => {
            Some(seccomp::default_profile(capabilities, std::env::consts::ARCH))
        }
        SeccompProfile::Localhost(_) => host.seccomp.clone(),
    }
}

pub(super) fn sysctls(pod: &PodSpec) -> Option<Value> {
    let all = pod.security.sysctls.iter();
    let all: Map<String, Value> =
        all.map(|sysctl| (sysctl.dotted(), sysctl.value.clone().into())).collect();
    (!all.is_empty()).then_some(Value::Object(all))
}

pub(super) fn masked(container: &ContainerSpec) -> &'static [&'static str] {
    if sees_all(container) { &[] } else { &MASKED }
}

pub(super) fn read_only(container: &ContainerSpec) -> &'static [&'static str] {
    if sees_all(container) { &[] } else { &READ_ONLY }
}

fn sees_all(container: &ContainerSpec) -> bool {
    let security = &container.security;
    security.is_privileged() || security.proc_mount == Some(ProcMount::Unmasked)
}

const MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];

const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
