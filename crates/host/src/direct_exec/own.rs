//! System calls that have no safe wrapper.
//!
//! All of it runs in the helper, which has one thread. So a child of a fork may allocate and lock
//! like its parent, and no other thread sees a descriptor that is closed by its number.
#![allow(unsafe_code, reason = "fork, execve and others have no safe wrapper")]

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_ulong};
use std::io;
use std::ptr;

use rustix::process::Pid;

/// Which side of a fork a process is.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    Child,
    Parent(Pid),
}

fn result(value: c_long) -> io::Result<c_long> {
    if value < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

fn side(pid: c_long) -> io::Result<Side> {
    let pid = i32::try_from(result(pid)?).map_err(io::Error::other)?;
    Ok(Pid::from_raw(pid).map_or(Side::Child, Side::Parent))
}

/// Forks the process.
pub fn fork() -> io::Result<Side> {
    // SAFETY: the process has one thread, so the child's copy of memory is consistent.
    side(unsafe { libc::fork() }.into())
}

/// Forks a child of this process' parent, in the namespace of processes that was joined.
pub fn fork_sibling() -> io::Result<Side> {
    let flags = c_ulong::try_from(libc::CLONE_PARENT | libc::SIGCHLD).map_err(io::Error::other)?;
    let none: c_ulong = 0;
    // SAFETY: without a stack of its own and without `CLONE_VM` the call is a fork, and the process
    // has one thread. The C library does not learn of it: what it does in a fork is for threads and
    // for handlers, of which there are none.
    side(unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) })
}

/// Closes all descriptors from `first` to `last`. Their owners must not use or drop them any more.
pub fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: the caller ends or executes another program without use of these descriptors.
    result(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// Ends the process without any cleanup, which is its parent's.
pub fn exit() -> ! {
    // SAFETY: the call does not return and touches no memory.
    unsafe { libc::_exit(1) }
}

/// Executes a program. It returns only an error.
pub fn execute(program: &CStr, args: &[CString], env: &[CString]) -> io::Error {
    let pointers = |all: &[CString]| -> Vec<*const c_char> {
        all.iter().map(|one| one.as_ptr()).chain([ptr::null()]).collect()
    };
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: both lists end with a null pointer, and all strings live longer than the call.
    unsafe { libc::execve(program.as_ptr(), args.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// The number of signals, and the size of a set of them in bytes.
const SIGNALS: c_int = 64;
const SET_SIZE: usize = 8;

/// Gives every signal its default handler, and blocks none.
pub fn reset_signals() -> io::Result<()> {
    // Handler, flags, restorer and mask of the kernel's `struct sigaction`: all zero is the default.
    let default = [0_u64; 4];
    for signal in 1..=SIGNALS {
        if matches!(signal, libc::SIGKILL | libc::SIGSTOP) {
            continue;
        }
        let none: *mut u64 = ptr::null_mut();
        // The C library hides two signals, which it ignores in what it spawns.
        // SAFETY: the structure has at least the kernel's size, and the default action is no code of
        // this program.
        let set = unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, SET_SIZE)
        };
        result(set)?;
    }
    // SAFETY: the set is written before it is read, and lives longer than the calls.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        result(libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut()).into()).map(drop)
    }
}

/// Ignores the signals by which a service manager or a terminal ends all processes of the daemon: the
/// helper ends with the daemon by itself, after it has ended the command.
pub fn ignore_requests_to_end() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: to ignore a signal runs no code of this program.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Joins the session keyring of this name, which is created if there is none.
pub fn join_session_keyring(name: &CStr) -> io::Result<()> {
    // SAFETY: the name lives longer than the call.
    let joined = unsafe {
        libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr())
    };
    result(joined).map(drop)
}

/// Soft and hard limit of a resource of a process.
pub fn limit(pid: Pid, resource: u32) -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call writes to `limit` only, which lives longer.
    let read =
        unsafe { libc::prlimit(pid.as_raw_nonzero().get(), resource, ptr::null(), &mut limit) };
    result(read.into())?;
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// Sets the limits of a resource of a process.
pub fn set_limit(pid: Pid, resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the call reads `limit` only, which lives longer.
    let set =
        unsafe { libc::prlimit(pid.as_raw_nonzero().get(), resource, &limit, ptr::null_mut()) };
    result(set.into()).map(drop)
}

/// The scheduling policy of a process; of this one without a pid.
pub fn policy(pid: Option<Pid>) -> io::Result<i32> {
    let pid = pid.map_or(0, |pid| pid.as_raw_nonzero().get());
    // SAFETY: the call touches no memory.
    let policy: c_int = unsafe { libc::sched_getscheduler(pid) };
    result(policy.into()).map(|_| policy)
}

const IOPRIO_WHO_PROCESS: c_int = 1;

/// The I/O priority of a process; of this one without a pid.
pub fn io_priority(pid: Option<Pid>) -> io::Result<i64> {
    let pid = pid.map_or(0, |pid| pid.as_raw_nonzero().get());
    // SAFETY: the call touches no memory.
    result(unsafe { libc::syscall(libc::SYS_ioprio_get, IOPRIO_WHO_PROCESS, pid) })
}
