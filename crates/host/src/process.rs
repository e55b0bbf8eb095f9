//! A process by its pidfd: its exit as an event, and its exit status without containerd.
#![allow(unsafe_code, reason = "PIDFD_GET_INFO has no safe wrapper yet, AsyncFd no longer has one")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Semaphore;

use crate::files;
use probelet_domain::exit::Ending;

pub mod children;
pub mod descriptors;
pub mod family;
mod freezer;
pub mod oom;
pub mod own;
pub mod placement;
mod root_file;
pub mod stat;

use stat::Stat;

/// How many threads may read a process' files at once, and those of all processes. A disk that
/// hangs blocks its readers, and they must not be all threads.
const READERS: usize = 4;
static ALL_READERS: Semaphore = Semaphore::const_new(256);
/// The status appears when the parent (the shim) has reaped, some ms after the exit.
const REAP_STEP: Duration = Duration::from_millis(3);
const REAP_STEPS: u32 = 33;
const ORPHAN_STEP: Duration = Duration::from_millis(20);

/// A process, never another one that got the same pid: the kernel answers for this process or
/// returns an error.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    pidfd: AsyncFd<OwnedFd>,
    readers: Semaphore,
}

impl Process {
    /// Opens the process with this pid. The pid may have been reused, so the caller has to check
    /// afterwards that it is the expected process. Needs a tokio runtime.
    pub fn open(pid: u32) -> io::Result<Self> {
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let raw = raw.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let pidfd = pidfd_open(raw, PidfdFlags::NONBLOCK)?;
        // SAFETY: an `OwnedFd` answers with one and the same open descriptor until it is
        // dropped, and it is never taken out of the `AsyncFd`.
        let pidfd = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }?;
        Ok(Self { pid, pidfd, readers: Semaphore::new(READERS) })
    }

    /// The process id, which may be reused once the process was reaped.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The fields of the process in `/proc`. Once it is reaped this is an error, and never another
    /// process' fields.
    pub fn stat(&self) -> io::Result<Stat> {
        let stat = Stat::read(self.pid)?;
        // The pidfd is read after the fields: while it shows the pid, no other process has the pid.
        let path = format!("/proc/self/fdinfo/{}", self.pidfd().as_raw_fd());
        let info = files::read_kernel(path)?;
        let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
        if pid != Some(self.pid) {
            return Err(Errno::SRCH.into());
        }
        Ok(stat)
    }

    /// The descriptor of the process.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.get_ref().as_fd()
    }

    /// Sends a signal to this process and to no other.
    ///
    /// # Errors
    ///
    /// `ESRCH` if it has ended.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        let signal = match signal {
            // SAFETY: these are the real-time signals that libc leaves to its users, and the
            // signal goes to another process, not to a handler of this one.
            34..=64 => Some(unsafe { Signal::from_raw_unchecked(signal) }),
            _ => Signal::from_named_raw(signal),
        };
        let signal = signal.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(pidfd_send_signal(self.pidfd(), signal)?)
    }

    /// Reads a regular file as the process sees it: links stay within its root, and mounts that may
    /// not answer are not entered. `FileTooLarge` beyond `limit` bytes. Blocks.
    pub fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let busy = |_| io::Error::new(io::ErrorKind::WouldBlock, "earlier reads of files hang");
        let _reader = self.readers.try_acquire().map_err(busy)?;
        let _one_of_all = ALL_READERS.try_acquire().map_err(busy)?;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let root = open(format!("/proc/{}/root", self.pid), flags, Mode::empty())?;
        // A process that is alive now was alive when its root was opened, so the root is not that
        // of a later process with the same pid.
        if self.has_ended()? {
            return Err(Errno::SRCH.into());
        }
        let mounts = format!("/proc/{}/mountinfo", self.pid);
        root_file::read(&root, mounts.as_ref(), path, limit)
    }

    /// Whether the process has ended.
    ///
    /// # Errors
    ///
    /// If the descriptor cannot be polled.
    pub fn has_ended(&self) -> io::Result<bool> {
        let mut pidfd = [PollFd::new(self.pidfd.get_ref(), PollFlags::IN)];
        Ok(poll(&mut pidfd, Some(&Timespec::default()))? > 0)
    }

    /// Resolves when the process has ended, reaped or not.
    pub async fn exited(&self) {
        // The readiness is not cleared: an ended process stays ended, for all callers.
        if self.pidfd.readable().await.is_err() {
            // The tokio runtime is shutting down, which says nothing about the process.
            std::future::pending::<()>().await;
        }
    }

    /// Resolves when the process has ended; [`Ending::Lost`] where the kernel can't tell how.
    pub async fn ended(&self) -> Ending {
        self.exited().await;
        for _ in 0..REAP_STEPS {
            match self.info() {
                Ok(info) if info.mask & INFO_EXIT == 0 => tokio::time::sleep(REAP_STEP).await,
                Ok(info) => return Ending::from_wait_status(info.exit_code),
                Err(_) => return Ending::Lost,
            }
        }
        Ending::Lost
    }

    /// As [`Process::ended`], but waits for the reaping without limit: an orphan's may take long.
    pub async fn reaped(&self) -> Ending {
        self.exited().await;
        loop {
            match self.info() {
                Ok(info) if info.mask & INFO_EXIT == 0 => tokio::time::sleep(ORPHAN_STEP).await,
                Ok(info) => return Ending::from_wait_status(info.exit_code),
                Err(_) => return Ending::Lost,
            }
        }
    }

    /// How the process ended; `None` while it is not reaped, and on kernels before 6.15.
    pub fn exit_status(&self) -> Option<Ending> {
        let info = self.info().ok()?;
        (info.mask & INFO_EXIT != 0).then(|| Ending::from_wait_status(info.exit_code))
    }

    /// How the process ended, reaped or not; `None` while it runs, and after the reaping on kernels
    /// before 6.15.
    pub fn ending(&self) -> Option<Ending> {
        let of_zombie = || Some(Ending::from_wait_status(self.stat().ok()?.wait_status?));
        // It may be reaped between the two.
        self.exit_status().or_else(of_zombie).or_else(|| self.exit_status())
    }

    fn info(&self) -> io::Result<PidfdInfo> {
        match self.look() {
            // The kernel first searches for the exit status, then for the process, which was
            // reaped between the two. After the reaping the first search finds the status.
            Err(Errno::SRCH) => Ok(self.look()?),
            looked => Ok(looked?),
        }
    }

    fn look(&self) -> rustix::io::Result<PidfdInfo> {
        let mut info = PidfdInfo { mask: INFO_EXIT, ..PidfdInfo::default() };
        // SAFETY: PIDFD_GET_INFO reads and writes a `struct pidfd_info` of the size that its
        // number carries, which `GET_INFO` takes from this very type.
        let request = unsafe { Updater::<GET_INFO, PidfdInfo>::new(&mut info) };
        // SAFETY: as above; the descriptor is an open pidfd, and on a kernel that does not know
        // the number the call is an error without effect.
        unsafe { ioctl(self.pidfd(), request) }?;
        Ok(info)
    }
}

const GET_INFO: Opcode = opcode::read_write::<PidfdInfo>(0xff, 11);
const INFO_EXIT: u64 = 1 << 3;

/// `struct pidfd_info` of linux/pidfd.h in its first size, which all later kernels take.
#[repr(C)]
#[derive(Debug, Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    /// Real, effective, saved and file-system uid and gid.
    ids: [u32; 8],
    exit_code: i32,
}

const _: () = assert!(size_of::<PidfdInfo>() == 64);

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn shell(script: &str) -> (Child, Process) {
        let child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let process = Process::open(child.id()).unwrap();
        (child, process)
    }

    fn kernel_tells() -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
        (numbers.next().unwrap(), numbers.next().unwrap()) >= (6, 15)
    }

    #[tokio::test]
    async fn one_that_is_reaped_while_it_is_looked_at_has_ended_as_it_has() {
        if !kernel_tells() {
            return;
        }
        for _ in 0..300 {
            let (mut child, process) = shell("exit 3");
            let told = std::thread::spawn(move || {
                loop {
                    let info = process.info();
                    if info.as_ref().map_or(true, |info| info.mask & INFO_EXIT != 0) {
                        return info.map(|info| Ending::from_wait_status(info.exit_code)).ok();
                    }
                }
            });
            child.wait().unwrap();
            assert_eq!(told.join().unwrap(), Some(Ending::Exited(3)));
        }
    }

    #[tokio::test]
    async fn exit_codes_and_signals_are_told_apart() {
        if !kernel_tells() {
            return;
        }
        for (script, ending) in [
            ("exec true", Ending::Exited(0)),
            ("exit 137", Ending::Exited(137)),
            ("kill -9 $$", Ending::Signaled(9)),
        ] {
            let (mut child, process) = shell(script);
            process.exited().await;
            assert_eq!(process.exit_status(), None, "not reaped yet");
            let (ended, _) = tokio::join!(process.ended(), async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                child.wait().unwrap()
            });
            assert_eq!(ended, ending, "{script}");
            assert_eq!(process.exit_status(), Some(ending), "again: {script}");
        }
    }

    #[tokio::test]
    async fn a_running_process_has_not_ended() {
        let (mut child, process) = shell("exec sleep 60");
        let early = tokio::time::timeout(Duration::from_millis(30), process.ended()).await;
        assert!(early.is_err());
        assert_eq!(process.exit_status(), None);
        process.signal(15).unwrap();
        process.exited().await;
        assert_eq!(process.stat().unwrap().parent, std::process::id());
        child.wait().unwrap();
        assert!(process.stat().is_err(), "reaped");
        assert_eq!(
            process.signal(15).unwrap_err().raw_os_error(),
            Some(Errno::SRCH.raw_os_error())
        );
        assert_eq!(process.signal(0).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[tokio::test]
    async fn a_process_that_is_never_reaped_is_lost_after_a_bounded_wait() {
        let (mut child, process) = shell("exit 3");
        let ended = tokio::time::timeout(Duration::from_secs(5), process.ended()).await.unwrap();
        assert_eq!(ended, Ending::Lost);
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn the_ending_of_a_process_is_known_before_it_is_reaped() {
        for (script, ending) in [("exit 3", Ending::Exited(3)), ("kill -9 $$", Ending::Signaled(9))]
        {
            let (mut child, process) = shell(script);
            process.exited().await;
            assert_eq!(process.ending(), Some(ending));
            child.wait().unwrap();
        }
        let (mut child, process) = shell("exec sleep 60");
        assert_eq!(process.ending(), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn a_dead_process_has_no_files() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "x").unwrap();
        let (mut child, process) = shell("exec sleep 60");
        assert_eq!(process.read_file(file.path(), 9).unwrap(), b"x");
        child.kill().unwrap();
        process.exited().await;
        // The read fails for a zombie, and after the reaping, when the pid may be reused.
        assert!(process.read_file(file.path(), 9).is_err());
        child.wait().unwrap();
        let other = Process { pid: std::process::id(), ..process };
        assert_eq!(other.read_file(file.path(), 9).unwrap_err().raw_os_error(), Some(3));
    }
}
