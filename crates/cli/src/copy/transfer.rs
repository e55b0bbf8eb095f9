//! A command in the container whose input or output is an archive.

use std::io::{self, Read, Write};
use std::sync::mpsc as blocking;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::super::connect::Client;
use super::super::error::{Error, Result};
use super::super::nearby;
use probelet_api::pb::exec_request::Message;
use probelet_api::pb::{self, exec_response};

/// Messages that may wait for the other side.
const BACKLOG: usize = 16;
/// Bytes of the command's errors that are kept.
const ERRORS: usize = 4 << 10;
const CHUNK: usize = 32 << 10;
/// Bytes of the output that may follow what was read of it: an archive ends with empty blocks.
const TRAILING: usize = 1 << 20;

/// The container that is copied from or to.
#[derive(Debug, Clone)]
pub struct Container {
    pub namespace: String,
    pub pod: String,
    pub container: String,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: u32,
    /// The beginning of what it wrote to stderr.
    pub errors: String,
}

/// Where the output of a command goes.
pub type Output = blocking::SyncSender<Vec<u8>>;

pub fn output() -> (Output, Bytes) {
    let (sender, receiver) = blocking::sync_channel(BACKLOG);
    (sender, Bytes { receiver, chunk: io::Cursor::default() })
}

/// The output of a command, to read in a thread that may block.
pub struct Bytes {
    receiver: blocking::Receiver<Vec<u8>>,
    chunk: io::Cursor<Vec<u8>>,
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.chunk.read(buffer)? {
                0 if !buffer.is_empty() => match self.receiver.recv() {
                    Ok(chunk) => self.chunk = io::Cursor::new(chunk),
                    Err(_) => return Ok(0),
                },
                length => return Ok(length),
            }
        }
    }
}

/// The input of a command, to write in a thread that may block.
pub struct Input {
    sender: mpsc::Sender<pb::ExecRequest>,
}

impl Write for Input {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let chunk = bytes.get(..bytes.len().min(CHUNK)).unwrap_or_default().to_vec();
        let length = chunk.len();
        let sent = self.sender.blocking_send(request(Message::Stdin(chunk)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Input {
    /// Ends the input.
    pub fn close(self) {
        // A command that has ended needs none.
        let _ = self.sender.blocking_send(request(Message::CloseStdin(true)));
    }
}

/// A command that runs.
pub struct Running {
    answers: tonic::Streaming<pb::ExecResponse>,
    input: Option<mpsc::Sender<pb::ExecRequest>>,
}

impl Running {
    pub async fn start(
        client: &Client,
        of: &Container,
        command: &[&str],
        has_input: bool,
    ) -> Result<Self> {
        let (sender, requests) = mpsc::channel(BACKLOG);
        let start = pb::ExecStart {
            namespace: of.namespace.clone(),
            name: of.pod.clone(),
            container: of.container.clone(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            stdin: has_input,
            terminal: false,
        };
        // There is room for the first message.
        let _ = sender.send(request(Message::Start(start))).await;
        match client.containers().exec(ReceiverStream::new(requests)).await {
            Ok(answers) => Ok(Self { answers: answers.into_inner(), input: Some(sender) }),
            Err(status) if status.code() == Code::FailedPrecondition => {
                let error = Error::from(status);
                Err(error.hint("`cp` needs a container that runs, and `tar` in its image"))
            }
            Err(status) => {
                Err(nearby::explain(client, (&of.namespace, &of.pod), status.into()).await)
            }
        }
    }

    /// The input of the command, once.
    pub fn input(&mut self) -> Option<Input> {
        Some(Input { sender: self.input.take()? })
    }

    /// Passes the output on until the command has ended.
    pub async fn end(mut self, output: Option<Output>) -> Result<Ended> {
        let (mut errors, mut trailing) = (Vec::new(), 0_usize);
        let mut output = output;
        loop {
            match self.answers.message().await?.and_then(|answer| answer.message) {
                Some(exec_response::Message::Stdout(bytes)) => {
                    let length = bytes.len();
                    output = match output {
                        Some(to) => pass_on(to, bytes).await,
                        None => None,
                    };
                    // A container could write for ever.
                    if output.is_none() {
                        trailing = trailing.saturating_add(length);
                    }
                    if trailing > TRAILING {
                        let why = "the command writes on after the end of its archive";
                        return Err(Error::Other(why.to_owned()));
                    }
                }
                Some(exec_response::Message::Stderr(bytes)) => {
                    let room = ERRORS.saturating_sub(errors.len()).min(bytes.len());
                    errors.extend_from_slice(bytes.get(..room).unwrap_or_default());
                }
                Some(exec_response::Message::ExitCode(code)) => {
                    let errors = String::from_utf8_lossy(&errors).trim().to_owned();
                    return Ok(Ended { code, errors });
                }
                None => {
                    let why = "probelet did not report how the command ended";
                    return Err(Error::Other(why.to_owned()));
                }
            }
        }
    }
}

/// Waits in another thread while the reader is slow. `None` once it has left.
async fn pass_on(to: Output, bytes: Vec<u8>) -> Option<Output> {
    tokio::task::spawn_blocking(move || to.send(bytes).is_ok().then_some(to)).await.ok().flatten()
}

fn request(message: Message) -> pb::ExecRequest {
    pb::ExecRequest { message: Some(message) }
}
