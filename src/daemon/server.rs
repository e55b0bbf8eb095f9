//! A listener's life: each connection is opened within a short time and holds one of few slots
//! meanwhile, then it holds a slot among the open ones. Silent and idle connections give way to
//! new ones, so no number of them keeps a caller out, or takes the descriptors that signals,
//! probes and records need.

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
use super::connection::{Connection, preface};
use super::door::Door;
use crate::connections::{Held, Limits, Peer, Slots};

/// From the accept to the first bytes of HTTP/2.
const OPENING: Duration = Duration::from_secs(5);
/// A connection without an open call is closed after this time.
const IDLE: Duration = Duration::from_secs(300);
/// How long a connection that was asked to close may take for it.
const LINGER: Duration = Duration::from_secs(2);
/// A silent connection is pinged so often.
const PING: Duration = Duration::from_secs(20);
/// After so many accepts those that were accepted get a moment to be heard: otherwise a burst of
/// callers would displace each other before their first bytes are read.
const BURST: u32 = 8;
const BREATH: Duration = Duration::from_millis(1);
/// Pause after a failed accept, such as for lack of descriptors.
const PAUSE: Duration = Duration::from_secs(2);
/// Calls at a time on one connection; the client waits with more.
const STREAMS: u32 = 200;
/// A call's headers, names and values, in bytes.
const HEADERS: u32 = 16 << 10;

/// Connections that are being opened.
pub(super) const OPENINGS: Limits = Limits { total: 128, each: 64 };
/// Open connections.
pub(super) const CONNECTIONS: Limits = Limits { total: 256, each: 128 };
/// Open calls of all connections.
pub(super) const CALLS: Limits = Limits { total: 1024, each: 512 };

/// What a listener serves, and within which bounds.
#[derive(Clone)]
pub(super) struct Edge {
    pub(super) routes: Routes,
    pub(super) openings: Slots,
    pub(super) connections: Slots,
    pub(super) calls: Slots,
    pub(super) cancel: CancellationToken,
}

impl Edge {
    /// Until `cancel`; connections end before this does.
    pub(super) async fn serve<D: Door>(self, mut door: D) {
        let mut tasks = JoinSet::new();
        let mut burst = 0;
        loop {
            if burst == BURST {
                burst = 0;
                sleep(BREATH).await;
            }
            let accepted = tokio::select! {
                () = self.cancel.cancelled() => break,
                Some(_) = tasks.join_next() => continue,
                accepted = door.accept() => accepted,
            };
            match accepted {
                Ok((raw, peer)) => {
                    burst += 1;
                    // A refused one is closed by its drop.
                    let Ok(opening) = self.openings.take_giving_way(peer) else { continue };
                    tasks.spawn(self.clone().connection::<D>(door.tls(), raw, opening, peer));
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    let _ = timeout(PAUSE, self.cancel.cancelled()).await;
                }
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn connection<D: Door>(self, tls: D::Tls, raw: D::Raw, opening: Held, peer: Peer) {
        let opened = tokio::select! {
            opened = timeout(OPENING, open::<D>(tls, raw, &opening)) => opened,
            () = opening.displaced() => return,
            () = self.cancel.cancelled() => return,
        };
        let (stream, info) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return tracing::debug!(%peer, %error, "a connection was not opened"),
            Err(_) => return tracing::debug!(%peer, "a connection was not opened in time"),
        };
        // Logged by the slots.
        let Ok(slot) = self.connections.take_giving_way(peer) else { return };
        drop(opening);
        self.talk::<D>(stream, info, Calls::new(self.calls.clone(), peer, slot)).await;
    }

    async fn talk<D: Door>(&self, stream: D::Stream, info: D::Info, calls: Calls) {
        let [cut, ended, leave] = [(); 3].map(|()| CancellationToken::new());
        let mut open = calls.count();
        let connection = Connection::new(stream, info, cut.clone(), ended.clone());
        // A server of one connection, so that this one alone can be asked to close.
        let served = Server::builder()
            .http2_keepalive_interval(Some(PING))
            .http2_keepalive_timeout(Some(D::PING_TIMEOUT))
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
            // A call that came meanwhile is answered.
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

async fn open<D: Door>(
    tls: D::Tls,
    raw: D::Raw,
    opening: &Held,
) -> io::Result<(D::Stream, D::Info)> {
    D::heard(&raw).await?;
    // After all that are silent.
    opening.give_way(OPENING);
    let (mut stream, info) = D::open(tls, raw).await?;
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
