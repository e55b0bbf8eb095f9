//! The facts about the machine that a container's spec depends on.

use std::path::Path;

use crate::domain::spec::capability::SYS_RESOURCE;
use crate::files;
use probelet_oci::Facts;

pub fn read() -> Facts {
    let cgroup2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let text = |path: &str| files::read_kernel(path).unwrap_or_default();
    // containerd cannot grant more than its bounding set, on machines where root lacks
    // capabilities.
    let capabilities = bounding_set(&text("/proc/self/status")).unwrap_or_default();
    let own_score = || text("/proc/self/oom_score_adj").trim().parse().unwrap_or_default();
    let least_oom_score_adj = (capabilities & SYS_RESOURCE == 0).then(own_score);
    if let Some(least) = least_oom_score_adj {
        tracing::warn!(least, "no CAP_SYS_RESOURCE here: lower OOM scores cannot be set");
    }
    let has = |sysctl: &str| Path::new("/proc/sys/net/ipv4").join(sysctl).exists();
    Facts {
        unprivileged_ports: has("ip_unprivileged_port_start"),
        // In a user namespace some groups have no number, and the kernel refuses the range.
        ping_groups: has("ping_group_range") && maps_all(&text("/proc/self/gid_map")),
        cgroup2,
        // cgroup v2 accepts the limit on a host without swap, too.
        swap_limit: cgroup2
            || Path::new("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists(),
        cpu: cores(&text("/proc/stat")).saturating_mul(1000),
        memory: memory(&text("/proc/meminfo")).unwrap_or_default(),
        hostname: text("/proc/sys/kernel/hostname").trim().to_owned(),
        capabilities,
        least_oom_score_adj,
    }
}

fn bounding_set(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// True if each group maps to itself: the only line of the first user namespace.
fn maps_all(gid_map: &str) -> bool {
    gid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// The number of online cores, regardless of the daemon's CPU affinity.
fn cores(stat: &str) -> u64 {
    let is_core = |line: &&str| {
        let number = line.strip_prefix("cpu").and_then(|rest| rest.split(' ').next());
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    u64::try_from(stat.lines().filter(is_core).count()).unwrap_or_default()
}

fn memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_in_bytes() {
        assert_eq!(memory("MemTotal:       2048 kB\nMemFree: 1 kB\n"), Some(2 << 20));
        assert_eq!(memory(""), None);
    }

    #[test]
    fn only_the_first_user_namespace_has_all_groups() {
        assert!(maps_all("         0          0 4294967295\n"));
        assert!(!maps_all("         0     100000      65536\n"));
    }

    #[test]
    fn cores_are_counted_without_their_sum() {
        assert_eq!(cores("cpu  1 2\ncpu0 1 2\ncpu1 1 2\nintr 5\ncpus 3\n"), 2);
    }

    #[test]
    fn this_machine_has_a_name_and_memory() {
        let facts = read();
        assert!(
            !facts.hostname.is_empty()
                && facts.memory > 0
                && facts.capabilities > 0
                && facts.cpu > 0
        );
    }
}
