//! The logger: a process of the same binary that writes the log of one container. The container's
//! shim starts it (containerd's `binary://`), and it ends at the end of both streams. It does not
//! depend on the daemon or containerd. It has one thread, no async runtime, and its memory is
//! bounded.

mod backlog;
mod client;
mod descriptors;
mod handover;
mod input;
mod interactive;
mod sessions;

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::{ErrorKind, Read, stdin};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use handover::Door;
use interactive::{Interactive, close_leash, report_ready};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;
use sessions::{Sessions, Watched};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};

use super::journal::Journal;
use crate::fifos::Fifos;
use crate::format::{LINE, Lines, Stream, Tag, header};

use crate::order::{ARGUMENT, Order};

/// The name of the logger's process.
pub const NAME: &CStr = c"container-log";
/// Interval at which a full disk is tried again if no record arrives.
const RETRY: Duration = Duration::from_secs(1);

/// Runs the logger until both streams have ended, if this process was started as one; else returns
/// `None` at once. The exit code is 2 if the order cannot be parsed, and 1 if the streams of an
/// interactive container cannot be opened.
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(ARGUMENT)) {
        return None;
    }
    leave_environment();
    let order = arguments.next().and_then(|text| text.to_str().and_then(Order::parse));
    let interactive = order.as_ref().and_then(|order| order.socket.clone().zip(order.streams));
    if let (Some((socket, streams)), Some(order)) = (interactive, order.clone()) {
        let Ok(Interactive { sources, sessions }) = Interactive::open(&socket, streams) else {
            return Some(ExitCode::FAILURE);
        };
        write_log(order, sources, Some(sessions), || report_ready().is_ok());
        let _ = Fifos::remove(&socket);
        return Some(ExitCode::SUCCESS);
    }
    let [stdout, stderr, ready] = descriptors::take()?;
    let Some(order) = order else { return Some(ExitCode::from(2)) };
    let sources = [(Stream::Stdout, Some(stdout)), (Stream::Stderr, Some(stderr))];
    // The shim waits for the close of this descriptor before the container starts.
    write_log(order, sources, None, move || {
        drop(ready);
        true
    });
    Some(ExitCode::SUCCESS)
}

/// Writes the log until the streams have ended, unless `is_awaited` returns false once all is ready.
fn write_log(
    order: Order,
    sources: [(Stream, Option<File>); 2],
    sessions: Option<Sessions>,
    is_awaited: impl FnOnce() -> bool,
) {
    // The working directory would keep the bundle from being unmounted. The name keeps the logger
    // from being killed with the daemon by its name.
    let _ = rustix::process::chdir("/");
    let _ = rustix::thread::set_name(NAME);
    let ending = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGXFSZ] {
        // The shim sends SIGTERM after it has closed both streams. The logger ends at the end of
        // the streams.
        let flag = if signal == SIGTERM { ending.clone() } else { Arc::default() };
        let _ = signal_hook::flag::register(signal, flag);
    }
    let door = order.socket.as_deref().and_then(Door::open);
    let mut journal = Journal::new(order);
    // The container runs even if there is no log.
    let _ = journal.open();
    if is_awaited() {
        Logger::new(journal, sources, sessions).run(door.as_ref(), &ending);
    }
}

/// Starts this program again without an environment. The environment comes from containerd and may
/// have passwords of proxies, which stay visible in `/proc` until the program is started again.
fn leave_environment() {
    if std::env::vars_os().next().is_some() {
        let mut again = Command::new("/proc/self/exe");
        again.arg0("probelet").args(std::env::args_os().skip(1)).env_clear();
        // `exec` returns only an error. Then the log is written with the environment.
        let _ = again.exec();
    }
}

struct Source {
    stream: Stream,
    file: File,
    lines: Lines,
}

struct Logger {
    journal: Journal,
    sources: [Option<Source>; 2],
    /// `None` for a container that is not interactive.
    sessions: Option<Sessions>,
    /// True until the daemon has closed its pipe: then a stream without a writer has ended.
    is_leashed: bool,
    buffer: Vec<u8>,
}

/// What is ready.
#[derive(Default)]
struct Ready {
    sources: [bool; 2],
    is_leash: bool,
    is_asked: bool,
    sessions: Vec<Watched>,
}

impl Logger {
    fn new(
        journal: Journal,
        sources: [(Stream, Option<File>); 2],
        sessions: Option<Sessions>,
    ) -> Self {
        let sources = sources.map(|(stream, file)| {
            file.map(|file| Source { stream, file, lines: Lines::default() })
        });
        let is_leashed = sessions.is_some();
        Self { journal, sources, sessions, is_leashed, buffer: vec![0; LINE] }
    }

    fn run(mut self, door: Option<&Door>, ending: &AtomicBool) {
        while self.sources.iter().any(Option::is_some) {
            let ready = self.wait(door);
            self.journal.is_ending = ending.load(Ordering::Relaxed);
            let [mut out, mut err] = ready.sources;
            if ready.is_leash {
                self.is_leashed = false;
                close_leash();
                (out, err) = (true, true);
            }
            for (at, _) in [out, err].into_iter().enumerate().filter(|(_, ready)| *ready) {
                self.pump(at);
            }
            if let Some(door) = door.filter(|_| ready.is_asked) {
                door.serve(|| self.hand_over());
            }
            if let Some(sessions) = &mut self.sessions {
                sessions.serve(&ready.sessions, &mut self.buffer);
            }
            self.journal.flush(now());
        }
        if let Some(sessions) = self.sessions {
            sessions.finish();
        }
    }

    /// Waits for input, for a hand-over that a caller requests, and for clients.
    fn wait(&self, door: Option<&Door>) -> Ready {
        let mut fds = Vec::new();
        for source in self.sources.iter().flatten() {
            fds.push(PollFd::new(&source.file, PollFlags::IN));
        }
        let sources = fds.len();
        let stdin = stdin();
        fds.extend(self.is_leashed.then(|| PollFd::new(&stdin, PollFlags::IN)));
        let leash = fds.len();
        fds.extend(door.map(|door| PollFd::new(&door.listener, PollFlags::IN)));
        let doors = fds.len();
        let watched = self.sessions.as_ref().map(|sessions| sessions.watch(&mut fds));
        let bound = self.journal.has_lost().then(|| Timespec::try_from(RETRY).unwrap_or_default());
        // After an error, such as an interruption by a signal, the loop polls again.
        let _ = poll(&mut fds, bound.as_ref());
        let mut ready = Ready::default();
        let mut are_ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let mut first = are_ready.by_ref().take(sources);
        for (source, is_ready) in self.sources.iter().zip(&mut ready.sources) {
            *is_ready = source.is_some() && first.next().unwrap_or_default();
        }
        ready.is_leash = leash > sources && are_ready.next().unwrap_or_default();
        ready.is_asked = doors > leash && are_ready.next().unwrap_or_default();
        let watched = watched.into_iter().flatten().zip(are_ready);
        ready.sessions = watched.filter(|(_, is_ready)| *is_ready).map(|(it, _)| it).collect();
        ready
    }

    /// Writes the current content of the pipes, including incomplete lines. It does not wait for a
    /// process that shares the pipes and continues to write.
    fn hand_over(&mut self) {
        for at in 0..self.sources.len() {
            let source = |this: &Self| this.sources.get(at).and_then(Option::as_ref).is_some();
            let file = self.sources.get(at).and_then(Option::as_ref).map(|source| &source.file);
            let waiting = file.and_then(|file| ioctl_fionread(file).ok());
            let mut left = usize::try_from(waiting.unwrap_or_default()).unwrap_or(usize::MAX);
            while left > 0 && source(self) {
                match self.pump(at) {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            if let Some(Some(Source { stream, lines, .. })) = self.sources.get_mut(at) {
                let (now, stream) = (now(), *stream);
                lines.finish(|tag, content| {
                    self.journal.append(header(now, stream, tag).as_bytes(), content, now);
                });
            }
        }
        self.journal.flush(now());
    }

    /// Reads once from a stream and closes it if it has ended. Returns the number of bytes.
    fn pump(&mut self, at: usize) -> usize {
        let Self { journal, sources, sessions, buffer, .. } = self;
        let Some(slot) = sources.get_mut(at) else { return 0 };
        let Some(Source { stream, file, lines }) = slot else { return 0 };
        let read = file.read(buffer);
        let now = now();
        let [full, partial] = [Tag::Full, Tag::Partial].map(|tag| header(now, *stream, tag));
        let emit = |tag: Tag, content: [&[u8]; 2]| {
            let header = if tag == Tag::Full { &full } else { &partial };
            journal.append(header.as_bytes(), content, now);
        };
        match read {
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) =>
            {
                0
            }
            Ok(count) if count > 0 => {
                let bytes = buffer.get(..count).unwrap_or_default();
                lines.push(bytes, emit);
                if let Some(sessions) = sessions {
                    sessions.output(*stream, bytes);
                }
                count
            }
            _ => {
                lines.finish(emit);
                *slot = None;
                0
            }
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "another process than the daemon: its only clock")]
fn now() -> SystemTime {
    SystemTime::now()
}
