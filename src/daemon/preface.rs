//! A connection of HTTP/2 whose preface was read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// The first bytes of an HTTP/2 client (RFC 9113, 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads the preface.
///
/// # Errors
///
/// If the other side uses another protocol.
pub async fn preface<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<()> {
    let mut read = [0; PREFACE.len()];
    stream.read_exact(&mut read).await?;
    if &read == PREFACE {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the client does not use HTTP/2"))
}

/// A stream whose preface was read. It gives the preface again before the rest, because the HTTP/2
/// server expects it. It can be cut, and its end is reported.
pub struct Connection<S, I> {
    stream: S,
    unread: Bytes,
    info: I,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _ended: DropGuard,
}

impl<S, I> Connection<S, I> {
    /// Reading fails once `cut` is cancelled; `ended` is cancelled with the drop.
    pub fn new(stream: S, info: I, cut: CancellationToken, ended: CancellationToken) -> Self {
        let unread = Bytes::from_static(PREFACE);
        let cut = Box::pin(cut.cancelled_owned());
        Self { stream, unread, info, cut, _ended: ended.drop_guard() }
    }
}

impl<S, I: Clone + Send + Sync + 'static> Connected for Connection<S, I> {
    type ConnectInfo = I;

    fn connect_info(&self) -> I {
        self.info.clone()
    }
}

impl<S: AsyncRead + Unpin, I: Unpin> AsyncRead for Connection<S, I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if this.unread.has_remaining() {
            let length = this.unread.remaining().min(buf.remaining());
            buf.put_slice(&this.unread.split_to(length));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin, I: Unpin> AsyncWrite for Connection<S, I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
