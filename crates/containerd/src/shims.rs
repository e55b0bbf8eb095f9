//! Cleanup of a shim that containerd does not know since containerd died while starting it. The
//! shim holds its bundle, answers no request, and would run forever.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use probelet_host::files;

const PROGRAM: &str = "containerd-shim";
const CGROUPS: &str = "/sys/fs/cgroup";
/// Limit for what is read of a command line, in bytes. A shim's is shorter; others may have
/// megabytes.
const COMMAND_LINE: usize = 16 << 10;
/// How long a killed process may take to end, unless it hangs in the kernel.
const DYING: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
/// How often the cgroup is emptied, since a process may be forked in it meanwhile.
const LOOKS: u32 = 50;
const LOOK_STEP: Duration = Duration::from_millis(20);

/// The container whose shim is to be ended.
#[derive(Debug, Clone)]
pub struct Owner {
    /// containerd's socket, which identifies its shims.
    pub(crate) socket: PathBuf,
    pub(crate) namespace: String,
    pub(crate) id: String,
    /// The container's cgroup, below each hierarchy.
    pub(crate) cgroup: String,
}

impl Owner {
    /// Kills the shim, and what it has started in the container's cgroup. Returns the number of
    /// shims found. Blocks.
    pub fn end(&self) -> io::Result<usize> {
        let mut shims = 0;
        for pid in processes("/proc".as_ref())? {
            if self.is_shim(pid) && kill(pid, || self.is_shim(pid))? {
                shims += 1;
            }
        }
        if shims > 0 {
            self.empty_cgroup()?;
        }
        Ok(shims)
    }

    fn is_shim(&self, pid: Pid) -> bool {
        let line =
            files::read_start(format!("/proc/{}/cmdline", pid.as_raw_nonzero()), COMMAND_LINE);
        line.is_ok_and(|line| self.is_meant(&String::from_utf8_lossy(&line)))
    }

    /// True if a command line is the shim's: `PROGRAM -namespace NS -id ID -address SOCKET`. One
    /// that ends in a verb is a helper of containerd, which ends by itself.
    fn is_meant(&self, line: &str) -> bool {
        let words: Vec<_> = line.trim_end_matches('\0').split('\0').collect();
        let value = |flag: &str| {
            let at = words.iter().position(|word| *word == flag)?;
            words.get(at + 1).copied()
        };
        let is_program = words.first().is_some_and(|program| {
            let name = Path::new(program).file_name().unwrap_or_default();
            name.to_string_lossy().starts_with(PROGRAM)
        });
        is_program
            && !matches!(words.last(), Some(&("start" | "delete")))
            && value("-namespace") == Some(&self.namespace)
            && value("-id") == Some(&self.id)
            && value("-address").is_some_and(|socket| is_same(Path::new(socket), &self.socket))
    }

    fn empty_cgroup(&self) -> io::Result<()> {
        for _ in 0..LOOKS {
            let mut members = Vec::new();
            let hierarchies = fs::read_dir(CGROUPS)?.flatten().map(|entry| entry.path());
            for hierarchy in hierarchies.chain([PathBuf::from(CGROUPS)]) {
                let file = format!("{}{}/cgroup.procs", hierarchy.display(), self.cgroup);
                let text = files::read_kernel(file).unwrap_or_default();
                members.extend(text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)));
            }
            if members.is_empty() {
                return Ok(());
            }
            for pid in members {
                kill(pid, || self.is_in_cgroup(pid))?;
            }
            thread::sleep(LOOK_STEP);
        }
        Err(io::Error::other(format!("processes in {} do not end", self.cgroup)))
    }

    fn is_in_cgroup(&self, pid: Pid) -> bool {
        let text = files::read_kernel(format!("/proc/{}/cgroup", pid.as_raw_nonzero()));
        text.is_ok_and(|text| text.lines().any(|line| line.ends_with(&self.cgroup)))
    }
}

/// Kills a process and waits for its end. Returns whether it was killed. `is_it` is called once the
/// pidfd is open, since only then the pid cannot be reused.
fn kill(pid: Pid, is_it: impl Fn() -> bool) -> io::Result<bool> {
    let pidfd: OwnedFd = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(false),
        pidfd => pidfd?,
    };
    if !is_it() {
        return Ok(false);
    }
    match pidfd_send_signal(&pidfd, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => return Err(error.into()),
    }
    if poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&DYING))? == 0 {
        return Err(io::Error::other(format!("process {pid:?} does not die")));
    }
    Ok(true)
}

fn processes(proc: &Path) -> io::Result<Vec<Pid>> {
    let entries = fs::read_dir(proc)?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(pids.filter_map(Pid::from_raw).collect())
}

fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    one == other || whole(one) == whole(other)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Command, Stdio};

    use super::*;

    fn owner(id: &str) -> Owner {
        Owner {
            socket: "/run/probelet-test/containerd.sock".into(),
            namespace: "probelet-test".into(),
            id: id.into(),
            cgroup: format!("/probelet-test/{id}"),
        }
    }

    const SHIM: [&str; 7] = [
        "/usr/bin/containerd-shim-runc-v2",
        "-namespace",
        "probelet-test",
        "-id",
        "web_0",
        "-address",
        "/run/probelet-test/containerd.sock",
    ];

    #[test]
    fn only_the_tasks_own_shim_is_meant() {
        let meant = |words: &[&str]| owner("web_0").is_meant(&(words.join("\0") + "\0"));
        assert!(meant(&SHIM));
        assert!(!meant(&[&SHIM[..], &["start"]].concat()), "it ends by itself");
        assert!(!owner("web_1").is_meant(&SHIM.join("\0")));
        assert!(!meant(&[&["/usr/bin/less"], &SHIM[1..]].concat()));
        for (at, other) in [(2, "default"), (4, "web_01"), (6, "/run/containerd.sock")] {
            let mut words = SHIM;
            words[at] = other;
            assert!(!meant(&words), "{other}");
        }
    }

    #[test]
    fn a_shim_is_killed_and_its_neighbour_is_not() {
        let spawn = |id: &str| {
            let mut command = Command::new("sh");
            command.arg0("containerd-shim-test").args(["-c", "read end", "-namespace"]);
            command.args(["probelet-test", "-id", id, "-address"]).arg(SHIM[6]);
            command.stdin(Stdio::piped()).spawn().unwrap()
        };
        let (mut shim, mut neighbour) = (spawn("killed_0"), spawn("spared_0"));
        // Until exec has replaced the arguments, the child is a copy of this test.
        let killed = (0..500).any(|_| {
            thread::sleep(Duration::from_millis(10));
            owner("killed_0").end().unwrap() == 1
        });
        assert!(killed);
        assert_eq!(shim.wait().unwrap().signal(), Some(9));
        assert!(neighbour.try_wait().unwrap().is_none());
        neighbour.kill().unwrap();
        neighbour.wait().unwrap();
        assert_eq!(owner("killed_0").end().unwrap(), 0);
    }
}
