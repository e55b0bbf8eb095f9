//! What a command of the runtime would have from outside of its spec: the container's cgroups, and
//! what it would inherit from the container's shim.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, getpriority_process, setpriority_process};
use rustix::thread::{CpuSet, ThreadNameSpaceType, sched_getaffinity, sched_setaffinity};

use super::cgroups::Cgroups;
use super::own;
use super::plan::{Kind, Plan, RESOURCE_COUNT};
use crate::files;
use crate::process::stat::Stat;

/// The prefix of the process names of containerd's shims, which the kernel cuts off.
const SHIM: &str = "containerd-shim";

/// The surroundings of a command, read before its process is created.
pub struct Surroundings {
    cgroups: Cgroups,
    limits: Vec<(u32, u64, u64)>,
    nice: i32,
    affinity: CpuSet,
    oom_score_adj: i32,
    /// The umask that the command inherits.
    pub umask: u32,
    /// The namespaces to join.
    pub join: ThreadNameSpaceType,
}

impl Surroundings {
    /// Reads the surroundings of a command in the container of `init`, which `pidfd` is of.
    pub fn read(plan: &Plan, pidfd: BorrowedFd<'_>) -> io::Result<Self> {
        let join = namespaces(plan)?;
        let cgroups = Cgroups::of(plan.init)?;
        let shim = Stat::read(plan.init)?.parent;
        if !files::read_kernel(format!("/proc/{shim}/comm"))?.starts_with(SHIM) {
            return Err(io::Error::other("the container's shim is gone"));
        }
        let process = pid(shim)?;
        let status = files::read_kernel(format!("/proc/{shim}/status"))?;
        check_inherited(shim, process, &status, plan.process.capabilities.bounding)?;
        let limit = |resource| own::limit(process, resource).map(|(s, h)| (resource, s, h));
        let mut limits = (0..).take(RESOURCE_COUNT).map(limit).collect::<io::Result<Vec<_>>>()?;
        for wanted in &plan.process.limits {
            limits.retain(|(resource, ..)| *resource != wanted.resource);
            limits.push((wanted.resource, wanted.soft, wanted.hard));
        }
        let oom_score_adj = match plan.process.oom_score_adj {
            Some(score) => score,
            None => number(&files::read_kernel(format!("/proc/{shim}/oom_score_adj"))?)?,
        };
        let surroundings = Self {
            cgroups,
            limits,
            nice: getpriority_process(Some(process))?,
            affinity: sched_getaffinity(Some(process))?,
            oom_score_adj,
            umask: umask(&status)?,
            join,
        };
        // The shim is init's parent before and after, and init is alive after all of it, so both
        // pids were theirs.
        if Stat::read(plan.init)?.parent != shim || has_ended(pidfd)? {
            return Err(io::Error::other("the container is ending"));
        }
        Ok(surroundings)
    }

    /// Puts a process that has not executed the command yet into the surroundings.
    pub fn apply(&self, to: Pid) -> io::Result<()> {
        let raw = to.as_raw_nonzero().get();
        sched_setaffinity(Some(to), &self.affinity)?;
        self.cgroups.enter(raw)?;
        setpriority_process(Some(to), self.nice)?;
        let mut score = File::options().write(true).open(format!("/proc/{raw}/oom_score_adj"))?;
        score.write_all(self.oom_score_adj.to_string().as_bytes())?;
        for (resource, soft, hard) in &self.limits {
            own::set_limit(to, *resource, *soft, *hard)?;
        }
        Ok(())
    }
}

fn pid(pid: u32) -> io::Result<Pid> {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
    raw.ok_or_else(|| Errno::SRCH.into())
}

fn number(text: &str) -> io::Result<i32> {
    text.trim().parse().map_err(io::Error::other)
}

/// Whether the process of a pidfd has ended.
pub fn has_ended(pidfd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut pidfd = [PollFd::new(&pidfd, PollFlags::IN)];
    Ok(poll(&mut pidfd, Some(&Timespec::default()))? > 0)
}

/// A line of `/proc/PID/status`.
fn line<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn umask(status: &str) -> io::Result<u32> {
    let umask = line(status, "Umask").and_then(|umask| u32::from_str_radix(umask, 8).ok());
    umask.ok_or_else(|| io::Error::other("the shim's umask is not known"))
}

/// Refuses what a command would inherit from the daemon and not from the shim, and what cannot be
/// set to the shim's.
fn check_inherited(shim: u32, process: Pid, status: &str, bounding: u64) -> io::Result<()> {
    let own = files::read_kernel("/proc/self/status")?;
    for name in ["NoNewPrivs", "Seccomp", "Seccomp_filters"] {
        if line(&own, name) != line(status, name) {
            return Err(other_than_shim(name));
        }
    }
    let capabilities = |status: &str| {
        let bits = line(status, "CapBnd").and_then(|bits| u64::from_str_radix(bits, 16).ok());
        bits.ok_or_else(|| io::Error::from(ErrorKind::InvalidData))
    };
    if capabilities(status)? & bounding & !capabilities(&own)? != 0 {
        return Err(io::Error::other("the daemon lacks capabilities that the container has"));
    }
    // A file is missing, or has no value, without the kernel's feature.
    for name in ["attr/current", "personality"] {
        let of = |process: &str| files::read_kernel(format!("/proc/{process}/{name}")).ok();
        if of("self") != of(&shim.to_string()) {
            return Err(other_than_shim(name));
        }
    }
    let own = (own::policy(None)?, own::io_priority(None)?);
    if (own::policy(Some(process))?, own::io_priority(Some(process))?) != own {
        return Err(other_than_shim("scheduling policy or I/O priority"));
    }
    Ok(())
}

fn other_than_shim(what: &str) -> io::Error {
    io::Error::other(format!("the daemon has another {what} than the container's shim"))
}

/// The namespaces to join. Each namespace of init is the container's by its spec, or the daemon's.
fn namespaces(plan: &Plan) -> io::Result<ThreadNameSpaceType> {
    let mut join = ThreadNameSpaceType::empty();
    for kind in Kind::ALL {
        if plan.namespaces.has(kind) {
            join |= flag(kind);
            continue;
        }
        let of =
            |process: &str| match std::fs::read_link(format!("/proc/{process}/ns/{}", kind.file()))
            {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                link => link.map(Some),
            };
        let (theirs, own) = (of(&plan.init.to_string())?, of("self")?);
        if theirs.is_none() && own.is_some() {
            return Err(io::Error::other("the container is ending"));
        }
        if theirs != own {
            let text = format!("the container's {} namespace is not that of its spec", kind.file());
            return Err(io::Error::other(text));
        }
    }
    Ok(join)
}

fn flag(kind: Kind) -> ThreadNameSpaceType {
    match kind {
        Kind::Mount => ThreadNameSpaceType::MOUNT,
        Kind::Pid => ThreadNameSpaceType::PROCESS_ID,
        Kind::Network => ThreadNameSpaceType::NETWORK,
        Kind::Ipc => ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION,
        Kind::Uts => ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME,
        Kind::Cgroup => ThreadNameSpaceType::CONTROL_GROUP,
        Kind::Time => ThreadNameSpaceType::TIME,
        Kind::User => ThreadNameSpaceType::USER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_status_are_found_by_their_whole_name() {
        let status = "Name:\ta\nUmask:\t0027\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        assert_eq!(umask(status).unwrap(), 0o27);
        assert_eq!(line(status, "Seccomp"), Some("2"));
        assert_eq!(line(status, "Sec"), None);
        assert!(umask("Name:\tUmask\n").is_err());
    }
}
