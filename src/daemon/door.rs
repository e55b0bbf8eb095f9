//! What a listener has to give: connections as they arrive, and how one is opened.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::connections::Peer;

/// A listener and its way of opening connections.
pub(super) trait Door: 'static {
    /// A connection as it is accepted.
    type Raw: Send + 'static;
    /// What is needed to open it.
    type Tls: Clone + Send + 'static;
    /// One over which HTTP/2 is spoken.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// What the services learn of a connection.
    type Info: Clone + Send + Sync + Unpin + 'static;

    /// How long a ping of HTTP/2 may stay unanswered.
    const PING_TIMEOUT: Duration;

    /// Cancel safe.
    async fn accept(&mut self) -> io::Result<(Self::Raw, Peer)>;

    /// Ends when the other side has sent something, or is gone.
    fn heard(raw: &Self::Raw) -> impl Future<Output = io::Result<()>> + Send;

    fn tls(&self) -> Self::Tls;

    /// All that comes before HTTP/2.
    fn open(
        tls: Self::Tls,
        raw: Self::Raw,
    ) -> impl Future<Output = io::Result<(Self::Stream, Self::Info)>> + Send;
}
