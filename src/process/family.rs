//! Who belongs to a command that was run in a container, and the end of them all.
//!
//! Killing the command alone leaves its children, and a child may leave its parent (by a double
//! fork) and its session (by `setsid`). So the command's environment carries a mark, which its
//! children inherit; and as a program may clear its environment, parents and sessions count too.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::stat::{Identity, Stat};

/// How much of an environment is searched; a container may write megabytes into it.
const ENVIRONMENT: u64 = 256 << 10;

/// A process in one look at `/proc`.
#[derive(Debug, Clone, Copy)]
struct Seen {
    stat: Stat,
    marked: bool,
}

#[derive(Debug)]
pub struct Family {
    /// The beginning of the variable that marks, name and value.
    mark: Vec<u8>,
    /// The commands' own processes.
    leaders: HashSet<Identity>,
    /// The container's init, which is nobody's child here whatever it looks like.
    spared: u32,
    /// Of leaders that were seen alive. The number stays theirs while anybody is in the session.
    sessions: HashSet<u32>,
    known: HashSet<Identity>,
}

impl Family {
    pub fn new(mark: &str, leaders: impl IntoIterator<Item = Identity>, spared: u32) -> Self {
        Self {
            mark: mark.as_bytes().to_vec(),
            leaders: leaders.into_iter().collect(),
            spared,
            sessions: HashSet::new(),
            known: HashSet::new(),
        }
    }

    /// Kills who belongs to it in one look, among `pids` where they are given, and says how many
    /// were found. None: nothing of it runs any more. Blocks.
    pub fn strike(&mut self, among: Option<&HashSet<u32>>) -> io::Result<usize> {
        let seen = look(&self.mark, among)?;
        let members = self.members(&seen);
        members.iter().for_each(|member| kill(*member));
        Ok(members.len())
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
        // A session that nobody is in gives its number back.
        let lived: HashSet<u32> = others().map(|one| one.stat.session).collect();
        self.sessions.retain(|session| lived.contains(session));
        self.known.clone_from(&members);
        members.into_iter().collect()
    }
}

/// All that run now, or those `among` them.
fn look(mark: &[u8], among: Option<&HashSet<u32>>) -> io::Result<Vec<Seen>> {
    let mut seen = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if among.is_some_and(|pids| !pids.contains(&pid)) {
            continue;
        }
        // One that can't be read has just gone.
        if let Ok(stat) = Stat::read(pid)
            && !stat.ended
        {
            seen.push(Seen { stat, marked: is_marked(pid, mark).unwrap_or(false) });
        }
    }
    Ok(seen)
}

fn is_marked(pid: u32, mark: &[u8]) -> io::Result<bool> {
    let mut environment = Vec::new();
    File::open(format!("/proc/{pid}/environ"))?.take(ENVIRONMENT).read_to_end(&mut environment)?;
    Ok(environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark)))
}

/// Never another process: the pidfd's is the one that had this start time after it was opened.
fn kill(member: Identity) {
    let Some(pid) = i32::try_from(member.pid).ok().and_then(Pid::from_raw) else { return };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if Stat::read(member.pid).is_ok_and(|stat| stat.identity == member) {
        // Fails where it has ended meanwhile, which the next look tells.
        let _ = pidfd_send_signal(&pidfd, Signal::KILL);
    }
}

#[cfg(test)]
mod tests;
