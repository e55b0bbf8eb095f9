//! The processes of a container and their threads.

use std::collections::HashSet;
use std::fs;

use super::release::Release;
use super::syscalls;
use super::text::{Budget, keyed, line, read};
use crate::domain::evidence::{Process, Thread};
use crate::process::family::is_of_command;
use crate::process::stat::Stat;

/// The most processes that are read.
const PROCESSES: usize = 20;
/// The most threads that are read, of all processes together.
pub const THREADS: usize = 200;
/// The most frames of a kernel stack.
const FRAMES: usize = 16;
/// Clock ticks per second in `/proc`, which do not depend on the kernel's own tick rate.
const USER_HZ: u64 = 100;

/// The processes that are read: init first, then the others by pid. Commands that probelet runs in
/// the container, such as a probe's, are left out: they say nothing about the container.
pub fn chosen(init: u32, members: &[u32], missing: &mut Vec<String>) -> Vec<u32> {
    let mut others: Vec<u32> = members.iter().copied().filter(|pid| *pid != init).collect();
    others.sort_unstable();
    let (mut chosen, mut commands) = (vec![init], HashSet::new());
    let mut left = others.into_iter();
    for pid in left.by_ref() {
        let parent = Stat::read(pid).map(|stat| stat.parent);
        if parent.is_ok_and(|parent| commands.contains(&parent)) || is_of_command(pid) {
            commands.insert(pid);
        } else {
            chosen.push(pid);
        }
        if chosen.len() > PROCESSES {
            chosen.pop();
            let all = chosen.len() + 1 + left.len();
            missing.push(format!("processes: {PROCESSES} of {all} were read"));
            break;
        }
    }
    chosen
}

/// The processes with their threads. `ran` is what a thread has run between the samples.
pub fn processes(
    pids: &[u32],
    ran: impl Fn(u32) -> Ran,
    budget: Budget,
    release: &mut Release,
    missing: &mut Vec<String>,
) -> Vec<Process> {
    let mut left = THREADS;
    let mut stack_error = None;
    let mut processes = Vec::new();
    let (mut seen, mut all) = (0, 0);
    for pid in pids {
        // A process without this file has ended.
        let Ok(status) = read(format!("/proc/{pid}/status"), 8192) else { continue };
        let ids = tids(*pid);
        all += ids.len();
        let mut threads = Vec::new();
        for tid in ids.iter().take(left) {
            if budget.is_spent() {
                break;
            }
            threads.extend(thread(*pid, *tid, ran(*tid), &mut stack_error));
            release.check();
        }
        left -= threads.len();
        seen += threads.len();
        processes.push(Process {
            pid: *pid,
            name: field(&status, "Name:"),
            state: field(&status, "State:").chars().take(1).collect(),
            resident_bytes: kilobytes(&status, "VmRSS:") * 1024,
            thread_count: u32::try_from(ids.len()).unwrap_or(u32::MAX),
            threads,
            ..Process::default()
        });
    }
    if seen < all {
        missing.push(format!("threads: {seen} of {all} were read"));
    }
    missing.extend(stack_error.map(|error| format!("kernel stacks: {error}")));
    processes
}

pub fn tids(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The CPU time of a thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ran {
    /// Nanoseconds that it has run.
    pub ran: u64,
    /// Nanoseconds that it was ready and waited for a CPU.
    pub waited: u64,
}

pub fn schedstat(pid: u32, tid: u32) -> Option<Ran> {
    let text = line(format!("/proc/{pid}/task/{tid}/schedstat")).ok()?;
    let mut numbers = text.split_whitespace().map_while(|word| word.parse().ok());
    Some(Ran { ran: numbers.next()?, waited: numbers.next()? })
}

fn thread(pid: u32, tid: u32, ran: Ran, stack_error: &mut Option<String>) -> Option<Thread> {
    let at = |file: &str| format!("/proc/{pid}/task/{tid}/{file}");
    let stat = line(at("stat")).ok()?;
    let (head, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // proc(5) numbers the fields from 1; the first one after the name is the third, the state.
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or_default();
    let ticks = |number: usize| field(number).parse().unwrap_or(0_u64) * 1000 / USER_HZ;
    let stack = read(at("stack"), 8192).unwrap_or_else(|error| {
        stack_error.get_or_insert(error.to_string());
        String::new()
    });
    Some(Thread {
        tid,
        name: head.split_once('(').map_or("", |(_, name)| name).to_owned(),
        state: field(3).to_owned(),
        wchan: line(at("wchan")).ok().filter(|name| name != "0").unwrap_or_default(),
        syscall: line(at("syscall")).map(|line| syscalls::name(&line)).unwrap_or_default(),
        ran_microseconds: ran.ran / 1000,
        waited_microseconds: ran.waited / 1000,
        user_milliseconds: ticks(14),
        system_milliseconds: ticks(15),
        stack: stack.lines().take(FRAMES).map(frame).collect(),
    })
}

/// The function's name in `[<0>] futex_do_wait+0x38/0x70`, without address and offset.
fn frame(line: &str) -> String {
    let name = line.split_once("] ").map_or(line, |(_, name)| name);
    name.split_once('+').map_or(name, |(name, _)| name).to_owned()
}

fn field(status: &str, key: &str) -> String {
    let value = status.lines().find_map(|line| line.strip_prefix(key));
    value.unwrap_or_default().trim().to_owned()
}

fn kilobytes(status: &str, key: &str) -> u64 {
    let value = field(status, key);
    keyed(&format!("x {}", value.trim_end_matches(" kB")), "x").unwrap_or_default()
}
