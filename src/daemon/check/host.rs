//! What the host's kernel, file systems and programs are.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statfs, statvfs};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use super::finding::Finding;
use crate::domain::brake::Pressure;
use crate::files;
use crate::node::PendingCounts;

/// The type of a file system of cgroup v2, from linux/magic.h.
const CGROUP2: i64 = 0x6367_7270;
/// The controllers that limits and statistics of containers need.
const CONTROLLERS: [&str; 4] = ["cpu", "io", "memory", "pids"];
/// Limit for `/etc/group`, in bytes: large networks have many groups.
const GROUPS: usize = 64 << 20;
/// The free space below which a folder is reported, in bytes.
const LITTLE: u64 = 256 << 20;

/// The program that containerd's shims run. `path` is this process' PATH, which may differ from theirs.
pub fn runtime(path: &OsStr) -> Finding {
    match found("runc", std::env::split_paths(path)) {
        Some(program) => Finding::good("runtime", program.display().to_string()),
        None => {
            let advice = "containers start only if containerd finds it in its own PATH";
            Finding::degraded("runtime", "runc is not in PATH", advice)
        }
    }
}

/// The first executable file of this name in the folders.
fn found(name: &str, folders: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    folders.map(|folder| folder.join(name)).find(|program| access(program, Access::EXEC_OK).is_ok())
}

/// Processes are signalled and waited for through pidfds, since Linux 5.3.
pub fn processes() -> Finding {
    let version = files::read_kernel("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version = version.trim();
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => Finding::good("kernel", format!("{version} with pidfds")),
        Err(error) => {
            let found = format!("{version}: pidfd_open: {error}");
            Finding::broken("kernel", found, "Linux 5.3 or newer is needed")
        }
    }
}

/// The version of cgroups, and its controllers.
pub fn cgroups(root: &Path) -> Finding {
    let Ok(about) = statfs(root) else {
        let found = format!("{} is no file system of cgroups", root.display());
        return Finding::broken("cgroups", found, "mount cgroup2 there");
    };
    #[expect(clippy::useless_conversion, reason = "the type differs between architectures")]
    let is_v2 = i64::from(about.f_type) == CGROUP2;
    if !is_v2 {
        let advice = "probelet works with it; current systems have version 2";
        return Finding::degraded("cgroups", "version 1", advice);
    }
    let controllers = files::read_kernel(root.join("cgroup.controllers")).unwrap_or_default();
    let has = |name: &&str| controllers.split_whitespace().any(|controller| controller == *name);
    let missing: Vec<_> = CONTROLLERS.into_iter().filter(|name| !has(name)).collect();
    match missing.as_slice() {
        [] => Finding::good("cgroups", format!("version 2 with {}", controllers.trim())),
        missing => {
            let found = format!("version 2 without {}", missing.join(", "));
            Finding::degraded("cgroups", found, "limits of them have no effect")
        }
    }
}

/// The kernel's pressure stall information.
pub fn pressure_stalls(pressure: Pressure) -> Finding {
    match pressure {
        Pressure { memory: Some(memory), io: Some(io) } => {
            let found = format!("memory {memory} %, io {io} %");
            Finding::good("pressure", found)
        }
        _ => {
            let advice = "the brake cannot detect a host that is short of memory; boot with psi=1";
            Finding::degraded("pressure", "the kernel does not report it", advice)
        }
    }
}

/// The plugins of a CNI network.
pub fn plugins(network: &str, kinds: &[&str], folders: &[PathBuf]) -> Finding {
    let is_missing = |kind: &&&str| found(kind, folders.iter().cloned()).is_none();
    let missing: Vec<_> = kinds.iter().filter(is_missing).copied().collect();
    match missing.as_slice() {
        [] => Finding::good("network", format!("{network} by {}", kinds.join(", "))),
        missing => {
            let found = format!("{network}: no plugin {} in --cni-bin-dir", missing.join(", "));
            let advice = "install it (Debian: containernetworking-plugins); pods do not start";
            Finding::broken("network", found, advice)
        }
    }
}

/// The records that wait in the run folder for containerd.
pub fn records(pending: PendingCounts) -> Finding {
    let PendingCounts { waiting, set_aside } = pending;
    match (waiting, set_aside) {
        (0, 0) => Finding::good("records", "none waits to be written"),
        (waiting, 0) => {
            let found = format!("{waiting} wait to be written to containerd");
            Finding::degraded("records", found, "the daemon writes them when containerd takes them")
        }
        (waiting, set_aside) => {
            let found = format!("{waiting} wait to be written, {set_aside} could not be read");
            let advice = "the daemon's log names the files, in the folder `unwritten` of --run-dir";
            Finding::degraded("records", found, advice)
        }
    }
}

/// The group whose members may use the socket.
pub fn group() -> Finding {
    let groups = files::read_text("/etc/group", GROUPS).unwrap_or_default();
    if groups.lines().any(|line| line.starts_with("probelet:")) {
        return Finding::good("group", "members of probelet may use the socket");
    }
    let advice = "only root may use the socket; `groupadd --system probelet` creates it";
    Finding::degraded("group", "there is no group probelet", advice)
}

/// The free space of the file system that a folder is in, or will be in.
pub fn space(folder: &Path) -> Finding {
    let existing = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder);
    let shown = folder.display();
    match statvfs(existing) {
        Ok(about) => {
            let free = about.f_bavail.saturating_mul(about.f_frsize);
            let found = format!("{shown}: {} MiB are free", free >> 20);
            match free < LITTLE {
                true => Finding::degraded("space", found, "logs and volumes may fill it"),
                false => Finding::good("space", found),
            }
        }
        Err(error) => {
            Finding::broken("space", format!("{shown}: {error}"), "the folder cannot be used")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_program_has_to_be_executable() {
        let folder = tempfile::tempdir().unwrap();
        let (program, folders) = (folder.path().join("runc"), vec![folder.path().to_owned()]);
        assert_eq!(runtime(folder.path().as_os_str()).verdict, Verdict::Degraded);
        assert_eq!(plugins("net", &["runc"], &folders).verdict, Verdict::Broken);
        std::fs::write(&program, "").unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(runtime(folder.path().as_os_str()).found, program.display().to_string());
        assert_eq!(plugins("net", &["runc"], &folders).verdict, Verdict::Good);
        let missing = plugins("net", &["runc", "portmap", "bridge"], &folders);
        assert_eq!(missing.found, "net: no plugin portmap, bridge in --cni-bin-dir");
    }

    #[test]
    fn records_that_wait_are_counted() {
        let of = |waiting, set_aside| records(PendingCounts { waiting, set_aside });
        assert_eq!(of(0, 0), Finding::good("records", "none waits to be written"));
        assert_eq!(of(2, 0).found, "2 wait to be written to containerd");
        assert_eq!(of(0, 1).verdict, Verdict::Degraded);
    }

    #[test]
    fn a_kernel_without_pressure_is_degraded() {
        assert_eq!(pressure_stalls(Pressure::default()).verdict, Verdict::Degraded);
        let pressure = Pressure { memory: Some(0.5), io: Some(0.0) };
        assert_eq!(pressure_stalls(pressure), Finding::good("pressure", "memory 0.5 %, io 0 %"));
    }

    #[test]
    fn a_folder_that_does_not_exist_yet_has_the_space_of_the_one_above_it() {
        let folder = tempfile::tempdir().unwrap();
        let space = space(&folder.path().join("a/b"));
        assert!(space.found.contains("a/b: ") && space.found.contains("MiB are free"), "{space:?}");
        assert_eq!(processes().verdict, Verdict::Good);
        assert_eq!(cgroups(&folder.path().join("none")).verdict, Verdict::Broken);
    }
}
