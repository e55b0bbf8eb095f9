//! The process that writes a container's log: this very binary, started by the container's shim
//! (containerd's `binary://`) and ended by the end of both streams. Neither the daemon's death nor
//! containerd's plays a role. One thread, no runtime, and its memory does not grow.

mod descriptors;
mod order;

pub use order::Order;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};

use super::journal::Journal;
use crate::domain::log::{LINE, Lines, Stream, Tag, header};

/// The shim passes the URI's query as arguments, in no order: there is this one only.
pub const ARGUMENT: &str = "container-log";

/// How often a disk that was full is tried where nothing comes that would have to be written.
const RETRY: Duration = Duration::from_secs(1);

/// `None` if this process was not started as a logger.
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(ARGUMENT)) {
        return None;
    }
    let order = arguments.next().and_then(|text| text.to_str().and_then(Order::parse));
    let [stdout, stderr, ready] = descriptors::take()?;
    let Some(order) = order else { return Some(ExitCode::from(2)) };
    // The bundle has to be unmounted one day; and who kills the daemon by its name means it.
    let _ = rustix::process::chdir("/");
    let _ = rustix::thread::set_name(c"container-log");
    let ending = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGXFSZ] {
        // The shim's SIGTERM comes when it has closed both streams: their end is what counts.
        let flag = if signal == SIGTERM { ending.clone() } else { Arc::default() };
        let _ = signal_hook::flag::register(signal, flag);
    }
    let mut journal = Journal::new(order);
    // Where there is no log, the container runs all the same.
    let _ = journal.open();
    // The container starts when this is closed.
    drop(ready);
    run(&mut journal, [(Stream::Stdout, stdout), (Stream::Stderr, stderr)], &ending);
    Some(ExitCode::SUCCESS)
}

struct Source {
    stream: Stream,
    file: File,
    lines: Lines,
}

fn run(journal: &mut Journal, sources: [(Stream, File); 2], ending: &AtomicBool) {
    let mut sources =
        sources.map(|(stream, file)| Some(Source { stream, file, lines: Lines::default() }));
    let mut buffer = vec![0; LINE];
    loop {
        let mut open: Vec<&mut Option<Source>> =
            sources.iter_mut().filter(|s| s.is_some()).collect();
        if open.is_empty() {
            return;
        }
        let ready = wait(&open, journal.has_lost());
        journal.is_ending = ending.load(Ordering::Relaxed);
        for (source, _) in open.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            pump(journal, source, &mut buffer);
        }
        journal.flush(now());
    }
}

/// Which have something to read, be it their end.
fn wait(open: &[&mut Option<Source>], is_bounded: bool) -> [bool; 2] {
    let files = open.iter().filter_map(|source| source.as_ref());
    let mut fds: Vec<PollFd<'_>> =
        files.map(|source| PollFd::new(&source.file, PollFlags::IN)).collect();
    let bound = is_bounded.then(|| Timespec::try_from(RETRY).unwrap_or_default());
    // Interrupted by a signal, or for want of memory: there will be another round.
    let _ = poll(&mut fds, bound.as_ref());
    let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
    [ready.next().unwrap_or_default(), ready.next().unwrap_or_default()]
}

/// Reads once, and closes a stream that has ended.
fn pump(journal: &mut Journal, source: &mut Option<Source>, buffer: &mut [u8]) {
    let Some(Source { stream, file, lines }) = source else { return };
    let read = file.read(buffer);
    let now = now();
    let [full, partial] = [Tag::Full, Tag::Partial].map(|tag| header(now, *stream, tag));
    let emit = |tag: Tag, content: [&[u8]; 2]| {
        let header = if tag == Tag::Full { &full } else { &partial };
        journal.append(header.as_bytes(), content, now);
    };
    match read {
        Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
        Ok(count) if count > 0 => lines.push(buffer.get(..count).unwrap_or_default(), emit),
        _ => {
            lines.finish(emit);
            *source = None;
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "another process than the daemon: its only clock")]
fn now() -> SystemTime {
    SystemTime::now()
}
