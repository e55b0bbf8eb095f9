//! The first process of a pod's process namespace: this very binary, which does nothing but take
//! in the orphans. What the containers could reach by it is made worth nothing: it has an empty
//! root, namespaces that nobody else is in, and no privileges.

mod own;

use std::ffi::{CStr, OsString};
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{ExitCode, Stdio};

use rustix::fs::{Gid, Uid};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};
use rustix::process::{WaitOptions, chdir, getpid, pivot_root, setsid, wait};
use rustix::thread::{
    UnshareFlags, set_name, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};
use signal_hook::consts::SIGCHLD;

/// Of the process, as Kubernetes calls what does this there.
pub const NAME: &CStr = c"pod-pause";
/// The argument by which the binary runs as the holder of a process namespace.
pub const ARGUMENT: &str = "pod-pause";
/// `pod-pause start PIN CGROUP` makes the namespace with its first process, which is `pod-pause
/// hold PIN`, and pins it.
pub(super) const START: &str = "start";
pub(super) const HOLD: &str = "hold";

/// The hierarchies by which systemd knows whose a process is, where they are.
pub(super) const CGROUPS: [&str; 3] =
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];

const READY: &str = "ready";
const PINNED: &str = "pinned";
/// Limit for what the holder reports, in bytes.
const LONGEST: usize = 4096;
/// As Kubernetes' pause has it.
const NOBODY: u32 = 65_535;

/// `None` if this process was not started as a holder.
pub fn run_if_asked() -> Option<ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    let done = match words.as_slice() {
        [ARGUMENT, START, pin, cgroup] => start(pin, cgroup),
        [ARGUMENT, HOLD, _] => hold(),
        [ARGUMENT, ..] => return Some(ExitCode::from(2)),
        _ => return None,
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever started it reads the one or the other.
            let _ = writeln!(io::stdout(), "{error}");
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    })
}

/// Its end leaves the holder to the host's first process, which reaps it one day. Its end before
/// the namespace is pinned takes the holder with it, so that there is none that nothing leads to.
fn start(pin: &str, cgroup: &str) -> io::Result<()> {
    setsid()?;
    // Not to be ended with the daemon's service.
    if let Err(error) = CGROUPS.into_iter().try_for_each(|root| enter(Path::new(root), cgroup)) {
        let _ = writeln!(io::stderr(), "stays in the daemon's cgroup: {error}");
    }
    own::keep_descriptors()?;
    own::unshare(UnshareFlags::NEWPID)?;
    let mut command = super::program::again();
    command.args([ARGUMENT, HOLD, pin]).stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let told = child.stdout.take().map(first_line).transpose()?.unwrap_or_default();
    if told.trim() != READY {
        let status = child.wait()?;
        return Err(io::Error::other(format!("{}: {status}", told.trim())));
    }
    // The number is its own as long as it is a child that nobody has waited for.
    super::pin_at(Path::new(pin), &super::namespace::joined(child.id())?)?;
    let mut stdin = child.stdin.take().ok_or(ErrorKind::BrokenPipe)?;
    writeln!(stdin, "{PINNED}")
}

/// The child goes on, and so does its end of the pipe.
fn first_line(mut pipe: impl Read) -> io::Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while line.len() < LONGEST && pipe.read(&mut byte)? > 0 && byte != *b"\n" {
        line.extend(byte);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn enter(root: &Path, cgroup: &str) -> io::Result<()> {
    // Not each host has each of them, and one folder may hold hierarchies instead of being one.
    if !root.join("cgroup.procs").exists() {
        return Ok(());
    }
    let folder = root.join(cgroup);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("cgroup.procs"), "0")
}

fn hold() -> io::Result<()> {
    if getpid().as_raw_nonzero().get() != 1 {
        return Err(io::Error::other("is started by the daemon only"));
    }
    set_name(NAME)?;
    // Before there can be an orphan. Other signals have no effect on a first process.
    let (mut news, teller) = UnixStream::pair()?;
    teller.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(SIGCHLD, teller)?;
    leave_the_host()?;
    writeln!(io::stdout(), "{READY}")?;
    let told = first_line(io::stdin())?;
    if told.trim() != PINNED {
        return Err(io::Error::other("was not pinned"));
    }
    let mut buffer = [0; 64];
    loop {
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        match news.read(&mut buffer) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
    }
}

fn leave_the_host() -> io::Result<()> {
    let own = UnshareFlags::NEWNS | UnshareFlags::NEWNET | UnshareFlags::NEWIPC;
    own::unshare(own | UnshareFlags::NEWUTS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // Any folder that is everywhere.
    mount("none", "/proc", "tmpfs", flags, c"size=4k,mode=0555")?;
    chdir("/proc")?;
    // One upon the other, of which the host's root goes.
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")?;
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    set_no_new_privs(true)?;
    Ok(())
}
