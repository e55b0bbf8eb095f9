//! The number of processes that the OOM killer has killed in a process' memory cgroup.

use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::files;

const ROOT: &str = "/sys/fs/cgroup";

/// The OOM count of one cgroup. Its file stays open, so a later cgroup of the same path is not
/// mistaken for it.
#[derive(Debug)]
pub struct OomCounter {
    file: Mutex<File>,
    before: u64,
}

impl OomCounter {
    /// Opens the count of a live process' cgroup. The caller has to make sure that the pid is that
    /// of the expected process.
    pub fn of(pid: u32) -> io::Result<Self> {
        let cgroups = files::read_kernel(format!("/proc/{pid}/cgroup"))?;
        let missing = || io::Error::other(format!("/proc/{pid}/cgroup: no memory controller"));
        Self::open(&file(&cgroups).ok_or_else(missing)?)
    }

    /// Opens the count of the cgroup with this path, on v2 or v1.
    pub fn at(cgroup: &str) -> io::Result<Self> {
        Self::open(&v2(cgroup)).or_else(|_| Self::open(&v1(cgroup)))
    }

    fn open(path: &Path) -> io::Result<Self> {
        let mut counter = Self { file: Mutex::new(File::open(path)?), before: 0 };
        counter.before = counter.kills()?;
        Ok(counter)
    }

    /// The count at the time when the file was opened.
    pub fn before(&self) -> u64 {
        self.before
    }

    /// The current count; an error once the cgroup is removed.
    pub fn kills(&self) -> io::Result<u64> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.rewind()?;
        let text = files::read_bounded(&mut *file, files::KERNEL)?;
        count(&String::from_utf8_lossy(&text)).ok_or_else(|| io::Error::other("no oom_kill"))
    }
}

/// The file with the count: of v1 if its hierarchy has the memory controller, as on hybrid hosts,
/// else of v2.
fn file(cgroups: &str) -> Option<PathBuf> {
    let lines = || cgroups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let memory = lines().find(|(controllers, _)| controllers.split(',').any(|c| c == "memory"));
    memory.map(|(_, path)| v1(path)).or_else(|| {
        lines().find(|(controllers, _)| controllers.is_empty()).map(|(_, path)| v2(path))
    })
}

fn v1(cgroup: &str) -> PathBuf {
    PathBuf::from(format!("{ROOT}/memory{cgroup}/memory.oom_control"))
}

fn v2(cgroup: &str) -> PathBuf {
    PathBuf::from(format!("{ROOT}{cgroup}/memory.events"))
}

fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_that_of_the_memory_controller() {
        for (cgroups, expected) in [
            ("0::/ns/web_0\n", Some("/sys/fs/cgroup/ns/web_0/memory.events")),
            (
                "9:name=systemd:/x\n5:cpu,memory:/ns/web_0\n0::/ns/web_0\n",
                Some("/sys/fs/cgroup/memory/ns/web_0/memory.oom_control"),
            ),
            ("3:cpu:/x\n", None),
        ] {
            assert_eq!(file(cgroups).as_deref(), expected.map(Path::new));
        }
    }

    #[test]
    fn both_versions_count_the_same_word() {
        let v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        let v2 = "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 0\n";
        assert_eq!((count(v1), count(v2), count("oom 4\n")), (Some(3), Some(3), None));
    }

    #[test]
    fn a_count_is_read_again_and_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "oom_kill 1\n").unwrap();
        let counter = OomCounter::open(file.path()).unwrap();
        std::fs::write(file.path(), "oom_kill 2\n").unwrap();
        assert_eq!((counter.kills().unwrap(), counter.kills().unwrap()), (2, 2));
        assert_eq!(counter.before(), 1);
    }
}
