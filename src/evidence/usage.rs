//! CPU and memory use of a container, from its cgroup.

use std::time::Duration;

use super::cgroup::Cgroup;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The CPU time on all cores since the instance began.
    pub cpu: Duration,
    /// The kubelet's working set in bytes: the memory in use without inactive page cache.
    pub memory: u64,
}

/// The use of the cgroup that this process is in; `None` if the process has ended or is in no
/// cgroup below the root.
pub fn usage(pid: u32) -> Option<Usage> {
    let cgroup = Cgroup::of(pid).ok()?;
    let memory = cgroup.memory()?;
    let inactive = memory.inactive_file_bytes.unwrap_or_default();
    Some(Usage { cpu: cgroup.cpu_time()?, memory: memory.usage_bytes?.saturating_sub(inactive) })
}
