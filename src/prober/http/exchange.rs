//! One request and its answer over one connection, and what can go wrong in Go's words.

use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::LOCATION;
use http::response::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::domain::probe::Outcome;

use super::super::tcp::errno;
use super::Stage;
use super::place::{Place, Redirect};

/// As much of a body as is read; the rest is ignored, so an endless one does no harm.
const BODY_LIMIT: usize = 10 * 1024;
/// Go counts bytes instead; hyper's own limit of 100 is one that real servers have exceeded.
const MAX_HEADERS: usize = 512;

#[derive(Debug)]
pub(super) enum Reply {
    Answer(Answer),
    Redirect(Redirect),
}

/// An answer that a probe is judged by.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// The connection is driven here and dropped with this future: nothing outlives the attempt.
pub(super) async fn exchange(
    (stream, peer): (TcpStream, SocketAddr),
    request: Request<Empty<Bytes>>,
    here: &Place,
    stage: &mut Stage,
) -> Result<Reply, Outcome> {
    let ends = Ends { local: stream.local_addr().ok(), peer };
    let handshake = http1::Builder::new()
        .title_case_headers(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .max_headers(MAX_HEADERS)
        .handshake(TokioIo::new(stream))
        .await;
    let (mut sender, connection) =
        handshake.map_err(|error| stage.failure(ends.before_headers(&error)))?;
    // Its errors reach the sender or the body, so its own end is no news.
    let drive = async move {
        let _ = connection.await;
        pending::<Infallible>().await
    };
    let talk = async move {
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| stage.failure(ends.before_headers(&error)))?;
        receive(response, here, stage, &ends).await
    };
    tokio::select! {
        // The request has to be queued when the connection first looks.
        biased;
        reply = talk => reply,
        never = drive => match never {},
    }
}

async fn receive(
    response: Response<Incoming>,
    here: &Place,
    stage: &mut Stage,
    ends: &Ends,
) -> Result<Reply, Outcome> {
    let (head, mut body) = response.into_parts();
    if let Some(location) = location(&head) {
        match here.next(&location) {
            Ok(Some(redirect)) => return Ok(Reply::Redirect(redirect)),
            Ok(None) => {}
            Err(error) => {
                let text = format!("failed to parse Location header {location:?}: {error}");
                return Err(stage.failure(text));
            }
        }
    }
    stage.in_body = true;
    let mut bytes = Vec::new();
    while bytes.len() < BODY_LIMIT
        && let Some(frame) = body.frame().await
    {
        // Any status: the kubelet, too, takes a body cut short for no verdict.
        let frame = frame.map_err(|error| Outcome::Error(ends.in_body(&error)))?;
        bytes.extend(frame.into_data().unwrap_or_default());
    }
    bytes.truncate(BODY_LIMIT);
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Reply::Answer(Answer { status: head.status.as_u16(), body }))
}

fn location(head: &Parts) -> Option<String> {
    if !matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = String::from_utf8_lossy(head.headers.get(LOCATION)?.as_bytes()).into_owned();
    (!location.is_empty()).then_some(location)
}

/// A connection's two ends, which Go names when one breaks.
struct Ends {
    local: Option<SocketAddr>,
    peer: SocketAddr,
}

impl Ends {
    fn before_headers(&self, error: &hyper::Error) -> String {
        if let Some(error) = cause::<io::Error>(error) {
            return self.io(error);
        }
        // What a server sent before the request is reported as the cause of a cancellation.
        let inner = cause::<hyper::Error>(error).unwrap_or(error);
        if inner.is_parse_too_large() {
            "net/http: server response headers exceeded the limit; aborted".to_owned()
        } else if inner.is_incomplete_message() || inner.is_canceled() || inner.is_closed() {
            "EOF".to_owned()
        } else {
            format!(
                "net/http: HTTP/1.x transport connection broken: malformed HTTP response ({inner})"
            )
        }
    }

    fn in_body(&self, error: &hyper::Error) -> String {
        match cause::<io::Error>(error) {
            Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                "unexpected EOF".to_owned()
            }
            Some(error) => self.io(error),
            None if error.is_incomplete_message() => "unexpected EOF".to_owned(),
            None => error.to_string(),
        }
    }

    fn io(&self, error: &io::Error) -> String {
        let call = if error.kind() == io::ErrorKind::BrokenPipe { "write" } else { "read" };
        let text = errno(error);
        match self.local {
            _ if error.raw_os_error().is_none() => text,
            Some(local) => format!("{call} tcp {local}->{}: {call}: {text}", self.peer),
            None => format!("{call} tcp {}: {call}: {text}", self.peer),
        }
    }
}

/// The innermost cause of a kind.
fn cause<T: Error + 'static>(error: &hyper::Error) -> Option<&T> {
    let mut next = error.source();
    let mut found = None;
    while let Some(error) = next {
        found = error.downcast_ref().or(found);
        next = error.source();
    }
    found
}
