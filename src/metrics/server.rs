//! The page by HTTP.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Sources;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Prometheus comes alone; who comes ninth waits.
const CONNECTIONS: usize = 8;
/// For the head of a request, and between two of them; a scraper that comes less often connects
/// again.
const IDLE: Duration = Duration::from_secs(30);
/// After an accept that failed for want of descriptors.
const RETRY: Duration = Duration::from_secs(1);

/// To be done before anything else is, so that a bad address stops a start that has not begun.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Never ends by itself; its connections end with it.
pub async fn serve(listener: std::net::TcpListener, sources: Sources) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(talk(stream, sources.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "metrics: no connection accepted");
                    tokio::time::sleep(RETRY).await;
                }
            },
        }
    }
}

async fn talk(stream: TcpStream, sources: Sources) {
    let service = service_fn(move |request| answer(request, sources.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "metrics: a connection ended");
    }
}

async fn answer(
    request: Request<Incoming>,
    sources: Sources,
) -> Result<Response<Full<Bytes>>, http::Error> {
    let plain = |status, text: &'static str| {
        let body = Full::new(Bytes::from_static(text.as_bytes()));
        Response::builder().status(status).body(body)
    };
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
    }
    match sources.render() {
        Ok(page) => {
            let response = Response::builder().header(CONTENT_TYPE, OPEN_METRICS);
            response.body(Full::new(Bytes::from(page)))
        }
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "not now\n"),
    }
}
