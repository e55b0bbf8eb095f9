//! Exec, attach and port-forward over the channels of a WebSocket.
//!
//! The streams of `exchange` are the channels of `probelet_kube_wire::channels`. A port-forward with
//! `?ports=` has one connection for each port, as the clients in Python, Node, Java and Rust use it.

use futures_util::{SinkExt, StreamExt};
use probelet_kube_wire::channels::{
    ClientMessage, CommandFramer, ForwardMessage, FrameError, PortForwardFramer, Protocol,
};
use probelet_kube_wire::status::Status;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_util::sync::CancellationToken;

use super::commands::{self, Command, CommandStreams};
use super::exchange::{BACKLOG, Feeds, Gone, Outgoing, ToClient, exchange};
use super::port_forward::{self, Forwarded, PortForward};
use super::websocket::{self, Receiver, Sender};

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;
const ERROR: u32 = 3;
const RESIZE: u32 = 4;

/// A message of the client.
enum Part {
    Data(u32, Vec<u8>),
    End(u32),
    Nothing,
}

/// Runs a command whose streams are channels.
pub async fn serve_command<S: AsyncRead + AsyncWrite + Unpin + Send>(
    stream: S,
    protocol: Protocol,
    command: &Command,
) {
    let framer = CommandFramer::new(protocol);
    let options = &command.options;
    let mut feeds = Feeds::new(commands::WAITING, false);
    let (parts, outgoing) = mpsc::channel(BACKLOG);
    let to_client = |channel| ToClient::new(channel, parts.clone());
    let streams = CommandStreams {
        stdin: options.stdin.then(|| feeds.open(STDIN)),
        resize: options.tty.then(|| feeds.open(RESIZE)),
        stdout: options.stdout.then(|| to_client(STDOUT)),
        stderr: options.stderr.then(|| to_client(STDERR)),
        error: to_client(ERROR),
        has_status: protocol.has_status(),
    };
    drop(parts);
    let (mut sender, mut receiver) = websocket::open(stream).await;
    let left = CancellationToken::new();
    let read = move |bytes: &[u8]| {
        Ok(match framer.read(bytes)? {
            ClientMessage::Stdin(data) => Part::Data(STDIN, data.into_owned()),
            ClientMessage::StdinClosed => Part::End(STDIN),
            ClientMessage::Resize(size) => Part::Data(RESIZE, size.into_owned()),
            ClientMessage::Ignored => Part::Nothing,
        })
    };
    let write = |part| match part {
        Outgoing::Data(channel, data) => {
            u8::try_from(channel).ok().map(|channel| framer.write(channel, &data))
        }
        Outgoing::End(_) | Outgoing::Reset(_) => None,
    };
    let reading = reading(&mut receiver, feeds, read);
    let writing = writing(&mut sender, outgoing, framer.is_text(), &left, write);
    let work = async |gone| command.run(streams, gone).await;
    if exchange(reading, writing, &left, &command.until, work).await {
        websocket::close(sender, receiver).await;
    }
}

/// Forwards ports, each of which has a pair of channels.
pub async fn serve_port_forward<S: AsyncRead + AsyncWrite + Unpin + Send>(
    stream: S,
    framer: &PortForwardFramer,
    forward: &PortForward,
) {
    let mut feeds = Feeds::new(port_forward::WAITING, true);
    let (parts, outgoing) = mpsc::channel(BACKLOG);
    let (connections, forwarded) = mpsc::channel(framer.ports().len().max(1));
    for (position, port) in (0_u32..).zip(framer.ports().iter().copied()) {
        let from = feeds.open(position);
        let [data, error] =
            [2 * position, 2 * position + 1].map(|channel| ToClient::new(channel, parts.clone()));
        // The channel has room for all.
        let _ = connections.try_send(Forwarded { port, from, data, error });
    }
    drop((parts, connections));
    let (mut sender, mut receiver) = websocket::open(stream).await;
    let left = CancellationToken::new();
    let reader = framer.clone();
    let read = move |bytes: &[u8]| {
        Ok(match reader.read(bytes)? {
            ForwardMessage::Data(position, data) => Part::Data(of(position), data.into_owned()),
            ForwardMessage::Closed(position) => Part::End(of(position)),
            ForwardMessage::Ignored => Part::Nothing,
        })
    };
    let write = |part| match part {
        Outgoing::Data(channel, data) => {
            let position = usize::try_from(channel / 2).ok()?;
            match channel % 2 {
                0 => framer.data(position, &data),
                _ => framer.error(position, &data),
            }
        }
        Outgoing::End(_) | Outgoing::Reset(_) => None,
    };
    for greeting in framer.greeting() {
        let greeting = websocket::message(greeting, framer.is_text());
        if sender.send(greeting).await.is_err() {
            return;
        }
    }
    let reading = reading(&mut receiver, feeds, read);
    let writing = writing(&mut sender, outgoing, framer.is_text(), &left, write);
    let work = async |gone| forward.run(forwarded, gone).await;
    if exchange(reading, writing, &left, &forward.until, work).await {
        websocket::close(sender, receiver).await;
    }
}

/// Positions are below the number of ports.
fn of(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// Passes messages on until the client leaves or breaks the protocol.
async fn reading<S: AsyncRead + AsyncWrite + Unpin>(
    receiver: &mut Receiver<S>,
    mut feeds: Feeds,
    read: impl Fn(&[u8]) -> Result<Part, FrameError>,
) -> Gone {
    let broken = |error: String| {
        tracing::debug!(error, "a WebSocket breaks the protocol");
        Gone::Failed(Status::bad_request(error))
    };
    while let Some(message) = receiver.next().await {
        let bytes = match message {
            Ok(message) => websocket::payload(message),
            Err(SocketError::Capacity(error)) => return broken(error.to_string()),
            Err(_) => return Gone::Left,
        };
        let Some(bytes) = bytes else { continue };
        match read(&bytes) {
            Ok(Part::Data(stream, data)) => feeds.data(stream, data).await,
            Ok(Part::End(stream)) => feeds.end(stream).await,
            Ok(Part::Nothing) => {}
            Err(error) => return broken(error.to_string()),
        }
    }
    Gone::Left
}

/// Sends parts until there can be no more. If the client has left, they are dropped.
async fn writing<S: AsyncRead + AsyncWrite + Unpin>(
    sender: &mut Sender<S>,
    mut outgoing: mpsc::Receiver<Outgoing>,
    is_text: bool,
    left: &CancellationToken,
    write: impl Fn(Outgoing) -> Option<Vec<u8>>,
) {
    let mut pings = websocket::pings();
    loop {
        let message = tokio::select! {
            part = outgoing.recv() => match part.map(&write) {
                Some(Some(bytes)) => websocket::message(bytes, is_text),
                Some(None) => continue,
                None => return,
            },
            _ = pings.tick() => websocket::ping(),
        };
        if sender.send(message).await.is_err() {
            break;
        }
    }
    left.cancel();
    while outgoing.recv().await.is_some() {}
}
