//! The first process of a pod's process namespace: this binary, which only reaps orphans.
//! Containers can gain nothing through it: it has an empty root, namespaces that no other process
//! is in, and no privileges.

mod own;

use std::ffi::{CStr, OsString};
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

use crate::process::placement;

/// The name of the process, like Kubernetes' `pause`.
pub const NAME: &CStr = c"pod-pause";
/// The argument by which the binary runs as the holder of a process namespace.
pub const ARGUMENT: &str = "pod-pause";
/// `pod-pause start PIN CGROUP` makes the namespace with its first process, which is `pod-pause
/// hold PIN`, and pins it.
pub(super) const START: &str = "start";
pub(super) const HOLD: &str = "hold";

const READY: &str = "ready";
const PINNED: &str = "pinned";
/// Limit for what the holder reports, in bytes.
const LONGEST: usize = 4096;
/// The user of the process, as in Kubernetes' pause.
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
            // The process that started this one reads either the result or the error.
            let _ = writeln!(io::stdout(), "{error}");
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    })
}

/// Starts the holder and pins its namespace. When this process ends, the holder becomes a child of
/// the host's init, which reaps it later. If this process ends before the namespace is pinned, the
/// holder ends too, so that no holder is left without a pin.
fn start(pin: &str, cgroup: &str) -> io::Result<()> {
    setsid()?;
    // In this cgroup the holder is not ended together with the daemon's service.
    if let Err(error) = placement::move_to(0, Path::new(cgroup)) {
        let _ = writeln!(io::stderr(), "stays in the daemon's cgroup: {error}");
    }
    own::keep_descriptors()?;
    own::unshare(UnshareFlags::NEWPID)?;
    let mut command = crate::own_program::again();
    command.args([ARGUMENT, HOLD, pin]).stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let told = child.stdout.take().map(first_line).transpose()?.unwrap_or_default();
    if told.trim() != READY {
        let status = child.wait()?;
        return Err(io::Error::other(format!("{}: {status}", told.trim())));
    }
    // The pid is not reused as long as the child has not been waited for.
    super::pin_at(Path::new(pin), &super::namespace::joined(child.id())?)?;
    let mut stdin = child.stdin.take().ok_or(ErrorKind::BrokenPipe)?;
    writeln!(stdin, "{PINNED}")
}

/// Reads one line only: the child goes on running and keeps its end of the pipe open.
fn first_line(mut pipe: impl Read) -> io::Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while line.len() < LONGEST && pipe.read(&mut byte)? > 0 && byte != *b"\n" {
        line.extend(byte);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn hold() -> io::Result<()> {
    if getpid().as_raw_nonzero().get() != 1 {
        return Err(io::Error::other("is started by the daemon only"));
    }
    set_name(NAME)?;
    // This is done before there can be an orphan. Other signals do not affect a first process.
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
    // `/proc` is a folder that exists on every host.
    mount("none", "/proc", "tmpfs", flags, c"size=4k,mode=0555")?;
    chdir("/proc")?;
    // The new root is stacked on the host's root, which is then unmounted.
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
