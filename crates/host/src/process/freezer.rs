//! A container that is paused on cgroup v1: its processes take no signal, not even SIGKILL, until
//! they are thawed. On v2 the kernel does that by itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Process;
use crate::files;

const ROOT: &str = "/sys/fs/cgroup/freezer";
const STATE: &str = "freezer.state";

impl Process {
    /// Sends SIGKILL, and thaws the cgroups of the container so that a frozen process ends.
    pub fn kill(&self, container: &str) -> io::Result<()> {
        // The file is read before the kill. The process is alive after the read, so the cgroup
        // belongs to it.
        let cgroups = files::read_kernel(format!("/proc/{}/cgroup", self.pid));
        let ended = self.has_ended()?;
        self.signal(9)?;
        if let (false, Ok(cgroups)) = (ended, cgroups) {
            thaw(Path::new(ROOT), &cgroups, container)?;
        }
        Ok(())
    }
}

/// Thaws the cgroups. The pending SIGKILL takes effect before the next instruction. Cgroups that
/// are not frozen stay as they are.
fn thaw(root: &Path, cgroups: &str, container: &str) -> io::Result<()> {
    for folder in folders(root, cgroups, container) {
        let state = folder.join(STATE);
        match files::read_kernel(&state) {
            Ok(text) if text.trim() != "THAWED" => fs::write(&state, "THAWED")?,
            // There is no freezer of version 1, or the cgroup was removed with its processes.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// The cgroup of the process and those above it, up to the container's cgroup. A container may make
/// cgroups for its processes, and is frozen as a whole. Higher cgroups hold other containers too.
fn folders(root: &Path, cgroups: &str, container: &str) -> Vec<PathBuf> {
    let lines = cgroups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let mut freezers = lines.filter(|(kinds, _)| kinds.split(',').any(|kind| kind == "freezer"));
    let Some((_, path)) = freezers.next() else { return Vec::new() };
    let path = Path::new(path.trim_start_matches('/'));
    if path.as_os_str().is_empty() || path.components().any(|part| part.as_os_str() == "..") {
        return Vec::new();
    }
    let is_its_own = |path: &&Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // The name is `ID`, or systemd's `PREFIX-ID.scope`.
        let name = name.strip_suffix(".scope").unwrap_or(&name);
        name == container || name.ends_with(&format!("-{container}"))
    };
    let own = path.ancestors().position(|path| is_its_own(&path)).unwrap_or_default();
    path.ancestors().take(own.saturating_add(1)).map(|path| root.join(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_thawed_is_the_containers_own() {
        let found = |cgroups: &str| -> Vec<String> {
            let folders = folders(Path::new("/f"), cgroups, "web_0");
            folders.iter().map(|folder| folder.display().to_string()).collect()
        };
        let of = |path: &str| found(&format!("4:memory:/other\n3:cpu,freezer:{path}\n0::/x\n"));
        assert_eq!(of("/ns/web_0"), ["/f/ns/web_0"]);
        assert_eq!(of("/ns/web_0/init"), ["/f/ns/web_0/init", "/f/ns/web_0"]);
        assert_eq!(
            of("/system.slice/nerdctl-web_0.scope"),
            ["/f/system.slice/nerdctl-web_0.scope"]
        );
        // The user chose this cgroup.
        assert_eq!(of("/demo-slice/own"), ["/f/demo-slice/own"]);
        // These are not the container's alone, or are outside the visible hierarchy.
        for path in ["/", "/../web_0"] {
            assert_eq!(of(path), [""; 0], "{path}");
        }
        assert_eq!(found("0::/ns/web_0\n"), [""; 0]);
    }

    #[test]
    fn only_what_is_frozen_is_written_to() {
        let root = tempfile::tempdir().unwrap();
        let state = |name: &str| root.path().join("ns").join(name).join(STATE);
        for (name, text) in
            [("web_0", "FROZEN\n"), ("web_0/init", "FREEZING\n"), ("db_0", "FROZEN\n")]
        {
            fs::create_dir_all(state(name).parent().unwrap()).unwrap();
            fs::write(state(name), text).unwrap();
        }
        thaw(root.path(), "1:freezer:/ns/web_0/init\n", "web_0").unwrap();
        let read = |name: &str| files::read_kernel(state(name)).unwrap();
        assert_eq!(
            [read("web_0"), read("web_0/init"), read("db_0")],
            ["THAWED", "THAWED", "FROZEN\n"]
        );
        thaw(root.path(), "1:freezer:/ns/gone_0\n", "gone_0").unwrap();
    }
}
