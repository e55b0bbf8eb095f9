//! What a container uses, by its cgroup.

use std::time::Duration;

use super::cgroup::Cgroup;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Of all cores since the instance began.
    pub cpu: Duration,
    /// Without what the kernel would give up first: the kubelet's working set.
    pub memory: u64,
}

/// Of the cgroup that this process is in; `None` where it is gone or has none of its own.
pub fn usage(pid: u32) -> Option<Usage> {
    let cgroup = Cgroup::of(pid).ok()?;
    let memory = cgroup.memory()?;
    let inactive = memory.inactive_file_bytes.unwrap_or_default();
    Some(Usage { cpu: cgroup.cpu_time()?, memory: memory.usage_bytes?.saturating_sub(inactive) })
}
