//! One request and its answer over one connection, with Go's texts for failures.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::LOCATION;
use http::response::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::executor::{Jobs, beside};
use crate::tls::{self, Protocols};
use crate::wire::{Ends, Stream, cause, is_end};
use probelet_domain::probe::Outcome;

use super::headers::into_h2;
use super::location::{Location, Redirect};
use super::{Reached, Stage};

/// Maximum size in bytes of the body that is read, as in the kubelet. The rest is ignored, so that
/// an endless body is not waited for.
const BODY_LIMIT: usize = 10 * 1024;
/// Maximum number of headers over HTTP/1. Go limits their size instead; hyper's default of 100 is
/// exceeded by real servers.
const MAX_HEADERS: usize = 512;
/// Maximum size in bytes of all headers over HTTP/2, about hyper's limit for HTTP/1.
const MAX_HEADER_LIST: u32 = 400 * 1024;
/// Flow-control window in bytes, the default of HTTP/2.
const WINDOW: u32 = 65_535;
/// Timeout of the TLS handshake, as in Go, within that of the attempt.
const HANDSHAKE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub enum Reply {
    Answer(Answer),
    Redirect(Redirect),
}

/// Answer that decides the outcome.
#[derive(Debug)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Sends a request and receives the answer. The connection is driven by this future and dropped
/// with it.
pub async fn exchange(
    (stream, peer): (TcpStream, SocketAddr),
    request: Request<Empty<Bytes>>,
    here: &Location,
    stage: &mut Stage,
) -> Result<Reply, Outcome> {
    let (stream, ends) = Ends::watch(stream, peer);
    if !here.is_https() {
        return over_http1(stream, request, here, stage, &ends).await;
    }
    stage.reached = Reached::Handshake;
    let shaking = tls::connect(stream, &here.hostname, peer, Protocols::Http);
    let stream = match timeout(HANDSHAKE, shaking).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(_)) if ends.speaks_plain_http() => {
            return Err(stage.failure("http: server gave HTTP response to HTTPS client"));
        }
        Ok(Err(error)) => return Err(stage.failure(ends.io(&error))),
        Err(_) => return Err(stage.failure("net/http: TLS handshake timeout")),
    };
    stage.reached = Reached::Nothing;
    if stream.is_h2() {
        over_http2(stream, request, here, stage, &ends).await
    } else {
        over_http1(stream, request, here, stage, &ends).await
    }
}

async fn over_http1(
    stream: impl Stream,
    request: Request<Empty<Bytes>>,
    here: &Location,
    stage: &mut Stage,
    ends: &Ends,
) -> Result<Reply, Outcome> {
    let handshake = http1::Builder::new()
        .title_case_headers(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .max_headers(MAX_HEADERS)
        .handshake(TokioIo::new(stream))
        .await;
    let (mut sender, connection) = handshake.map_err(|error| stage.failure(ends.lost(&error)))?;
    let talk = async move {
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| stage.failure(ends.lost(&error)))?;
        receive(response, here, stage, ends).await
    };
    // hyper's shutdown would come before the reset, and leave the socket in TIME_WAIT.
    let drive = async {
        // Its errors reach the sender or the body.
        drop(connection.without_shutdown().await);
        pending().await
    };
    beside(talk, drive).await
}

async fn over_http2(
    stream: impl Stream,
    request: Request<Empty<Bytes>>,
    here: &Location,
    stage: &mut Stage,
    ends: &Ends,
) -> Result<Reply, Outcome> {
    let request = into_h2(request).map_err(|text| stage.failure(text))?;
    let jobs = Jobs::default();
    let handshake = http2::Builder::new(jobs.spawner())
        .max_header_list_size(MAX_HEADER_LIST)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .handshake(TokioIo::new(stream))
        .await;
    let (mut sender, connection) = handshake.map_err(|error| stage.failure(ends.lost(&error)))?;
    let talk = async move {
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| stage.failure(ends.lost(&error)))?;
        receive(response, here, stage, ends).await
    };
    beside(talk, jobs.drive(connection)).await
}

async fn receive(
    response: Response<Incoming>,
    here: &Location,
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
    stage.reached = Reached::Body;
    let mut bytes = Vec::new();
    while bytes.len() < BODY_LIMIT
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|error| match ends.is_exhausted() {
            true => stage.failure(ends.lost(&error)),
            // As in the kubelet, an incomplete body is an error, whatever the status is.
            false => Outcome::Error(in_body(&error, ends)),
        })?;
        bytes.extend(frame.into_data().unwrap_or_default());
    }
    bytes.truncate(BODY_LIMIT);
    let body = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(Reply::Answer(Answer { status: head.status.as_u16(), body }))
}

fn location(head: &Parts) -> Option<String> {
    if !matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = String::from_utf8_lossy(head.headers.get(LOCATION)?.as_bytes()).into_owned();
    (!location.is_empty()).then_some(location)
}

fn in_body(error: &hyper::Error, ends: &Ends) -> String {
    match cause::<io::Error>(error) {
        Some(error) if is_end(error) => "unexpected EOF".to_owned(),
        Some(error) => ends.io(error),
        None if error.is_incomplete_message() => "unexpected EOF".to_owned(),
        None => error.to_string(),
    }
}
