//! The logger: a process of the same binary that writes the log of one container. The container's
//! shim starts it (containerd's `binary://`), and it ends at the end of both streams. It does not
//! depend on the daemon or containerd. It has one thread, no async runtime, and its memory does not
//! grow.

mod descriptors;
mod handover;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use handover::Door;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};

use super::journal::Journal;
use crate::format::{LINE, Lines, Stream, Tag, header};

use crate::order::{ARGUMENT, Order};

/// Interval at which a full disk is tried again if no record arrives.
const RETRY: Duration = Duration::from_secs(1);

/// Runs the logger until both streams have ended, if this process was started as one; else returns
/// `None` at once. The exit code is 2 if the order cannot be parsed.
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(ARGUMENT)) {
        return None;
    }
    leave_environment();
    let order = arguments.next().and_then(|text| text.to_str().and_then(Order::parse));
    let [stdout, stderr, ready] = descriptors::take()?;
    let Some(order) = order else { return Some(ExitCode::from(2)) };
    // The working directory would keep the bundle from being unmounted. The name keeps the logger
    // from being killed with the daemon by its name.
    let _ = rustix::process::chdir("/");
    let _ = rustix::thread::set_name(c"container-log");
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
    // The shim waits for the close of this descriptor before the container starts.
    drop(ready);
    let sources = [(Stream::Stdout, stdout), (Stream::Stderr, stderr)];
    run(&mut journal, sources, door.as_ref(), &ending);
    Some(ExitCode::SUCCESS)
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

fn run(
    journal: &mut Journal,
    sources: [(Stream, File); 2],
    door: Option<&Door>,
    ending: &AtomicBool,
) {
    let mut sources =
        sources.map(|(stream, file)| Some(Source { stream, file, lines: Lines::default() }));
    let mut buffer = vec![0; LINE];
    loop {
        let mut open: Vec<&mut Option<Source>> =
            sources.iter_mut().filter(|s| s.is_some()).collect();
        if open.is_empty() {
            return;
        }
        let (ready, is_asked) = wait(&open, door, journal.has_lost());
        journal.is_ending = ending.load(Ordering::Relaxed);
        for (source, _) in open.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            pump(journal, source, &mut buffer);
        }
        if let Some(door) = door.filter(|_| is_asked) {
            door.serve(|| hand_over(journal, &mut open, &mut buffer));
        }
        journal.flush(now());
    }
}

/// Waits for input. Returns which of the sources can be read or have ended, and whether a caller
/// requests a hand-over.
fn wait(open: &[&mut Option<Source>], door: Option<&Door>, is_bounded: bool) -> ([bool; 2], bool) {
    let files = open.iter().filter_map(|source| source.as_ref());
    let mut fds: Vec<PollFd<'_>> =
        files.map(|source| PollFd::new(&source.file, PollFlags::IN)).collect();
    let sources = fds.len();
    fds.extend(door.map(|door| PollFd::new(&door.listener, PollFlags::IN)));
    let bound = is_bounded.then(|| Timespec::try_from(RETRY).unwrap_or_default());
    // After an error, such as an interruption by a signal, the loop polls again.
    let _ = poll(&mut fds, bound.as_ref());
    let is_asked = fds.iter().skip(sources).any(|fd| !fd.revents().is_empty());
    let mut ready = fds.iter().take(sources).map(|fd| !fd.revents().is_empty());
    ([ready.next().unwrap_or_default(), ready.next().unwrap_or_default()], is_asked)
}

/// Writes the current content of the pipes, including incomplete lines. It does not wait for a
/// process that shares the pipes and continues to write.
fn hand_over(journal: &mut Journal, open: &mut [&mut Option<Source>], buffer: &mut [u8]) {
    for source in open {
        let waiting = source.as_ref().and_then(|it| ioctl_fionread(&it.file).ok());
        let mut left = usize::try_from(waiting.unwrap_or_default()).unwrap_or(usize::MAX);
        while left > 0 {
            match pump(journal, source, buffer) {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        if let Some(Source { stream, lines, .. }) = source {
            let (now, stream) = (now(), *stream);
            lines.finish(|tag, content| {
                journal.append(header(now, stream, tag).as_bytes(), content, now);
            });
        }
    }
    journal.flush(now());
}

/// Reads once from a stream and closes it if it has ended. Returns the number of bytes.
fn pump(journal: &mut Journal, source: &mut Option<Source>, buffer: &mut [u8]) -> usize {
    let Some(Source { stream, file, lines }) = source else { return 0 };
    let read = file.read(buffer);
    let now = now();
    let [full, partial] = [Tag::Full, Tag::Partial].map(|tag| header(now, *stream, tag));
    let emit = |tag: Tag, content: [&[u8]; 2]| {
        let header = if tag == Tag::Full { &full } else { &partial };
        journal.append(header.as_bytes(), content, now);
    };
    match read {
        Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => 0,
        Ok(count) if count > 0 => {
            lines.push(buffer.get(..count).unwrap_or_default(), emit);
            count
        }
        _ => {
            lines.finish(emit);
            *source = None;
            0
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "another process than the daemon: its only clock")]
fn now() -> SystemTime {
    SystemTime::now()
}
