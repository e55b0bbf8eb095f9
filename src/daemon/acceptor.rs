//! The connections of a listener: each one is opened within a short time, for which it has one of few
//! slots, and then has a slot of the open connections. Silent and idle connections give way to new
//! ones, so no number of them keeps a caller out, or takes the descriptors that signals, probes and
//! records need.

use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;

use super::calls::Calls;
use super::listener::Listener;
use super::preface::{Connection, preface};
use crate::connections::{Limits, Peer, SlotGuard, Slots};

/// The time from the accept to the first bytes of HTTP/2.
const OPENING: Duration = Duration::from_secs(5);
/// A connection without an open call is closed after this time.
const IDLE: Duration = Duration::from_secs(300);
/// The time that a connection has to close.
const LINGER: Duration = Duration::from_secs(2);
/// The interval of pings on a silent connection.
const PING: Duration = Duration::from_secs(20);
/// The number of accepts after which the accepted connections get `BURST_PAUSE` to send their first
/// bytes: otherwise a burst of callers would displace each other before these are read.
const BURST: u32 = 8;
const BURST_PAUSE: Duration = Duration::from_millis(1);
/// The pause after a failed accept, for example without free descriptors.
const PAUSE: Duration = Duration::from_secs(2);
/// Concurrent calls of one connection; the client waits with more.
const STREAMS: u32 = 200;
/// Bytes of the headers of a call, names and values.
const HEADERS: u32 = 16 << 10;

/// Connections that are being opened.
pub const OPENINGS: Limits = Limits { total: 128, each: 64 };
/// Open connections.
pub const CONNECTIONS: Limits = Limits { total: 256, each: 128 };
/// Open calls of all connections.
pub const CALLS: Limits = Limits { total: 1024, each: 512 };

/// The services of a listener, and the bounds of its connections.
#[derive(Clone)]
pub struct Acceptor {
    pub routes: Routes,
    pub openings: Slots,
    pub connections: Slots,
    pub calls: Slots,
    pub cancel: CancellationToken,
}

impl Acceptor {
    /// Serves connections until `cancel`, and waits for their ends.
    pub async fn serve<L: Listener>(self, mut listener: L) {
        let mut tasks = JoinSet::new();
        let mut burst = 0;
        loop {
            if burst == BURST {
                burst = 0;
                sleep(BURST_PAUSE).await;
            }
            let accepted = tokio::select! {
                () = self.cancel.cancelled() => break,
                Some(_) = tasks.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((raw, peer)) => {
                    burst += 1;
                    // Without a slot the connection is dropped, which closes it.
                    let Ok(opening) = self.openings.take_giving_way(peer) else { continue };
                    tasks.spawn(self.clone().connection::<L>(listener.tls(), raw, opening, peer));
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    let _ = timeout(PAUSE, self.cancel.cancelled()).await;
                }
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn connection<L: Listener>(
        self,
        tls: L::Tls,
        raw: L::Raw,
        opening: SlotGuard,
        peer: Peer,
    ) {
        let opened = tokio::select! {
            opened = timeout(OPENING, open::<L>(tls, raw, &opening)) => opened,
            () = opening.displaced() => return,
            () = self.cancel.cancelled() => return,
        };
        let (stream, info) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return tracing::debug!(%peer, %error, "a connection was not opened"),
            Err(_) => return tracing::debug!(%peer, "a connection was not opened in time"),
        };
        // A refusal is logged by the slots.
        let Ok(slot) = self.connections.take_giving_way(peer) else { return };
        drop(opening);
        self.serve_calls::<L>(stream, info, Calls::new(self.calls.clone(), peer, slot)).await;
    }

    async fn serve_calls<L: Listener>(&self, stream: L::Stream, info: L::Info, calls: Calls) {
        let [cut, ended, leave] = [(); 3].map(|()| CancellationToken::new());
        let mut open = calls.count();
        let connection = Connection::new(stream, info, cut.clone(), ended.clone());
        // A server of one connection, so that this connection alone can be closed.
        let served = Server::builder()
            .http2_keepalive_interval(Some(PING))
            .http2_keepalive_timeout(Some(L::PING_TIMEOUT))
            .max_concurrent_streams(STREAMS)
            .http2_max_header_list_size(HEADERS)
            .layer(calls.clone())
            .add_routes(self.routes.clone())
            .serve_with_incoming_shutdown(
                tokio_stream::once(io::Result::Ok(connection)).chain(tokio_stream::pending()),
                leave.clone().cancelled_owned(),
            );
        let closing = async {
            tokio::select! {
                () = idle(&mut open) => {}
                () = calls.displaced() => {}
                () = ended.cancelled() => {}
                () = self.cancel.cancelled() => {}
            }
            leave.cancel();
            // A call that arrived meanwhile is answered.
            let _ = open.wait_for(|count| *count == 0).await;
            sleep(LINGER).await;
            cut.cancel();
            std::future::pending().await
        };
        tokio::select! {
            served = served => if let Err(error) = served {
                tracing::debug!(%error, "a connection ended");
            },
            () = closing => {}
        }
    }
}

async fn open<L: Listener>(
    tls: L::Tls,
    raw: L::Raw,
    opening: &SlotGuard,
) -> io::Result<(L::Stream, L::Info)> {
    L::first_bytes(&raw).await?;
    // Silent connections give way before this one.
    opening.give_way(OPENING);
    let (mut stream, info) = L::open(tls, raw).await?;
    preface(&mut stream).await?;
    Ok((stream, info))
}

/// Ends when no call was open for `IDLE`.
async fn idle(open: &mut watch::Receiver<usize>) {
    loop {
        let count = *open.borrow_and_update();
        let changed = open.changed();
        if count == 0 {
            if timeout(IDLE, changed).await.is_err() {
                return;
            }
        } else if changed.await.is_err() {
            return;
        }
    }
}
