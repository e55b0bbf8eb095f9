//! What a connection knows about itself, and what can go wrong with it in Go's words.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::io::InspectReader;

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

/// A connection's two ends, which Go names when one breaks, and how the peer began to talk, by
/// which one knows a peer of another protocol.
#[derive(Debug, Clone)]
pub(super) struct Ends {
    local: Option<SocketAddr>,
    peer: SocketAddr,
    began: Arc<OnceLock<Vec<u8>>>,
}

/// As much as tells `HTTP/`, or the type of an HTTP/2 frame.
const BEGINNING: usize = 5;

impl Ends {
    pub(super) fn watch(stream: TcpStream, peer: SocketAddr) -> (impl Stream, Self) {
        let local = stream.local_addr().ok();
        Self { local, peer, began: Arc::default() }.listen(stream)
    }

    /// The same connection within its encryption.
    pub(super) fn inside(&self, stream: impl Stream) -> (impl Stream, Self) {
        Self { began: Arc::default(), ..self.clone() }.listen(stream)
    }

    fn listen(self, stream: impl Stream) -> (impl Stream, Self) {
        let began = self.began.clone();
        let listened = InspectReader::new(stream, move |read: &[u8]| {
            if !read.is_empty() {
                began.get_or_init(|| read.iter().copied().take(BEGINNING).collect());
            }
        });
        (listened, self)
    }

    pub(super) fn speaks_plain_http(&self) -> bool {
        self.began.get().is_some_and(|began| began == b"HTTP/")
    }

    /// Its first frame has to be of type SETTINGS.
    pub(super) fn speaks_http2(&self) -> bool {
        self.began.get().is_some_and(|began| began.get(3) == Some(&4))
    }

    /// Why there is no answer.
    pub(super) fn lost(&self, error: &hyper::Error) -> String {
        if let Some(error) = cause::<io::Error>(error) {
            return self.io(error);
        }
        // What a server sent before the request is reported as the cause of a cancellation.
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

    pub(super) fn io(&self, error: &io::Error) -> String {
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

/// The HTTP/2 library passes on the kind of an error only.
fn is_the_kernels(error: &io::Error) -> bool {
    error.raw_os_error().is_some() || error.kind() == io::ErrorKind::ConnectionReset
}

/// The stream just ended, as libraries put it; the kernel's errors carry a number.
pub(super) fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, NotConnected, UnexpectedEof};
    error.raw_os_error().is_none()
        && matches!(error.kind(), UnexpectedEof | BrokenPipe | NotConnected)
}

/// An error as Go words it: libc's text in lower case, without the number.
pub(super) fn errno(error: &io::Error) -> String {
    let text = error.to_string();
    match (error.raw_os_error(), text.split_once(" (os error")) {
        (Some(_), Some((words, _))) => words.to_lowercase(),
        _ if error.kind() == io::ErrorKind::ConnectionReset => {
            "connection reset by peer".to_owned()
        }
        _ => text,
    }
}

/// The innermost cause of a kind.
pub(super) fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = error.source();
    let mut found = None;
    while let Some(error) = next {
        found = error.downcast_ref().or(found);
        next = error.source();
    }
    found
}
