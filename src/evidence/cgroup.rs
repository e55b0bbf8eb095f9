//! The cgroup of a container, version 1 or 2: its processes, memory, CPU limit and freezer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::text::{keyed, line, number, read};
use crate::domain::evidence::{Cpu, Memory};

const ROOT: &str = "/sys/fs/cgroup";
/// Limits from here on mean "no limit": version 1 shows the largest number of whole pages for it.
const UNLIMITED: u64 = 1 << 62;

/// The folders of the cgroups that a process is in; none for a controller at its root cgroup.
#[derive(Debug, Default)]
pub struct Cgroup {
    memory: Option<PathBuf>,
    cpu: Option<PathBuf>,
    /// Only in version 1, mostly the same folder as `cpu`.
    cpuacct: Option<PathBuf>,
    freezer: Option<PathBuf>,
    unified: Option<PathBuf>,
    /// The folder whose `cgroup.procs` lists the processes; `None` without a cgroup below the root.
    members: Option<PathBuf>,
}

impl Cgroup {
    pub fn of(pid: u32) -> std::io::Result<Self> {
        Ok(Self::parse(&read(format!("/proc/{pid}/cgroup"), 16 << 10)?, Path::new(ROOT)))
    }

    fn parse(text: &str, root: &Path) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            let path = path.trim_start_matches('/');
            // All processes share the root, and a cgroup above it is not visible here.
            if path.is_empty() || path.split('/').any(|part| part == "..") {
                continue;
            }
            if controllers.is_empty() {
                let hybrid = root.join("unified");
                let root = if hybrid.exists() { hybrid } else { root.to_owned() };
                found.unified = Some(root.join(path));
                continue;
            }
            let folder = || Some(root.join(controllers.trim_start_matches("name=")).join(path));
            for controller in controllers.split(',') {
                match controller {
                    "memory" => found.memory = folder(),
                    "cpu" => found.cpu = folder(),
                    "cpuacct" => found.cpuacct = folder(),
                    "freezer" => found.freezer = folder(),
                    _ => {}
                }
            }
        }
        let own = [&found.memory, &found.cpu, &found.freezer, &found.unified];
        let listed = |at: &&PathBuf| at.join("cgroup.procs").exists();
        let members = own.into_iter().flatten().find(listed).cloned();
        Self { members, ..found }
    }

    pub fn members(&self) -> Option<Vec<u32>> {
        let text = read(self.members.as_ref()?.join("cgroup.procs"), 1 << 20).ok()?;
        Some(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    pub fn memory(&self) -> Option<Memory> {
        if let Some(at) = &self.memory {
            let stat = read(at.join("memory.stat"), 16 << 10).unwrap_or_default();
            let oom = read(at.join("memory.oom_control"), 4096).unwrap_or_default();
            let limit = number(at.join("memory.limit_in_bytes"));
            return Some(Memory {
                usage_bytes: Some(number(at.join("memory.usage_in_bytes"))?),
                inactive_file_bytes: keyed(&stat, "total_inactive_file"),
                limit_bytes: limit.filter(|limit| *limit < UNLIMITED),
                failures: number(at.join("memory.failcnt")),
                oom_kills: keyed(&oom, "oom_kill"),
                ..Memory::default()
            });
        }
        let at = self.unified.as_ref()?;
        let stat = read(at.join("memory.stat"), 16 << 10).unwrap_or_default();
        let events = read(at.join("memory.events"), 4096).unwrap_or_default();
        Some(Memory {
            usage_bytes: Some(number(at.join("memory.current"))?),
            inactive_file_bytes: keyed(&stat, "inactive_file"),
            limit_bytes: number(at.join("memory.max")),
            failures: keyed(&events, "max"),
            oom_kills: keyed(&events, "oom_kill"),
            ..Memory::default()
        })
    }

    /// The CPU time of all its processes, those that have ended included.
    pub fn cpu_time(&self) -> Option<Duration> {
        if let Some(at) = &self.cpuacct {
            return number(at.join("cpuacct.usage")).map(Duration::from_nanos);
        }
        let stat = read(self.unified.as_ref()?.join("cpu.stat"), 4096).ok()?;
        keyed(&stat, "usage_usec").map(Duration::from_micros)
    }

    /// The number of periods so far in which the CPU limit throttled it.
    pub fn throttled(&self) -> Option<u64> {
        let at = self.cpu.as_ref().or(self.unified.as_ref())?;
        keyed(&read(at.join("cpu.stat"), 4096).ok()?, "nr_throttled")
    }

    pub fn is_frozen(&self) -> bool {
        if let Some(at) = &self.freezer {
            return line(at.join("freezer.state")).is_ok_and(|state| state != "THAWED");
        }
        let Some(at) = &self.unified else { return false };
        let events = read(at.join("cgroup.events"), 4096).unwrap_or_default();
        keyed(&events, "frozen") == Some(1)
    }

    /// The file of one kind of pressure (`memory`, `cpu` or `io`), if the cgroup has it.
    pub fn pressure(&self, of: &str) -> Option<PathBuf> {
        let at = self.unified.as_ref()?.join(format!("{of}.pressure"));
        at.exists().then_some(at)
    }
}

pub fn cpu(before: Option<u64>, after: Option<u64>) -> Cpu {
    let in_sample = before.zip(after).map_or(0, |(before, after)| after.saturating_sub(before));
    Cpu { throttled_periods: after, throttled_in_sample: in_sample }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn version_1_is_read() {
        let root = tempfile::tempdir().unwrap();
        write(
            &root.path().join("memory/p/web"),
            &[
                ("memory.usage_in_bytes", "63\n"),
                ("memory.limit_in_bytes", "64\n"),
                ("memory.failcnt", "412\n"),
                ("memory.stat", "cache 1\ntotal_inactive_file 5\n"),
                ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
                ("cgroup.procs", "7\n8\n"),
            ],
        );
        write(
            &root.path().join("cpu,cpuacct/p/web"),
            &[("cpu.stat", "nr_throttled 3\n"), ("cpuacct.usage", "7000\n")],
        );
        write(&root.path().join("freezer/p/web"), &[("freezer.state", "FROZEN\n")]);
        let text = "4:memory:/p/web\n3:cpu,cpuacct:/p/web\n2:freezer:/p/web\n0::/\n";
        let cgroup = Cgroup::parse(text, root.path());
        assert_eq!(cgroup.members(), Some(vec![7, 8]));
        let memory = cgroup.memory().unwrap();
        assert_eq!((memory.usage_bytes, memory.limit_bytes), (Some(63), Some(64)));
        assert_eq!((memory.failures, memory.inactive_file_bytes), (Some(412), Some(5)));
        assert_eq!(memory.oom_kills, Some(2));
        assert_eq!(cgroup.throttled(), Some(3));
        assert!(cgroup.is_frozen());
        write(
            &root.path().join("memory/p/web"),
            &[("memory.limit_in_bytes", "9223372036854771712\n")],
        );
        assert_eq!(cgroup.memory().unwrap().limit_bytes, None);
        assert_eq!(cgroup.cpu_time(), Some(Duration::from_micros(7)));
    }

    #[test]
    fn version_2_is_read() {
        let root = tempfile::tempdir().unwrap();
        let files = [
            ("memory.current", "63\n"),
            ("memory.max", "64\n"),
            ("memory.stat", "anon 1\ninactive_file 5\n"),
            ("memory.events", "low 0\nmax 412\noom 1\noom_kill 2\n"),
            ("cpu.stat", "usage_usec 1\nnr_throttled 3\n"),
            ("cgroup.events", "populated 1\nfrozen 1\n"),
            ("memory.pressure", ""),
            ("cgroup.procs", "7\n"),
        ];
        write(&root.path().join("p/web"), &files);
        let cgroup = Cgroup::parse("0::/p/web\n", root.path());
        assert_eq!(cgroup.members(), Some(vec![7]));
        let memory = cgroup.memory().unwrap();
        assert_eq!((memory.limit_bytes, memory.failures), (Some(64), Some(412)));
        assert_eq!(cgroup.throttled(), Some(3));
        assert!(cgroup.is_frozen() && cgroup.pressure("memory").is_some());
        assert_eq!(cgroup.cpu_time(), Some(Duration::from_micros(1)));
        write(&root.path().join("p/web"), &[("memory.max", "max\n")]);
        assert_eq!(cgroup.memory().unwrap().limit_bytes, None);
    }

    #[test]
    fn the_root_cgroup_counts_as_no_cgroup() {
        let root = tempfile::tempdir().unwrap();
        write(&root.path().join("memory"), &[("cgroup.procs", "1\n")]);
        for text in ["4:memory:/\n0::/\n", "4:memory:/../x\n"] {
            let cgroup = Cgroup::parse(text, root.path());
            assert_eq!((cgroup.members(), cgroup.memory()), (None, None));
        }
    }
}
