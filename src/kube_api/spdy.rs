//! Exec, attach and port-forward over SPDY/3.1: bare, or inside a WebSocket, as kubectl forwards
//! ports.
//!
//! The frames and the table of streams are `probelet_kube_wire::spdy`; `handshake` begins the
//! connection, `connection` reads and writes it, and the streams that the client opens become those
//! of `exchange` here.

mod connection;
mod handshake;
mod pairs;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use probelet_kube_wire::options::CommandOptions;
use probelet_kube_wire::spdy::{CommandStream, CommandVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::commands::{self, Command, CommandStreams};
use super::exchange::{UntilGone, exchange};
use super::port_forward::{self, PortForward};
use connection::{Opened, carrier};
use pairs::Pairs;

pub use handshake::{Handshake, not_offered};

/// The time in which a client opens the streams of a command, as in Kubernetes.
const STREAMS: Duration = Duration::from_secs(30);
/// The time that a client has to close the connection after the last frame.
const CLOSING: Duration = Duration::from_secs(5);

/// Runs a command with the streams that the client opens.
pub async fn serve_command<R, W>(
    (mut reader, mut writer): (R, W),
    version: CommandVersion,
    command: &Command,
) where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let left = CancellationToken::new();
    let limits = (commands::WAITING, false);
    let (reading, writing, opened) = carrier(&mut reader, &mut writer, limits, &left);
    let work = async |mut gone: UntilGone<'_>| {
        let collected = tokio::select! {
            collected = timeout(STREAMS, collect(opened, version, &command.options)) => collected,
            _ = &mut gone => return,
        };
        // Without its streams a client cannot get an error either.
        if let Ok(Some(streams)) = collected {
            command.run(streams, gone).await;
        }
    };
    if exchange(reading, writing, &left, &command.until, work).await {
        close(reader, writer).await;
    }
}

/// Forwards connections, each of which is a pair of streams.
pub async fn serve_port_forward<R, W>((mut reader, mut writer): (R, W), forward: &PortForward)
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let left = CancellationToken::new();
    let limits = (port_forward::WAITING, true);
    let (reading, writing, mut opened) = carrier(&mut reader, &mut writer, limits, &left);
    let work = async |gone| {
        let (connections, forwarded) = mpsc::channel(1);
        let pairing = async {
            let mut pairs = Pairs::default();
            while let Some(stream) = opened.recv().await {
                if let Some(pair) = pairs.add(stream).await {
                    let _ = connections.send(pair).await;
                }
            }
            // More streams can come until the client leaves.
            std::future::pending().await
        };
        tokio::select! {
            () = forward.run(forwarded, gone) => {}
            () = pairing => {}
        }
    };
    if exchange(reading, writing, &left, &forward.until, work).await {
        close(reader, writer).await;
    }
}

/// Waits for the streams that the request needs; `None` if the client can open no more.
async fn collect(
    mut opened: mpsc::Receiver<Opened>,
    version: CommandVersion,
    options: &CommandOptions,
) -> Option<CommandStreams> {
    let needed = [
        (CommandStream::Error, true),
        (CommandStream::Stdin, options.stdin),
        (CommandStream::Stdout, options.stdout),
        (CommandStream::Stderr, options.stderr),
        (CommandStream::Resize, options.tty && version.has_resize()),
    ];
    let is_needed = |kind| needed.contains(&(kind, true));
    let count = needed.iter().filter(|(_, is_needed)| *is_needed).count();
    let mut streams = BTreeMap::new();
    while streams.len() < count {
        let stream = opened.recv().await?;
        match CommandStream::of(&stream.headers) {
            Some(kind) if is_needed(kind) && !streams.contains_key(&kind) => {
                streams.insert(kind, stream);
            }
            _ => stream.to.reset().await,
        }
    }
    let mut take = |kind| streams.remove(&kind);
    Some(CommandStreams {
        error: take(CommandStream::Error)?.to,
        stdin: take(CommandStream::Stdin).map(|stream| stream.from),
        resize: take(CommandStream::Resize).map(|stream| stream.from),
        stdout: take(CommandStream::Stdout).map(|stream| stream.to),
        stderr: take(CommandStream::Stderr).map(|stream| stream.to),
        has_status: version.has_status(),
    })
}

/// Waits until the client, which has got the last frame, closes the connection. A connection that is
/// closed first could lose what the client has not read.
async fn close(mut reader: impl AsyncRead + Unpin, mut writer: impl AsyncWrite + Unpin) {
    let closing = async {
        let mut rest = [0; 1024];
        while reader.read(&mut rest).await.is_ok_and(|length| length > 0) {}
    };
    // A client that does not close is disconnected.
    let _ = timeout(CLOSING, closing).await;
    let _ = timeout(CLOSING, writer.shutdown()).await;
}
