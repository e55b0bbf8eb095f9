//! The processes of a command that was run in a container, and how they are killed.
//!
//! Killing the command alone leaves its children, and a child may leave its parent (by a double
//! fork) and its session (by `setsid`). So the command's environment carries a mark, which its
//! children inherit. A program may clear its environment, so parents and sessions count too.

use std::collections::HashSet;
use std::ffi::CStr;
use std::io;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::stat::{Identity, Stat};
use crate::files;

/// How much of an environment is searched; a container may write megabytes into it.
const ENVIRONMENT: usize = 256 << 10;

/// The beginning of the variable that marks a command of probelet in its environment. A value that
/// is unique to the command follows.
pub const COMMAND: &str = "PROBELET_EXEC=";

/// The name of the processes that are about to become a command that runs without runc.
pub const HELPER: &CStr = c"probelet-exec";

/// Whether a process belongs to a command that was run in a container, by its environment, or is
/// about to become one: a process of runc or of the helper, before it executes the command.
pub fn is_of_command(pid: u32) -> bool {
    let mark = Mark { variables: HashSet::from([COMMAND.to_owned()]), among: None };
    let name = name(pid);
    let is_starting = name.starts_with(b"runc:[") || name.trim_ascii() == HELPER.to_bytes();
    is_starting || mark.is_on(pid).unwrap_or_default()
}

fn name(pid: u32) -> Vec<u8> {
    files::read_start(format!("/proc/{pid}/comm"), files::KERNEL).unwrap_or_default()
}

/// A process in one scan of `/proc`.
#[derive(Debug, Clone, Copy)]
struct Seen {
    stat: Stat,
    marked: bool,
    /// Whether it is the shim's runc, or a process of runc that has not executed the command yet.
    starting: bool,
}

/// The result of one scan for a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Members that were running and were killed.
    pub members: usize,
    /// Whether runc starts a process under the container's shim, which may become a member.
    pub starting: bool,
}

/// The mark of a family's members in their environment.
#[derive(Debug)]
pub struct Mark {
    /// Beginnings of variables, name and value.
    pub variables: HashSet<String>,
    /// The only processes in which the mark counts, if others may carry the same mark.
    pub among: Option<HashSet<u32>>,
}

/// A command and its children, found by a mark in their environment and by their parents.
#[derive(Debug)]
pub struct Family {
    mark: Mark,
    /// The processes of the commands.
    leaders: HashSet<Identity>,
    /// The container's init, which is never a member, even if it has the marks of one.
    spared: u32,
    /// Sessions of leaders that were seen alive. A session's number is not reused while a process
    /// is in the session.
    sessions: HashSet<u32>,
    known: HashSet<Identity>,
    /// The shim whose runc is searched for.
    shim: Option<u32>,
}

impl Family {
    /// Returns the family of these leaders. The process `spared`, the init of the container, is
    /// never part of it.
    pub fn new(mark: Mark, leaders: impl IntoIterator<Item = Identity>, spared: u32) -> Self {
        Self {
            mark,
            leaders: leaders.into_iter().collect(),
            spared,
            sessions: HashSet::new(),
            known: HashSet::new(),
            shim: None,
        }
    }

    /// Sets the shim whose runc may just be starting a member of the family.
    pub fn started_by(self, shim: Option<u32>) -> Self {
        Self { shim, ..self }
    }

    /// Kills the members that one scan finds. If the scan finds neither a member nor a start, no
    /// process of the family runs any more. Blocks.
    pub fn strike(&mut self) -> io::Result<Found> {
        let seen = look(&self.mark, self.shim)?;
        let members = self.members(&seen);
        members.iter().for_each(|member| kill(*member));
        let starting = seen.iter().any(|one| one.starting);
        Ok(Found { members: members.len(), starting })
    }

    fn members(&mut self, seen: &[Seen]) -> Vec<Identity> {
        let others = || seen.iter().filter(|one| one.stat.identity.pid != self.spared);
        let leaders = others().filter(|one| self.leaders.contains(&one.stat.identity));
        self.sessions.extend(leaders.map(|leader| leader.stat.identity.pid));
        let mut members: HashSet<Identity> = others()
            .filter(|one| {
                one.marked
                    || self.leaders.contains(&one.stat.identity)
                    || self.known.contains(&one.stat.identity)
                    || self.sessions.contains(&one.stat.session)
            })
            .map(|one| one.stat.identity)
            .collect();
        loop {
            let pids: HashSet<u32> = members.iter().map(|member| member.pid).collect();
            let before = members.len();
            let children = others().filter(|one| pids.contains(&one.stat.parent));
            members.extend(children.map(|child| child.stat.identity));
            if members.len() == before {
                break;
            }
        }
        // The number of a session without processes may be reused.
        let lived: HashSet<u32> = others().map(|one| one.stat.session).collect();
        self.sessions.retain(|session| lived.contains(session));
        self.known.clone_from(&members);
        members.into_iter().collect()
    }
}

/// Scans all running processes.
fn look(mark: &Mark, shim: Option<u32>) -> io::Result<Vec<Seen>> {
    let mut seen = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process that cannot be read has just ended.
        if let Ok(stat) = Stat::read(pid)
            && !stat.ended
        {
            // The name is read before the environment: a process that is runc no longer has the
            // command's environment.
            let starting = shim == Some(stat.parent) && name(pid).starts_with(b"runc");
            seen.push(Seen { stat, marked: mark.is_on(pid).unwrap_or(false), starting });
        }
    }
    Ok(seen)
}

impl Mark {
    fn is_on(&self, pid: u32) -> io::Result<bool> {
        if self.among.as_ref().is_some_and(|pids| !pids.contains(&pid)) {
            return Ok(false);
        }
        let environment = environment(pid)?;
        let mut variables = environment.split(|byte| *byte == 0);
        Ok(variables.any(|variable| {
            self.variables.iter().any(|beginning| variable.starts_with(beginning.as_bytes()))
        }))
    }
}

/// The variable in a process' environment that begins with `beginning`.
pub fn variable(pid: u32, beginning: &str) -> io::Result<Option<String>> {
    let environment = environment(pid)?;
    let mut variables = environment.split(|byte| *byte == 0).filter_map(|v| str::from_utf8(v).ok());
    Ok(variables.find(|variable| variable.starts_with(beginning)).map(str::to_owned))
}

fn environment(pid: u32) -> io::Result<Vec<u8>> {
    files::read_start(format!("/proc/{pid}/environ"), ENVIRONMENT)
}

/// Kills the member and never another process: the start time is compared after the pidfd was
/// opened.
fn kill(member: Identity) {
    let Some(pid) = i32::try_from(member.pid).ok().and_then(Pid::from_raw) else { return };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if Stat::read(member.pid).is_ok_and(|stat| stat.identity == member) {
        // The call fails if the process has ended meanwhile, which the next scan shows.
        let _ = pidfd_send_signal(&pidfd, Signal::KILL);
    }
}

#[cfg(test)]
mod tests;
