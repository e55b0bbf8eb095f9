//! HTTP/2 over a connection that negotiated it by ALPN.

use std::convert::Infallible;
use std::fmt::Write;
use std::future::pending;
use std::mem::take;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::Result;
use bytes::Bytes;
use http::header::LOCATION;
use http::{Request, Response};
use http_body::Frame;
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::listen::{Counters, Wire};
use crate::reply::{Body, Reply};

pub(crate) async fn serve(wire: Wire, counters: Arc<Counters>) -> Result<()> {
    let service = service_fn(move |request| answer(request, Arc::clone(&counters)));
    Ok(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(wire), service).await?)
}

async fn answer(
    request: Request<Incoming>,
    counters: Arc<Counters>,
) -> http::Result<Response<Body>> {
    let path = request.uri().path();
    let reply = match path {
        _ if counters.is_well(path) => Reply::text(200, "well\n"),
        "/accept-and-hang" => pending().await,
        "/headers" => Reply::text(200, headers(&request)),
        _ => Reply::to(path, ""),
    };
    let location = reply.location.map(|location| (LOCATION, location));
    let response = Response::builder().status(reply.status);
    let response = location.into_iter().fold(response, |to, (name, value)| to.header(name, value));
    response.body(reply.body)
}

/// The headers as HTTP/1.1 has them, so that tests can read both in the same way.
fn headers(request: &Request<Incoming>) -> String {
    let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let mut text = format!(":authority: {host}\n");
    for (name, value) in request.headers() {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    text
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Text(text) if text.is_empty() => Poll::Ready(None),
            Self::Text(text) => Poll::Ready(Some(Ok(Frame::data(take(text).into())))),
            // The task is never woken, so the body stalls.
            Self::Stalled => Poll::Pending,
            Self::Endless => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 4096]))))),
        }
    }
}
