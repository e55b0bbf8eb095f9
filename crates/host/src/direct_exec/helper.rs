//! The helper: a process of the daemon's binary that runs one command in a container.
//!
//! It stays in the host's namespaces and prepares what only a process there can set: cgroups,
//! limits, scores. A first child joins the container's namespaces and forks the second one, which is
//! in them from its beginning and becomes the command. When the daemon ends or gives the command up,
//! its end of the socket closes, and the helper kills the command.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open,
    set_dumpable_behavior, waitpid,
};
use rustix::stdio;
use rustix::thread::{move_into_thread_name_spaces, set_name};

use super::command::become_command;
use super::messages::{self, Report, Step, next_step, report};
use super::own::{self, Side};
use super::plan::Plan;
use super::surroundings::{Surroundings, has_ended};
use crate::process::family::{Family, HELPER, Mark};
use crate::process::stat::Stat;

/// Most searches for what is left of a command that was given up, and the pause between them.
const SEARCHES: u32 = 100;
const SEARCH_STEP: Duration = Duration::from_millis(20);

/// Why a command was not run to its end.
enum Stop {
    /// The daemon has ended or does not wait any more.
    GivenUp,
    Failed(String),
}

impl<E: Into<io::Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into().to_string())
    }
}

/// Runs the command that the daemon sends on stdin, which is a socket.
pub fn run() -> io::Result<()> {
    // Processes of the container must not read or trace the process that becomes the command.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    set_name(HELPER)?;
    own::ignore_requests_to_end();
    let daemon = UnixStream::from(fcntl_dupfd_cloexec(stdio::stdin(), 3)?);
    match conduct(&daemon) {
        Ok(()) | Err(Stop::GivenUp) => Ok(()),
        Err(Stop::Failed(text)) => tell(&daemon, &Report::Failed(text)),
    }
}

fn tell(mut daemon: &UnixStream, what: &Report) -> io::Result<()> {
    daemon.write_all(what.line().as_bytes())
}

fn conduct(daemon: &UnixStream) -> Result<(), Stop> {
    let (plan, init) = messages::receive(daemon)?;
    let around = Surroundings::read(&plan, init.as_fd())?;
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let joiner = match own::fork()? {
        Side::Parent(joiner) => joiner,
        Side::Child => join(&plan, &around, &init, theirs),
    };
    drop(theirs);
    let forked = next(ours.as_fd(), daemon);
    if forked.is_err() {
        // It may hang in the kernel.
        kill_process(joiner, Signal::KILL)?;
    }
    waitpid(Some(joiner), WaitOptions::empty())?;
    let pid = match forked? {
        Some(Step::Forked(pid)) => Pid::from_raw(pid),
        Some(Step::Failed(text)) => return Err(Stop::Failed(text)),
        _ => None,
    };
    let pid =
        pid.ok_or_else(|| Stop::Failed("the container's namespaces were not joined".into()))?;
    // The child is reaped only at the end, so the pid is its own.
    let child = Child { pid, pidfd: pidfd_open(pid, PidfdFlags::empty())? };
    let done = child.follow(&around, init.as_fd(), ours.as_fd(), daemon);
    if done.is_err() {
        child.end(&plan);
    }
    done
}

/// Waits for the next step of a child.
fn next(from: BorrowedFd<'_>, daemon: &UnixStream) -> Result<Option<Step>, Stop> {
    wait(from, daemon)?;
    Ok(next_step(from)?)
}

/// Waits until a descriptor is readable. The daemon sends nothing after the plan, so its socket is
/// readable when it is closed.
fn wait(what: BorrowedFd<'_>, daemon: &UnixStream) -> Result<(), Stop> {
    let mut both = [PollFd::new(&what, PollFlags::IN), PollFd::new(daemon, PollFlags::IN)];
    poll(&mut both, None)?;
    let [what, _] = both;
    if what.revents().is_empty() { Err(Stop::GivenUp) } else { Ok(()) }
}

struct Child {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Child {
    fn follow(
        &self,
        around: &Surroundings,
        init: BorrowedFd<'_>,
        steps: BorrowedFd<'_>,
        daemon: &UnixStream,
    ) -> Result<(), Stop> {
        around.apply(self.pid)?;
        // Init was alive when its cgroup was compared last.
        if has_ended(init)? {
            return Err(Stop::Failed("the container is ending".to_owned()));
        }
        send(steps, b"go", SendFlags::NOSIGNAL)?;
        let mut executes = false;
        loop {
            match next(steps, daemon)? {
                Some(Step::Executes) => executes = true,
                Some(Step::Failed(text)) => return Err(Stop::Failed(text)),
                Some(Step::Forked(_)) => return Err(Stop::Failed("an unknown step".to_owned())),
                None if executes => break,
                None => {
                    return Err(Stop::Failed(
                        "the process ended before the command ran".to_owned(),
                    ));
                }
            }
        }
        tell(daemon, &Report::Started(self.pid.as_raw_nonzero().get().unsigned_abs()))?;
        wait(self.pidfd.as_fd(), daemon)?;
        let status = waitpid(Some(self.pid), WaitOptions::empty())?;
        let status = status.map(|(_, status)| status.as_raw()).unwrap_or_default();
        Ok(tell(daemon, &Report::Ended(status))?)
    }

    /// Kills the command with its children, within a bound: a frozen process does not end.
    fn end(&self, plan: &Plan) {
        let mark = Mark { variables: HashSet::from([plan.mark.clone()]), among: None };
        let raw = self.pid.as_raw_nonzero().get().unsigned_abs();
        let leader = Stat::read(raw).ok().map(|stat| stat.identity);
        let mut family = Family::new(mark, leader, plan.init);
        for _ in 0..SEARCHES {
            // The first search comes before the kill: children are found by the session of a leader
            // that is alive.
            let found = family.strike();
            // It fails if the command has ended.
            let _ = kill_process(self.pid, Signal::KILL);
            if found.is_ok_and(|found| found.members == 0) {
                return;
            }
            std::thread::sleep(SEARCH_STEP);
        }
    }
}

/// Joins the container's namespaces and forks the command in them. Until then no process of the
/// container can see this one.
fn join(plan: &Plan, around: &Surroundings, init: &OwnedFd, helper: OwnedFd) -> ! {
    let forked = stdio_and(&helper, Some(init)).and_then(|()| {
        move_into_thread_name_spaces(init.as_fd(), around.join)?;
        stdio_and(&helper, None)?;
        own::fork_sibling()
    });
    match forked {
        Ok(Side::Parent(child)) => {
            report(&helper, &Step::Forked(child.as_raw_nonzero().get()));
        }
        Ok(Side::Child) => {
            // The helper goes on only after it has put this process into its surroundings.
            if matches!(next_go(&helper), Ok(true)) {
                let why = become_command(plan, around.umask, &helper);
                report(&helper, &Step::Failed(why));
            }
        }
        Err(error) => report(&helper, &Step::Failed(error.to_string())),
    }
    own::exit()
}

fn next_go(helper: &OwnedFd) -> io::Result<bool> {
    let mut go = [0; 2];
    let (length, _) = recv(helper, &mut go[..], RecvFlags::empty())?;
    Ok(go.get(..length) == Some(b"go"))
}

/// Closes all descriptors but stdio and these. Stdin becomes `/dev/null` of the host, which is opened
/// before the container's root is entered, as in runc.
fn stdio_and(helper: &OwnedFd, init: Option<&OwnedFd>) -> io::Result<()> {
    if init.is_some() {
        stdio::dup2_stdin(File::open("/dev/null")?)?;
    }
    let mut keep = vec![helper.as_raw_fd().unsigned_abs()];
    keep.extend(init.map(|init| init.as_raw_fd().unsigned_abs()));
    keep.sort_unstable();
    let mut first = 3_u32;
    for descriptor in keep {
        if descriptor > first {
            own::close_range(first, descriptor.saturating_sub(1))?;
        }
        first = descriptor.saturating_add(1);
    }
    own::close_range(first, u32::MAX)
}
