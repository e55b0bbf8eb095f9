//! `exec`.

use std::io::{self, Read};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::connect::Client;
use super::error::{Error, Result};
use super::io::Io;
use super::namespace::Namespace;
use super::terminal::{self, Raw};
use super::{names, nearby};
use probelet_api::pb::exec_request::Message;
use probelet_api::pb::{self, exec_response};

/// How many messages may wait for the daemon.
const BACKLOG: usize = 16;
const CHUNK: usize = 16 << 10;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pod: String,
    /// The container; optional if the pod has only one, init containers aside.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// Pass stdin to the command.
    #[arg(short = 'i', long)]
    stdin: bool,
    /// Allocate a terminal for the command.
    #[arg(short = 't', long)]
    tty: bool,
    /// The command and its arguments, run without a shell; `--` before it is optional.
    #[arg(value_name = "COMMAND", trailing_var_arg = true, required = true)]
    command: Vec<String>,
    #[command(flatten)]
    namespace: Namespace,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        names::pod(&self.pod).map(drop)
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let name = names::pod(&args.pod)?;
    let is_at_terminal = args.tty && args.stdin && terminal::is_terminal();
    if args.tty && !is_at_terminal {
        io.warn("no terminal to pass on: stdin is no terminal, or -i is missing")?;
    }
    let (sender, requests) = mpsc::channel(BACKLOG);
    let start = pb::ExecStart {
        namespace: args.namespace.name(),
        name,
        container: args.container.clone().unwrap_or_default(),
        command: args.command.clone(),
        stdin: args.stdin,
        terminal: args.tty,
    };
    send(&sender, Message::Start(start)).await;
    let requests = ReceiverStream::new(requests);
    let mut answers = match client.containers().exec(requests).await {
        Ok(answers) => answers.into_inner(),
        Err(status) => {
            let pod = (args.namespace.name(), names::pod(&args.pod)?);
            return Err(nearby::explain(client, (&pod.0, &pod.1), status.into()).await);
        }
    };
    // Only now: a refusal is printed on a terminal in its usual mode.
    let _raw = is_at_terminal.then(Raw::enter).transpose()?;
    if args.stdin {
        let sender = sender.clone();
        // A thread, not a task of tokio: a read that does not return would delay the end of the runtime.
        thread::spawn(move || read_stdin(&sender));
    }
    let mut resized = signal(SignalKind::window_change())?;
    if is_at_terminal {
        send_size(&sender).await;
    }
    loop {
        let answer = tokio::select! {
            answer = answers.message() => answer?,
            _ = resized.recv(), if is_at_terminal => {
                send_size(&sender).await;
                continue;
            }
        };
        match answer.and_then(|answer| answer.message) {
            Some(exec_response::Message::Stdout(bytes)) => {
                io.raw(&bytes)?;
            }
            Some(exec_response::Message::Stderr(bytes)) => io.raw_err(&bytes)?,
            Some(exec_response::Message::ExitCode(0)) => return Ok(()),
            Some(exec_response::Message::ExitCode(code)) => return Err(Error::Command(code)),
            None => {
                return Err(Error::Other(
                    "probelet did not report how the command ended".to_owned(),
                ));
            }
        }
    }
}

/// Sends a message. A connection that broke is reported by the stream of answers.
async fn send(to: &mpsc::Sender<pb::ExecRequest>, message: Message) {
    let _ = to.send(pb::ExecRequest { message: Some(message) }).await;
}

async fn send_size(to: &mpsc::Sender<pb::ExecRequest>) {
    if let Ok((width, height)) = terminal::size() {
        send(to, Message::Resize(pb::TerminalSize { width, height })).await;
    }
}

fn read_stdin(to: &mpsc::Sender<pb::ExecRequest>) {
    let mut chunk = vec![0; CHUNK];
    let mut stdin = io::stdin().lock();
    loop {
        let message = match stdin.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => Message::CloseStdin(true),
            Ok(length) => Message::Stdin(chunk.get(..length).unwrap_or_default().to_vec()),
        };
        let is_last = matches!(message, Message::CloseStdin(_));
        if to.blocking_send(pb::ExecRequest { message: Some(message) }).is_err() || is_last {
            return;
        }
    }
}
