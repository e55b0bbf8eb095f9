//! Logs and watches over a WebSocket: the parts of an answer's body are messages. A conformance test
//! reads logs so, and Headlamp watches.

use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyStream;
use probelet_kube_wire::channels::{StreamProtocol, watch_subprotocol};
use probelet_kube_wire::status::Status;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;

use super::answer::Body;
use super::exchange::Until;
use super::websocket;

/// What the body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes of a log.
    Log,
    /// Lines, each of which is an event of a watch.
    Watch,
}

/// How parts become messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Log(StreamProtocol),
    /// JSON as text, whatever the subprotocol is.
    Watch,
}

impl Kind {
    /// The form and the subprotocol of the answer.
    pub fn negotiate(self, offered: Option<&str>) -> Result<(Form, Option<String>), Status> {
        Ok(match self {
            Self::Log => {
                let (protocol, name) = StreamProtocol::negotiate(offered)?;
                (Form::Log(protocol), name.map(str::to_owned))
            }
            Self::Watch => {
                let name = watch_subprotocol(offered.unwrap_or_default());
                (Form::Watch, name.map(str::to_owned))
            }
        })
    }
}

impl Form {
    fn messages(self, part: &[u8]) -> Vec<Message> {
        match self {
            Self::Log(protocol) => {
                vec![websocket::message(protocol.message(part), protocol.is_text())]
            }
            Self::Watch => {
                let lines = part.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                lines.map(|line| websocket::message(line.to_vec(), true)).collect()
            }
        }
    }
}

/// Sends the body until it ends, the client leaves, or its credential ends.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    form: Form,
    body: Body,
    until: &Until,
) {
    let (mut sender, mut receiver) = websocket::open(stream).await;
    let sending = async {
        let mut parts = BodyStream::new(body);
        let mut pings = websocket::pings();
        loop {
            let messages = tokio::select! {
                part = parts.next() => match part {
                    Some(Ok(frame)) => form.messages(&frame.into_data().unwrap_or_default()),
                    Some(Err(never)) => match never {},
                    None => return true,
                },
                _ = pings.tick() => vec![websocket::ping()],
            };
            for message in messages {
                if sender.send(message).await.is_err() {
                    return false;
                }
            }
        }
    };
    // What the client sends has no meaning.
    let leaving = async { while let Some(Ok(_)) = receiver.next().await {} };
    let is_over = tokio::select! {
        is_over = sending => is_over,
        () = leaving => false,
        _ = until.reached() => false,
    };
    if is_over {
        websocket::close(sender, receiver).await;
    }
}

#[cfg(test)]
mod tests;
