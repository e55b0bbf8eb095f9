//! The fields of a process in `/proc/PID`. Pids are reused, so a process is identified by its pid
//! together with its start time.

use std::io;

use crate::files;

/// The identity of a process. A later process of the same pid has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The process id.
    pub pid: u32,
    /// The start time, in clock ticks since boot.
    pub started: u64,
}

/// Fields of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The process.
    pub identity: Identity,
    /// The pid of its parent.
    pub parent: u32,
    /// The pid of its session's leader.
    pub session: u32,
    /// Whether no thread of it runs any more, and it only has to be reaped.
    pub ended: bool,
    /// How it ended, as `wait(2)` reports it; `None` while it runs.
    pub wait_status: Option<i32>,
}

impl Stat {
    /// Reads the fields of a process.
    ///
    /// # Errors
    ///
    /// If there is no such process.
    pub fn read(pid: u32) -> io::Result<Self> {
        Self::parse(pid, &files::read_kernel(format!("/proc/{pid}/stat"))?)
            .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat: not understood")))
    }

    /// Parses `/proc/PID/stat`; `None` if a field is missing.
    pub fn parse(pid: u32, text: &str) -> Option<Self> {
        // The name is in brackets, and may contain brackets and spaces.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // proc(5) numbers the fields from 1; the state is the third.
        let field = |number: usize| fields.get(number - 3).copied();
        let threads: u32 = field(20)?.parse().ok()?;
        // A leader that has ended before its threads is shown as a zombie.
        let ended = matches!(field(3)?, "Z" | "X") && threads <= 1;
        Some(Self {
            identity: Identity { pid, started: field(22)?.parse().ok()? },
            parent: field(4)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            ended,
            wait_status: field(52).filter(|_| ended).and_then(|status| status.parse().ok()),
        })
    }
}

/// Resident memory in bytes.
pub fn resident(pid: u32) -> io::Result<u64> {
    let status = files::read_kernel(format!("/proc/{pid}/status"))?;
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    let missing = || io::Error::other(format!("/proc/{pid}/status: no VmRSS"));
    kilobytes.map(|kilobytes: u64| kilobytes * 1024).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "7 (a) Z (b) STATE 3 7 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 THREADS 0 4711 9";

    fn parsed(state: &str, threads: &str) -> Stat {
        Stat::parse(7, &LINE.replace("STATE", state).replace("THREADS", threads)).unwrap()
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let identity = Identity { pid: 7, started: 4711 };
        let stat = Stat { identity, parent: 3, session: 5, ended: false, wait_status: None };
        assert_eq!(parsed("S", "1"), stat);
        assert_eq!(Stat::parse(7, "7 (cut"), None);
    }

    #[test]
    fn a_zombie_has_ended_unless_its_threads_go_on() {
        assert!(parsed("Z", "1").ended);
        assert!(!parsed("Z", "2").ended);
    }

    #[test]
    fn this_process_is_known() {
        let own = Stat::read(std::process::id()).unwrap();
        assert_eq!(own.parent, std::os::unix::process::parent_id());
        assert!(!own.ended);
        assert!(resident(std::process::id()).unwrap() > 1 << 20);
        assert!(Stat::read(u32::MAX).is_err());
    }
}
