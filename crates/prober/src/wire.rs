//! Bounded connections, and their errors with Go's texts.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

/// Addresses of a connection, which Go's errors name, and facts about the received data: the first
/// bytes, which show the protocol, and the size.
#[derive(Debug, Clone)]
pub struct Ends {
    local: Option<SocketAddr>,
    peer: SocketAddr,
    received: Arc<Received>,
}

/// What has come from the peer.
#[derive(Debug, Default)]
struct Received {
    /// First bytes, as many as came at once and are needed; the others are 0.
    beginning: OnceLock<[u8; BEGINNING]>,
    size: AtomicUsize,
}

/// Number of first bytes that suffice to recognise `HTTP/`, or the type of an HTTP/2 frame.
const BEGINNING: usize = 5;
/// Maximum size in bytes that is read from one connection: the largest head, and TLS's overhead. It
/// bounds everything that a peer could send endlessly in any protocol: informational answers,
/// headers, trailers, frames, chunks and handshakes.
const MOST_RECEIVED: usize = 512 << 10;
/// Minimum number of bytes that a read counts as, so that the number of small reads is bounded,
/// too.
const LEAST_READ: usize = 64;
/// Bytes after which a read yields to other tasks.
const QUANTUM: usize = 32 << 10;
const TOO_MUCH: &str = "server sent more than 524288 bytes; aborted";

impl Received {
    fn begin_with(&self, read: &[u8]) {
        self.beginning.get_or_init(|| {
            let mut beginning = [0; BEGINNING];
            beginning.iter_mut().zip(read).for_each(|(to, from)| *to = *from);
            beginning
        });
    }
}

impl Ends {
    pub fn watch(stream: TcpStream, peer: SocketAddr) -> (impl Stream, Self) {
        let local = stream.local_addr().ok();
        let ends = Self { local, peer, received: Arc::default() };
        (Bounded { stream, ends: ends.clone(), since_pause: 0 }, ends)
    }

    /// Counts the decrypted data of the same connection.
    pub fn inside(&self, stream: impl Stream) -> (impl Stream, Self) {
        let ends = Self { received: Arc::default(), ..*self };
        (Bounded { stream, ends: ends.clone(), since_pause: 0 }, ends)
    }

    /// Returns whether the peer has sent more than the maximum.
    pub fn is_exhausted(&self) -> bool {
        self.received.size.load(Relaxed) > MOST_RECEIVED
    }

    pub fn speaks_plain_http(&self) -> bool {
        self.received.beginning.get() == Some(b"HTTP/")
    }

    /// Returns whether the first frame is one of type SETTINGS, as HTTP/2 requires.
    pub fn speaks_http2(&self) -> bool {
        self.received.beginning.get().is_some_and(|[.., kind, _]| *kind == 4)
    }

    /// Returns Go's text for a connection that gave no answer.
    pub fn lost(&self, error: &hyper::Error) -> String {
        if self.is_exhausted() {
            return TOO_MUCH.to_owned();
        }
        if let Some(error) = cause::<io::Error>(error) {
            return self.io(error);
        }
        // Data that a server sends before the request is reported as the cause of a cancellation.
        let inner = cause::<hyper::Error>(error).unwrap_or(error);
        if inner.is_parse_too_large() {
            "net/http: server response headers exceeded the limit; aborted".to_owned()
        } else if inner.is_incomplete_message() || inner.is_canceled() || inner.is_closed() {
            "EOF".to_owned()
        } else if let Some(error) = inner.source() {
            format!("http2: {error}")
        } else {
            format!(
                "net/http: HTTP/1.x transport connection broken: malformed HTTP response ({inner})"
            )
        }
    }

    pub fn io(&self, error: &io::Error) -> String {
        let text = errno(error);
        let call = if error.kind() == io::ErrorKind::BrokenPipe { "write" } else { "read" };
        match (is_the_kernels(error), self.local) {
            (false, _) if is_end(error) => "EOF".to_owned(),
            (false, _) => text,
            (true, Some(local)) => format!("{call} tcp {local}->{}: {call}: {text}", self.peer),
            (true, None) => format!("{call} tcp {}: {call}: {text}", self.peer),
        }
    }
}

/// Stream from a peer that bounds the total size, and yields after [`QUANTUM`] bytes.
#[derive(Debug)]
struct Bounded<S> {
    stream: S,
    ends: Ends,
    since_pause: usize,
}

impl<S: Stream> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ends.is_exhausted() {
            return Poll::Ready(Err(io::Error::other(TOO_MUCH)));
        }
        if self.since_pause >= QUANTUM {
            self.since_pause = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        if !read.is_empty() {
            self.ends.received.begin_with(read);
            let counted = read.len().max(LEAST_READ);
            self.since_pause += counted;
            self.ends.received.size.fetch_add(counted, Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Returns whether an error is one of the kernel. The HTTP/2 library passes on only the kind of an
/// error.
fn is_the_kernels(error: &io::Error) -> bool {
    error.raw_os_error().is_some() || error.kind() == io::ErrorKind::ConnectionReset
}

/// Returns whether an error of a library reports the end of the stream. Errors of the kernel have a
/// number.
pub fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, NotConnected, UnexpectedEof};
    error.raw_os_error().is_none()
        && matches!(error.kind(), UnexpectedEof | BrokenPipe | NotConnected)
}

/// Returns Go's text of an error: libc's text in lower case, without the number.
pub fn errno(error: &io::Error) -> String {
    let text = error.to_string();
    match (error.raw_os_error(), text.split_once(" (os error")) {
        (Some(_), Some((text, _))) => text.to_lowercase(),
        _ if error.kind() == io::ErrorKind::ConnectionReset => {
            "connection reset by peer".to_owned()
        }
        _ => text,
    }
}

/// Returns the innermost cause of type `T`.
pub fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = error.source();
    let mut found = None;
    while let Some(error) = next {
        found = error.downcast_ref().or(found);
        next = error.source();
    }
    found
}
