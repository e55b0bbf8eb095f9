//! The descriptors of this process: their limit and their number.
#![allow(unsafe_code, reason = "a child's limit can only be set between fork and exec")]

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;

use rustix::fs::{Dir, Mode, OFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit that the process was started with.
static BEFORE: OnceLock<Rlimit> = OnceLock::new();

/// Raises the soft limit to the hard one, for good.
///
/// # Errors
///
/// If the kernel does not allow it, as under a seccomp profile.
pub fn raise() -> io::Result<()> {
    let before = *BEFORE.get_or_init(|| getrlimit(Resource::Nofile));
    Ok(setrlimit(Resource::Nofile, Rlimit { current: before.maximum, ..before })?)
}

/// The soft limit.
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Makes the child start with the limit that this process was started with: programs that use
/// `select` break with a higher one, and others close each number up to it.
pub fn restore_in(command: &mut Command) -> &mut Command {
    let Some(before) = BEFORE.get().copied() else { return command };
    // SAFETY: between fork and exec only async-signal-safe functions may be called; `setrlimit` is
    // a system call without allocation or lock.
    unsafe { command.pre_exec(move || Ok(setrlimit(Resource::Nofile, before)?)) }
}

/// A counter of open descriptors. It works even if no descriptor is left.
pub struct Counter(Dir);

impl Counter {
    /// Opens the list of this process' descriptors.
    ///
    /// # Errors
    ///
    /// If `/proc` cannot be read.
    pub fn new() -> io::Result<Self> {
        let folder = rustix::fs::open(
            "/proc/self/fd",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Self(Dir::new(File::from(folder))?))
    }

    /// How many descriptors the process has open.
    ///
    /// # Errors
    ///
    /// If `/proc` cannot be read.
    pub fn count(&mut self) -> io::Result<u64> {
        self.0.rewind();
        let mut count: u64 = 0;
        while let Some(entry) = self.0.read() {
            let is_dot = entry?.file_name().to_bytes().starts_with(b".");
            count = count.saturating_add(u64::from(!is_dot));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_ones_are_counted() {
        let mut counter = Counter::new().unwrap();
        let before = counter.count().unwrap();
        let many: Vec<_> = (0..500).map(|_| File::open("/dev/null").unwrap()).collect();
        // Other tests open and close descriptors meanwhile.
        assert!(counter.count().unwrap() > before + 300);
        drop(many);
        assert!(counter.count().unwrap() < before + 300);
    }
}
