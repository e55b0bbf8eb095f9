//! The resource usage of this process.

use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// The resource usage of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Processor time since its start.
    pub cpu: Duration,
    /// Resident memory in bytes; `None` if it cannot be read from `/proc`.
    pub resident: Option<u64>,
    /// Open descriptors; `None` if they cannot be counted.
    pub descriptors: Option<usize>,
    /// The limit of open descriptors; `None` if there is no limit.
    pub most_descriptors: Option<u64>,
}

/// The time since the host was booted, including the time in which it was suspended.
pub fn since_boot() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}

/// Reads the resource usage of this process.
pub fn usage() -> Usage {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let descriptors = std::fs::read_dir("/proc/self/fd");
    Usage {
        cpu: Duration::try_from(cpu).unwrap_or_default(),
        resident: super::stat::resident(std::process::id()).ok(),
        // The folder itself is one of them while it is read.
        descriptors: descriptors.ok().map(|entries| entries.count().saturating_sub(1)),
        most_descriptors: getrlimit(Resource::Nofile).current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let usage = usage();
        assert!(usage.cpu > Duration::ZERO);
        assert!(usage.resident.unwrap() > 1 << 20);
        assert!(usage.descriptors.unwrap() >= 3);
    }
}
