//! The metrics and the status page over HTTP, one request for each connection. A silent connection
//! gives way to a new one, so no number of them keeps Prometheus out.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::snapshot::Sources;
use crate::connections::{Limits, SlotGuard, Slots};
use crate::status_page::StatusPage;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The bounds of connections: there are few Prometheus servers.
pub const CONNECTIONS: Limits = Limits { total: 32, each: 16 };
/// The time for a request and for its answer.
const EXCHANGE: Duration = Duration::from_secs(30);
/// The pause after a failed accept, for example without free descriptors.
const PAUSE: Duration = Duration::from_secs(2);

/// Binds the address. The daemon does this first, so that a wrong address prevents the start.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves until it is dropped, which ends its connections.
pub async fn serve(
    listener: std::net::TcpListener,
    slots: Slots,
    sources: Sources,
    page: StatusPage,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let (mut connections, page) = (JoinSet::new(), Arc::new(page));
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    // Without a slot the connection is dropped, which closes it.
                    if let Ok(slot) = slots.take_giving_way(address.ip().into()) {
                        let served = (sources.clone(), page.clone());
                        connections.spawn(serve_request(stream, slot, served));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "metrics: no connection can be accepted");
                    sleep(PAUSE).await;
                }
            },
        }
    }
}

/// What is served: the metrics and the page.
type Served = (Sources, Arc<StatusPage>);

async fn serve_request(stream: TcpStream, slot: SlotGuard, served: Served) {
    let exchange = async {
        stream.peek(&mut [0; 1]).await?;
        // Silent connections give way before this one.
        slot.give_way(EXCHANGE);
        let service = service_fn(move |request| answer(request, served.clone()));
        let connection =
            http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
        connection.await.map_err(io::Error::other)
    };
    let ended = tokio::select! {
        ended = timeout(EXCHANGE, exchange) => ended.unwrap_or_else(|late| Err(late.into())),
        () = slot.displaced() => return,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "metrics: a connection ended");
    }
}

async fn answer(
    request: Request<Incoming>,
    (sources, page): Served,
) -> Result<Response<Full<Bytes>>, http::Error> {
    let plain = |status| {
        Response::builder().status(status).header(CONTENT_TYPE, "text/plain; charset=utf-8")
    };
    let text = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes()));
    if !["/", "/metrics"].contains(&request.uri().path()) {
        return plain(StatusCode::NOT_FOUND).body(text("the page is at /, metrics at /metrics\n"));
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let refused = plain(StatusCode::METHOD_NOT_ALLOWED).header(ALLOW, "GET, HEAD");
        return refused.body(text("GET and HEAD only\n"));
    }
    if request.uri().path() == "/" {
        return page.answer(&request).await;
    }
    match sources.render() {
        Ok(metrics) => Response::builder()
            .header(CONTENT_TYPE, OPEN_METRICS)
            .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
            .body(Full::new(Bytes::from(metrics))),
        Err(_) => {
            let failed = plain(StatusCode::INTERNAL_SERVER_ERROR);
            failed.body(text("the metrics cannot be collected now\n"))
        }
    }
}
