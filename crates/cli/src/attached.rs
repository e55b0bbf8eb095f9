//! A session with the streams of a container, for `attach` and `run -it`.

use std::io::{self, Read};
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::connect::Client;
use super::detach_keys::{DetachKeys, Watcher};
use super::error::{Error, Result};
use super::io::Io;
use super::targets::PodRef;
use super::terminal::{self, Raw};
use probelet_api::pb::attach_request::Message;
use probelet_api::pb::{self, attach_response};

/// How many messages may wait for the daemon.
const BACKLOG: usize = 16;
const CHUNK: usize = 16 << 10;
/// The exit status of a command that SIGTERM or SIGHUP has ended.
const TERMINATED: u32 = 128 + 15;

/// What is connected.
pub struct Streams<'a> {
    pub stdin: bool,
    pub tty: bool,
    /// The keys that leave the container, if this terminal is in raw mode.
    pub keys: &'a DetachKeys,
}

/// How a session has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The container has ended with this code.
    Exit(u32),
    /// The user has typed the keys that leave it.
    Detached,
    /// The output has ended, and how is not known.
    Unknown,
}

/// Connects this process' streams to those of a container, until one side leaves.
///
/// # Errors
///
/// The daemon's refusal, before the local terminal has changed; else what broke the session.
pub async fn attach(
    client: &Client,
    pod: &PodRef,
    container: String,
    streams: &Streams<'_>,
    io: &mut Io<'_>,
) -> Result<End> {
    let is_at_terminal = streams.tty && streams.stdin && terminal::is_terminal();
    let (sender, requests) = mpsc::channel(BACKLOG);
    let (namespace, name) = (pod.namespace.clone(), pod.name.clone());
    let start = pb::AttachStart { namespace, name, container, stdin: streams.stdin };
    send(&sender, Message::Start(start)).await;
    let requests = ReceiverStream::new(requests);
    let mut answers = client.containers().attach(requests).await?.into_inner();
    if streams.tty && !is_at_terminal {
        io.warn("no terminal to pass on: stdin is no terminal, or -i is missing")?;
    }
    let mut resized = signal(SignalKind::window_change())?;
    let mut ends = Ends::new()?;
    // It is dropped, and the terminal restored, in every way out of this function.
    let _raw = is_at_terminal.then(Raw::enter).transpose()?;
    let (detach, mut detached) = mpsc::channel(1);
    if streams.stdin {
        let (sender, watcher) =
            (sender.clone(), is_at_terminal.then(|| Watcher::new(streams.keys)));
        // A thread, not a task of tokio: a read that does not return would delay the end of the runtime.
        thread::spawn(move || read_stdin(&sender, watcher, &detach));
    }
    if is_at_terminal {
        send_size(&sender).await;
    }
    loop {
        let answer = tokio::select! {
            answer = answers.message() => answer?,
            Some(()) = detached.recv() => return Ok(End::Detached),
            _ = resized.recv(), if is_at_terminal => {
                send_size(&sender).await;
                continue;
            }
            () = ends.any(), if is_at_terminal => return Err(Error::Command(TERMINATED)),
        };
        match answer.and_then(|answer| answer.message) {
            Some(attach_response::Message::Stdout(bytes)) => io.raw(&bytes)?,
            Some(attach_response::Message::Stderr(bytes)) => io.raw_err(&bytes)?,
            Some(attach_response::Message::ExitCode(code)) => return Ok(End::Exit(code)),
            None => return Ok(End::Unknown),
        }
    }
}

/// The signals that would leave the terminal in raw mode.
struct Ends {
    terminated: Signal,
    hung_up: Signal,
}

impl Ends {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminated: signal(SignalKind::terminate())?,
            hung_up: signal(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminated.recv() => {}
            _ = self.hung_up.recv() => {}
        }
    }
}

/// Sends a message. A connection that broke is reported by the stream of answers.
async fn send(to: &mpsc::Sender<pb::AttachRequest>, message: Message) {
    let _ = to.send(pb::AttachRequest { message: Some(message) }).await;
}

async fn send_size(to: &mpsc::Sender<pb::AttachRequest>) {
    if let Ok((width, height)) = terminal::size() {
        send(to, Message::Resize(pb::TerminalSize { width, height })).await;
    }
}

fn read_stdin(
    to: &mpsc::Sender<pb::AttachRequest>,
    mut watcher: Option<Watcher>,
    detach: &mpsc::Sender<()>,
) {
    let mut chunk = vec![0; CHUNK];
    let mut stdin = io::stdin().lock();
    loop {
        let (message, is_detached) = match stdin.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => (Message::CloseStdin(true), false),
            Ok(length) => {
                let bytes = chunk.get(..length).unwrap_or_default();
                let (bytes, is_detached) =
                    watcher.as_mut().map_or_else(|| (bytes.to_vec(), false), |it| it.feed(bytes));
                (Message::Stdin(bytes), is_detached)
            }
        };
        let is_last = is_detached || matches!(message, Message::CloseStdin(_));
        let sent = to.blocking_send(pb::AttachRequest { message: Some(message) });
        if is_detached {
            let _ = detach.blocking_send(());
        }
        if sent.is_err() || is_last {
            return;
        }
    }
}
