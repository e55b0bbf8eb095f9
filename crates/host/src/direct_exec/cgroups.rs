//! The cgroups of a container, on cgroup v1, v2 or both.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::files;

/// The cgroups of a container, one in each hierarchy.
pub struct Cgroups {
    /// `/proc/INIT/cgroup`.
    text: String,
    procs: Vec<File>,
}

impl Cgroups {
    /// Finds the cgroups of a container that is not paused.
    pub fn of(init: u32) -> io::Result<Self> {
        let text = files::read_kernel(format!("/proc/{init}/cgroup"))?;
        let own = files::read_kernel("/proc/self/cgroup")?;
        let mounts = files::read("/proc/self/mountinfo", files::MOUNTS)?;
        let mounts = String::from_utf8_lossy(&mounts);
        let mut procs = Vec::new();
        for line in text.lines() {
            if own.lines().any(|own| own == line) {
                continue;
            }
            let folder = folder(line, &mounts).ok_or_else(|| {
                io::Error::other(format!("the container's cgroup {line} cannot be reached"))
            })?;
            if is_frozen(&folder) {
                return Err(io::Error::other("the container is paused"));
            }
            procs.push(OpenOptions::new().write(true).open(folder.join("cgroup.procs"))?);
        }
        Ok(Self { text, procs })
    }

    /// Moves a process into the cgroups.
    pub fn enter(&self, pid: i32) -> io::Result<()> {
        let text = pid.to_string();
        for mut procs in &self.procs {
            procs.write_all(text.as_bytes())?;
        }
        if files::read_kernel(format!("/proc/{pid}/cgroup"))? != self.text {
            return Err(io::Error::other("the command did not get into the container's cgroups"));
        }
        Ok(())
    }
}

/// The folder of a line `NUMBER:CONTROLLERS:PATH` of `/proc/PID/cgroup`.
fn folder(line: &str, mounts: &str) -> Option<PathBuf> {
    let (number, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let path = Path::new(path.strip_prefix('/')?);
    if path.components().any(|part| part.as_os_str() == "..") {
        return None;
    }
    let is_v2 = number == "0" && controllers.is_empty();
    mounts.lines().find_map(|mount| {
        let (place, kind) = mount.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        let mut kind = kind.split(' ');
        let (name, options) = (kind.next()?, kind.nth(1)?);
        let fits = match name {
            "cgroup2" => is_v2,
            "cgroup" => {
                !is_v2
                    && controllers
                        .split(',')
                        .all(|one| options.split(',').any(|option| option == one))
            }
            _ => false,
        };
        // A mount of a part of the hierarchy may not have the container's cgroup.
        (fits && root == "/").then(|| Path::new(point).join(path))
    })
}

fn is_frozen(folder: &Path) -> bool {
    let state = files::read_kernel(folder.join("freezer.state"));
    let events = files::read_kernel(folder.join("cgroup.events"));
    state.is_ok_and(|state| state.trim() != "THAWED")
        || events.is_ok_and(|events| events.lines().any(|line| line == "frozen 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 20 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw
31 20 0:27 / /sys/fs/cgroup/systemd rw shared:10 - cgroup cgroup rw,xattr,name=systemd
32 20 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:11 - cgroup cgroup rw,cpu,cpuacct
33 20 0:29 /part /sys/fs/cgroup/memory rw shared:12 - cgroup cgroup rw,memory
";

    #[test]
    fn a_cgroup_is_found_in_its_hierarchy() {
        let found = |line: &str| folder(line, MOUNTS).map(|path| path.display().to_string());
        let at = |path: &str| Some(format!("/sys/fs/cgroup/{path}"));
        assert_eq!(found("0::/ns/web"), at("unified/ns/web"));
        assert_eq!(found("3:cpu,cpuacct:/ns/web"), at("cpu,cpuacct/ns/web"));
        assert_eq!(found("1:name=systemd:/ns/web"), at("systemd/ns/web"));
        // Not mounted, mounted in part, outside of the visible hierarchy.
        for line in ["5:pids:/ns/web", "4:memory:/ns/web", "0::/../web", "0::", ""] {
            assert_eq!(found(line), None, "{line}");
        }
    }
}
