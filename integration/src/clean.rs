//! Removes what a test's host left, by process ids and paths that are certainly its own.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::eventually;

/// Ends a child: SIGTERM, then SIGKILL after 5 s.
pub fn end(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        if matches!(child.try_wait(), Ok(None)) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let ended = || child.try_wait().is_ok_and(|status| status.is_some()).then_some(());
        if eventually("a child ends", Duration::from_secs(5), ended).is_err() {
            let _ = child.kill();
        }
        let _ = child.wait();
    }
}

/// The shims of the containerd at `socket`, which is in their arguments. Shims outlive containerd.
pub(crate) fn shims(socket: &Path) -> Vec<Pid> {
    let is_ours = |pid: &i32| {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        comm.starts_with("containerd-shim")
            && arguments
                .split(|byte| *byte == 0)
                .any(|word| word == socket.as_os_str().as_encoded_bytes())
    };
    processes().into_iter().filter(is_ours).filter_map(Pid::from_raw).collect()
}

/// The first processes (`pod-pause`) of the process namespaces whose pins are below `dir`.
pub fn holders(dir: &Path) -> Vec<Pid> {
    let is_ours = |pid: &i32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = arguments.split(|byte| *byte == 0).collect();
        matches!(words.as_slice(), [_, b"pod-pause", _, pin, ..]
            if Path::new(&*String::from_utf8_lossy(pin)).starts_with(dir))
    };
    processes().into_iter().filter(is_ours).filter_map(Pid::from_raw).collect()
}

fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The children of a process, by the fourth field of /proc/PID/stat. The field is counted from the
/// end of the name, which may contain anything.
fn children(parent: Pid) -> Vec<Pid> {
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        after_name.split_whitespace().nth(1) == Some(&parent.as_raw_nonzero().to_string())
    };
    processes().into_iter().filter(is_child).filter_map(Pid::from_raw).collect()
}

pub(crate) fn leftovers(dir: &Path, socket: &Path, namespace: &str) {
    for shim in shims(socket) {
        // The container's init is the shim's child.
        for pid in children(shim).into_iter().chain([shim]) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    let bundles = dir.join("state/io.containerd.runtime.v2.task").join(namespace);
    for bundle in fs::read_dir(bundles).into_iter().flatten().flatten() {
        // A killed shim leaves its socket behind.
        let address = fs::read_to_string(bundle.path().join("address")).unwrap_or_default();
        if let Some(socket) = address.trim().strip_prefix("unix://") {
            let _ = fs::remove_file(socket);
        }
    }
    let state = Path::new("/run/containerd/runc").join(namespace);
    for container in fs::read_dir(&state).into_iter().flatten().flatten() {
        let mut runc = Command::new("runc");
        runc.arg("--root").arg(&state).args(["delete", "--force"]).arg(container.file_name());
        let _ = runc.output();
    }
    let _ = fs::remove_dir(&state);
    let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    for parent in hierarchies.map(|entry| entry.path()).chain(["/sys/fs/cgroup".into()]) {
        // rmdir removes a cgroup, if no process is in it.
        let _ = fs::remove_dir(parent.join(namespace));
    }
    for pid in holders(dir) {
        let _ = kill_process(pid, Signal::KILL);
    }
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut mounts: Vec<&str> = mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|at| Path::new(at).starts_with(dir))
        .collect();
    // Inner mounts come first.
    mounts.sort_unstable();
    for at in mounts.into_iter().rev() {
        let _ = Command::new("umount").args(["--lazy", at]).output();
    }
}
