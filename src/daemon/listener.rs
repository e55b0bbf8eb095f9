//! The interface of a listener: it accepts connections and opens them.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::connections::Peer;

/// A listener, which accepts connections and opens them.
pub trait Listener: 'static {
    /// A connection as it is accepted.
    type Raw: Send + 'static;
    /// The data that opens a connection.
    type Tls: Clone + Send + 'static;
    /// The stream of HTTP/2.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// The data about a connection that the services get.
    type Info: Clone + Send + Sync + Unpin + 'static;

    /// The time that a client has to answer a ping of HTTP/2.
    const PING_TIMEOUT: Duration;

    /// Accepts a connection. Cancel safe.
    async fn accept(&mut self) -> io::Result<(Self::Raw, Peer)>;

    /// Waits for the first bytes, or for the end of the connection.
    fn first_bytes(raw: &Self::Raw) -> impl Future<Output = io::Result<()>> + Send;

    fn tls(&self) -> Self::Tls;

    /// Does all that precedes HTTP/2, such as the TLS handshake.
    fn open(
        tls: Self::Tls,
        raw: Self::Raw,
    ) -> impl Future<Output = io::Result<(Self::Stream, Self::Info)>> + Send;
}
