//! The server's side of WebSockets: the handshake, and connections whose messages are bounded.
//!
//! A handler reads the request with [`Handshake::read`], does what can fail with a status, answers
//! with [`Handshake::response`], and passes the connection on with [`open`]:
//!
//! ```text
//! let handshake = Handshake::read(&head)?;
//! let (protocol, name) = Protocol::negotiate(handshake.offered())?;
//! tasks.spawn(serve(upgraded(upgrade)));
//! Ok(handshake.response(name))
//! ```

use std::future::ready;
use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use probelet_kube_wire::status::{Status, protocol};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

/// RFC 6455, 1.3.
const ACCEPT_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes of the decoded key.
const KEY: usize = 16;
/// The largest message of a client. kubectl sends 32 KiB, Python up to 1 MiB.
const MESSAGE: usize = 4 << 20;
/// Bytes that are read or written at a time.
const BUFFER: usize = 16 << 10;
/// Bytes that may wait for a slow client.
const UNSENT: usize = 256 << 10;
/// The time from the answer to the connection.
const UPGRADING: Duration = Duration::from_secs(10);
/// The interval of pings: a failed one shows that the client is gone.
const PING: Duration = Duration::from_secs(30);
/// The time that a client has to answer the close.
const CLOSING: Duration = Duration::from_secs(2);

/// A connection in two halves.
pub type Sender<S> = SplitSink<WebSocketStream<S>, Message>;
pub type Receiver<S> = SplitStream<WebSocketStream<S>>;

/// A request that asks for a WebSocket.
#[derive(Debug)]
pub struct Handshake {
    accept: HeaderValue,
    offered: Option<String>,
}

impl Handshake {
    /// Reads the request of a client.
    ///
    /// # Errors
    ///
    /// 400 if it does not ask for a WebSocket.
    pub fn read(request: &Parts) -> Result<Self, Status> {
        let headers = &request.headers;
        if !has_token(headers, &UPGRADE, "websocket") || !has_token(headers, &CONNECTION, "upgrade")
        {
            return Err(Status::bad_request("Upgrade request required"));
        }
        if request.method != Method::GET {
            return Err(protocol::method_not_allowed());
        }
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(Status::bad_request("Sec-WebSocket-Version must be 13"));
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
        let is_key = |key: &&[u8]| STANDARD.decode(key).is_ok_and(|decoded| decoded.len() == KEY);
        let key = key.filter(is_key);
        let key = key.ok_or_else(|| Status::bad_request("Sec-WebSocket-Key is not valid"))?;
        let offered: Vec<_> = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().collect();
        let texts: Option<Vec<_>> = offered.iter().map(|value| value.to_str().ok()).collect();
        let invalid = || Status::bad_request("Sec-WebSocket-Protocol is not valid");
        let offered = texts.ok_or_else(invalid)?.join(",");
        let offered = Some(offered).filter(|offered| !offered.is_empty());
        Ok(Self { accept: accept(key)?, offered })
    }

    /// The subprotocols that the client offers.
    pub fn offered(&self) -> Option<&str> {
        self.offered.as_deref()
    }

    /// True if the client offers this subprotocol.
    pub fn offers(&self, subprotocol: &str) -> bool {
        let mut offered = self.offered().unwrap_or_default().split(',').map(str::trim);
        offered.any(|name| name == subprotocol)
    }

    /// The answer 101, which begins the WebSocket, with the chosen subprotocol.
    pub fn response<B: Default>(&self, subprotocol: Option<&str>) -> Result<Response<B>, Status> {
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        if let Some(name) = subprotocol {
            let name = HeaderValue::from_str(name);
            let name = name.map_err(|_| Status::bad_request("the subprotocol is not valid"))?;
            headers.insert(SEC_WEBSOCKET_PROTOCOL, name);
        }
        Ok(response)
    }
}

/// True if the request asks for a WebSocket, whether its other headers are valid or not.
pub fn is_requested(request: &Parts) -> bool {
    has_token(&request.headers, &UPGRADE, "websocket")
}

/// True if a header that is a list has this token.
pub fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
}

fn accept(key: &[u8]) -> Result<HeaderValue, Status> {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    digest.update(key);
    digest.update(ACCEPT_SUFFIX);
    let accept = STANDARD.encode(digest.finish());
    HeaderValue::from_str(&accept).map_err(|error| Status::internal(&error.to_string()))
}

/// A connection behind an answer 101.
pub type Connection = TokioIo<Upgraded>;

/// The connection behind an answer 101; `None` if the client has left before.
pub async fn upgraded(upgrade: OnUpgrade) -> Option<Connection> {
    match timeout(UPGRADING, upgrade).await {
        Ok(Ok(upgraded)) => Some(TokioIo::new(upgraded)),
        Ok(Err(error)) => {
            tracing::debug!(%error, "Kubernetes API: no upgraded connection");
            None
        }
        Err(_) => None,
    }
}

/// Opens the server's side of a connection.
pub async fn open<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> (Sender<S>, Receiver<S>) {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(UNSENT)
        .max_message_size(Some(MESSAGE))
        .max_frame_size(Some(MESSAGE));
    WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await.split()
}

/// Opens the server's side of a connection whose messages are the bytes of another protocol.
pub async fn tunnel<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send) {
    let (sender, receiver) = open(stream).await;
    let payloads = receiver.filter_map(|message| async {
        match message {
            Ok(Message::Close(_)) => None,
            Ok(message) => payload(message).map(Ok),
            Err(error) => Some(Err(io::Error::other(error))),
        }
    });
    let binary = |bytes| ready(Ok::<_, io::Error>(Message::Binary(bytes)));
    let messages = sender.sink_map_err(io::Error::other).with(binary);
    (StreamReader::new(Box::pin(payloads)), SinkWriter::new(CopyToBytes::new(Box::pin(messages))))
}

/// A message with these bytes, which are base64 if it is sent as text.
pub fn message(bytes: Vec<u8>, is_text: bool) -> Message {
    if !is_text {
        return Message::binary(bytes);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Message::text(text),
        Err(error) => Message::binary(error.into_bytes()),
    }
}

/// The bytes of a client's message; `None` for a ping or a pong.
pub fn payload(message: Message) -> Option<bytes::Bytes> {
    match message {
        Message::Binary(bytes) => Some(bytes),
        Message::Text(text) => Some(text.into()),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => None,
    }
}

/// The pings of a connection.
pub fn pings() -> Interval {
    let first = Instant::now().checked_add(PING).unwrap_or_else(Instant::now);
    let mut pings = interval_at(first, PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings
}

pub fn ping() -> Message {
    Message::Ping(bytes::Bytes::new())
}

/// Closes the connection and waits for the client's answer, so that the last messages arrive.
pub async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    mut sender: Sender<S>,
    mut receiver: Receiver<S>,
) {
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    let closing = async {
        if sender.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = receiver.next().await {}
        }
        // Without the end of TLS a client cannot know that nothing was cut off.
        if let Ok(mut socket) = sender.reunite(receiver) {
            let _ = socket.get_mut().shutdown().await;
        }
    };
    // A client that does not answer is disconnected.
    let _ = timeout(CLOSING, closing).await;
}

#[cfg(test)]
mod tests;
