//! A client that is attached to the streams of a running container, through the container's logger.
//! The logger serves each client on a connection of its own and waits for none.

use std::convert::Infallible;
use std::future::pending;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use probelet_cri_log::attach::{CONTENT, Decoder, Frame, Streams};
use probelet_cri_log::format::Stream;
use probelet_cri_log::{Fifos, Reachable};
use probelet_runtime::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::session::{BACKLOG, Input, Output, Session, SessionError, Wants};
use super::task_trait::Task;
use crate::domain::exit::Ending;

/// Limit of attached clients, in all containers.
const CLIENTS: usize = 64;
static SLOTS: Semaphore = Semaphore::const_new(CLIENTS);
/// How long the logger may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the output may be silent once the process has ended, since a child may hold it.
const SILENCE: Duration = Duration::from_millis(200);

/// The container that a client is attached to.
pub struct AttachedContainer {
    pub(super) id: String,
    pub(super) task: Arc<dyn Task>,
    pub(super) tasks: Arc<dyn Tasks>,
}

/// Attaches a client; `None` if the container has no such logger.
pub async fn attach(
    socket: &Path,
    container: AttachedContainer,
    wants: Wants,
    tasks: &TaskTracker,
) -> Result<Option<Session>, SessionError> {
    let clients = Fifos::beside(socket, Streams::default()).clients;
    let slot = SLOTS.try_acquire().map_err(|_| SessionError::Busy)?;
    let failed =
        |error: io::Error| SessionError::Failed(format!("the container's logger: {error}"));
    let connection = match timeout(ANSWER, Connection::open(&clients, wants)).await {
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Ok(connection) => connection.map_err(failed)?,
        Err(_) => return Err(failed(ErrorKind::TimedOut.into())),
    };
    let (input, inputs) = mpsc::channel(BACKLOG);
    let (outputs, output) = mpsc::channel(BACKLOG);
    tasks.spawn(async move {
        container.serve(connection, wants, inputs, outputs).await;
        drop(slot);
    });
    Ok(Some(Session { input, output }))
}

/// A connection to the logger, after its first message.
struct Connection {
    reader: FrameReader,
    writer: OwnedWriteHalf,
    streams: Streams,
}

struct FrameReader {
    half: OwnedReadHalf,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl FrameReader {
    /// Returns the next message; `None` at the end. The call may be cancelled at any time.
    async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.decoder.next_frame().map_err(io::Error::other)? {
                return Ok(Some(frame));
            }
            match self.half.read(&mut self.buffer).await? {
                0 => return Ok(None),
                length => self.decoder.feed(self.buffer.get(..length).unwrap_or_default()),
            }
        }
    }
}

impl Connection {
    async fn open(socket: &Path, wants: Wants) -> io::Result<Self> {
        let at = Reachable::new(socket)?;
        let (half, mut writer) = UnixStream::connect(at.path()).await?.into_split();
        writer.write_all(&Frame::Begin(wants).encode()).await?;
        let mut reader =
            FrameReader { half, decoder: Decoder::default(), buffer: vec![0; CONTENT] };
        match reader.next().await? {
            Some(Frame::Begun(streams)) => Ok(Self { reader, writer, streams }),
            Some(_) => Err(ErrorKind::InvalidData.into()),
            None => Err(io::Error::other("too many clients are attached")),
        }
    }
}

impl AttachedContainer {
    async fn serve(
        self,
        Connection { mut reader, writer, streams }: Connection,
        wants: Wants,
        input: mpsc::Receiver<Input>,
        output: mpsc::Sender<Output>,
    ) {
        if streams.is_over {
            self.close_stdin().await;
        }
        tokio::select! {
            () = self.receive(&mut reader, streams, &output) => {}
            () = output.closed() => {}
            never = self.feed(writer, input) => match never {},
        }
        if wants.input && streams.once && !streams.tty {
            self.close_stdin().await;
        }
    }

    /// Passes the output on, and last the exit code. It returns when the process has ended, and its
    /// output too or for a while.
    async fn receive(
        &self,
        reader: &mut FrameReader,
        streams: Streams,
        output: &mpsc::Sender<Output>,
    ) {
        let mut ended = self.task.ended();
        let mut has_ended = false;
        loop {
            let frame = tokio::select! {
                biased;
                frame = reader.next() => frame,
                () = tokio::time::sleep(SILENCE), if has_ended => Ok(None),
                _ = &mut ended, if !has_ended => {
                    has_ended = true;
                    continue;
                }
            };
            let part = match frame {
                Ok(Some(Frame::Output(Stream::Stdout, bytes))) => Output::Stdout(bytes),
                Ok(Some(Frame::Output(Stream::Stderr, bytes))) => Output::Stderr(bytes),
                Ok(Some(Frame::Lost(bytes))) => lost(bytes, streams.tty),
                Ok(Some(Frame::InputOver)) => {
                    self.close_stdin().await;
                    continue;
                }
                Ok(Some(_)) => continue,
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(container = self.id, %error, "a client lost the logger");
                    break;
                }
            };
            if output.send(part).await.is_err() {
                return;
            }
        }
        if let Some(code) = code(self.task.ended().await) {
            let _ = output.send(Output::Exit(code)).await;
        }
    }

    /// Passes the input on. It never returns: the end of the input is not the end of the container.
    async fn feed(
        &self,
        mut writer: OwnedWriteHalf,
        mut input: mpsc::Receiver<Input>,
    ) -> Infallible {
        while let Some(input) = input.recv().await {
            let written = match input {
                Input::Data(bytes) => {
                    let mut frames = Vec::new();
                    for piece in bytes.chunks(CONTENT) {
                        frames.extend(Frame::Input(piece.to_vec()).encode());
                    }
                    writer.write_all(&frames).await
                }
                Input::End => writer.write_all(&Frame::InputEnd.encode()).await,
                Input::Size { width, height } => {
                    if let Err(error) = self.tasks.resize(&self.id, width, height).await {
                        tracing::debug!(container = self.id, %error, "a terminal keeps its size");
                    }
                    Ok(())
                }
            };
            if written.is_err() {
                break;
            }
        }
        let _ = writer.write_all(&Frame::InputEnd.encode()).await;
        pending().await
    }

    /// Closes the input in the shim, which has it open beside the logger.
    async fn close_stdin(&self) {
        if let Err(error) = self.tasks.close_stdin(&self.id).await {
            tracing::debug!(container = self.id, %error, "a container's stdin stays open");
        }
    }
}

/// A notice in place of output, for a terminal in its only stream.
fn lost(bytes: u64, tty: bool) -> Output {
    let text = format!("[probelet: {bytes} bytes are not shown here: the client reads too slowly]");
    if tty {
        Output::Stdout(format!("\r\n{text}\r\n").into_bytes())
    } else {
        Output::Stderr(format!("{text}\n").into_bytes())
    }
}

/// Returns the exit code, if it is known.
fn code(ending: Ending) -> Option<u32> {
    match ending {
        Ending::Lost => None,
        ending => u32::try_from(ending.exit_code()).ok(),
    }
}
