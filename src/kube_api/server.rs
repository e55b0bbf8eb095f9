//! Connections over TCP with TLS. Each one is opened within a short time, for which it has one of few
//! slots, and then has a slot of the open connections.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::identity::Connection as Peer;
use super::router::Router;
use crate::connections::{Limits, SlotGuard, Slots};

/// The time from the accept to the end of the TLS handshake.
const OPENING: Duration = Duration::from_secs(5);
/// The time in which the head of a request must arrive.
const HEAD: Duration = Duration::from_secs(30);
/// The interval of pings on a silent connection of HTTP/2, and the time for their answers.
const PING: Duration = Duration::from_secs(20);
/// The pause after a failed accept, for example without free descriptors.
const PAUSE: Duration = Duration::from_secs(2);
/// Concurrent requests of one connection of HTTP/2.
const STREAMS: u32 = 200;
/// Bytes of the head of a request.
const HEADERS: u32 = 64 << 10;

/// Connections that are being opened.
pub const OPENINGS: Limits = Limits { total: 64, each: 64 };
/// Open connections.
pub const CONNECTIONS: Limits = Limits { total: 256, each: 256 };

/// The listener of the API, and the bounds of its connections.
pub struct Server {
    pub tls: TlsAcceptor,
    pub router: Router,
    pub openings: Slots,
    pub connections: Slots,
    pub cancel: CancellationToken,
}

impl Server {
    /// Serves until `cancel`, which ends all connections.
    pub async fn serve(self, listener: std::net::TcpListener) -> io::Result<()> {
        let listener = TcpListener::from_std(listener)?;
        tracing::info!(address = %listener.local_addr()?, "the Kubernetes API is served");
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = self.cancel.cancelled() => return Ok(()),
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    // Without a slot the connection is dropped, which closes it.
                    let Ok(opening) = self.openings.take_giving_way(address.ip().into()) else {
                        continue;
                    };
                    let connection = Connection {
                        address,
                        tls: self.tls.clone(),
                        router: self.router.clone(),
                        slots: self.connections.clone(),
                        tasks: TaskTracker::new(),
                    };
                    connections.spawn(connection.serve(stream, opening));
                }
                Err(error) => {
                    tracing::warn!(%error, "Kubernetes API: no connection can be accepted");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

/// One connection.
struct Connection {
    address: SocketAddr,
    tls: TlsAcceptor,
    router: Router,
    slots: Slots,
    /// The tasks of the connection's requests.
    tasks: TaskTracker,
}

impl Connection {
    async fn serve(self, stream: TcpStream, opening: SlotGuard) {
        // Without it small messages are delayed, which is no error.
        let _ = stream.set_nodelay(true);
        let address = self.address;
        let opened = tokio::select! {
            opened = timeout(OPENING, self.tls.accept(stream)) => opened,
            () = opening.displaced() => return,
        };
        let stream = match opened {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return tracing::debug!(%address, %error, "Kubernetes API: no TLS handshake");
            }
            Err(_) => return tracing::debug!(%address, "Kubernetes API: no TLS handshake in time"),
        };
        // A connection without a certificate gives way to others.
        let has_certificate = stream.get_ref().1.peer_certificates().is_some();
        let peer = address.ip().into();
        let slot = match has_certificate {
            true => self.slots.take(peer),
            false => self.slots.take_giving_way(peer),
        };
        // A refusal is logged by the slots.
        let Ok(slot) = slot else { return };
        drop(opening);
        tokio::select! {
            () = self.requests(stream) => {}
            () = slot.displaced() => {}
        }
    }

    async fn requests(&self, stream: TlsStream<TcpStream>) {
        let mut builder = auto::Builder::new(Tracked(self.tasks.clone()));
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(true);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEADERS);
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let certificate = certificates.first().map(|certificate| certificate.clone().into_owned());
        let peer = Peer { address: self.address, certificate };
        let router = self.router.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let (router, peer) = (router.clone(), peer.clone());
            async move { Ok::<_, Infallible>(router.answer(&peer, request).await) }
        });
        let served = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        if let Err(error) = served {
            tracing::debug!(address = %self.address, %error, "Kubernetes API: a connection ended");
        }
    }
}

/// Runs the tasks of one connection's requests.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}
