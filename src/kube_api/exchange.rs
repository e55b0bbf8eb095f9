//! The streams between a client and what it runs, whatever carries them: the channels of a WebSocket
//! (`channels`) or SPDY (`spdy`).
//!
//! A carrier is two futures. One reads the client's messages into [`Feeds`], the other writes
//! [`Outgoing`] parts. The work, a command or a port-forward, sees [`FromClient`] and [`ToClient`]
//! only. [`exchange`] runs the three together.
//!
//! Neither carrier has flow control for a single stream, so a client cannot be asked to send less on
//! one. What waits for slow streams is bounded for all of them together; while it is used up, nothing
//! is read from the client. Where streams are independent, one that takes nothing for [`PATIENCE`]
//! is then aborted.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use probelet_kube_wire::status::Status;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::identity::Identity;

/// Parts that wait for a slow client, for all streams together.
pub const BACKLOG: usize = 16;
/// Bytes that a part counts at least, so that the number of parts is bounded too.
const LEAST: usize = 256;
/// The time for which a stream may stop the others.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time for the last parts when the exchange is ended from outside.
const CLOSING: Duration = Duration::from_secs(2);

/// Why the exchange ends before the work.
#[derive(Debug, PartialEq, Eq)]
pub enum Gone {
    /// The client has left.
    Left,
    /// The client breaks the protocol, has lost its rights, or the daemon stops.
    Failed(Status),
}

/// Resolves with the reason to end the work.
pub type UntilGone<'a> = Pin<Box<dyn Future<Output = Gone> + Send + 'a>>;

/// A part for the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Bytes of a stream. Empty ones say that the stream is served.
    Data(u32, Vec<u8>),
    /// The stream has no more bytes.
    End(u32),
    /// The stream has failed.
    Reset(u32),
}

/// The server's half of a stream.
#[derive(Debug, Clone)]
pub struct ToClient {
    stream: u32,
    parts: mpsc::Sender<Outgoing>,
}

impl ToClient {
    pub fn new(stream: u32, parts: mpsc::Sender<Outgoing>) -> Self {
        Self { stream, parts }
    }

    /// Waits while too many parts wait. A client that has left needs none: its carrier drops them.
    pub async fn data(&self, data: Vec<u8>) {
        self.part(Outgoing::Data(self.stream, data)).await;
    }

    pub async fn end(&self) {
        self.part(Outgoing::End(self.stream)).await;
    }

    pub async fn reset(&self) {
        self.part(Outgoing::Reset(self.stream)).await;
    }

    async fn part(&self, part: Outgoing) {
        let _ = self.parts.send(part).await;
    }
}

/// What a client sends on a stream.
#[derive(Debug)]
pub enum Incoming {
    /// The share is dropped when the bytes have been passed on.
    Data(Vec<u8>, Share),
    /// The client sends no more.
    End,
}

/// A share of the bytes that may wait.
#[derive(Debug)]
pub struct Share {
    waiting: Arc<AtomicUsize>,
    bytes: usize,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The client's half of a stream.
#[derive(Debug)]
pub struct FromClient {
    parts: mpsc::Receiver<Incoming>,
    aborted: CancellationToken,
}

impl FromClient {
    /// The next part; `None` if the client has left, or has reset the stream, without its end.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.parts.recv().await
    }

    /// Cancelled if the stream has stopped the others for too long.
    pub fn aborted(&self) -> CancellationToken {
        self.aborted.clone()
    }
}

struct Feed {
    parts: mpsc::Sender<Incoming>,
    waiting: Arc<AtomicUsize>,
    aborted: CancellationToken,
}

/// The carrier's ends of the clients' halves of streams.
pub struct Feeds {
    budget: Arc<Semaphore>,
    /// Bytes.
    limit: usize,
    are_independent: bool,
    feeds: BTreeMap<u32, Feed>,
}

impl Feeds {
    /// At most `limit` bytes wait. A stream that is stuck is aborted if the streams are independent.
    pub fn new(limit: usize, are_independent: bool) -> Self {
        let budget = Arc::new(Semaphore::new(limit));
        Self { budget, limit, are_independent, feeds: BTreeMap::new() }
    }

    pub fn open(&mut self, stream: u32) -> FromClient {
        // The budget is used up before this many parts wait.
        let (sender, parts) = mpsc::channel((self.limit / LEAST).max(1) + 1);
        let aborted = CancellationToken::new();
        let feed = Feed { parts: sender, waiting: Arc::default(), aborted: aborted.clone() };
        self.feeds.insert(stream, feed);
        FromClient { parts, aborted }
    }

    /// Passes data on when there is room for it. Data of a stream that is not read any more is dropped.
    pub async fn data(&mut self, stream: u32, data: Vec<u8>) {
        let bytes = data.len().max(LEAST).min(self.limit);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        loop {
            let Some(feed) = self.feeds.get(&stream) else { return };
            let permit = tokio::select! {
                permit = self.budget.clone().acquire_many_owned(permits) => permit,
                () = feed.parts.closed() => return self.drop(stream),
                () = self.stuck() => {
                    self.abort_largest();
                    continue;
                }
            };
            // The semaphore is never closed.
            let Ok(permit) = permit else { return };
            feed.waiting.fetch_add(bytes, Ordering::Relaxed);
            let share = Share { waiting: feed.waiting.clone(), bytes, _permit: permit };
            let _ = feed.parts.send(Incoming::Data(data, share)).await;
            return;
        }
    }

    /// The client sends no more on the stream, which stays open: [`Self::drop`] still ends it.
    pub async fn end(&mut self, stream: u32) {
        if let Some(feed) = self.feeds.get(&stream) {
            let _ = feed.parts.send(Incoming::End).await;
        }
    }

    /// The stream has failed.
    pub fn drop(&mut self, stream: u32) {
        self.feeds.remove(&stream);
    }

    /// True if the stream is not read any more.
    pub fn is_unread(&self, stream: u32) -> bool {
        self.feeds.get(&stream).is_none_or(|feed| feed.parts.is_closed())
    }

    async fn stuck(&self) {
        let read = self.feeds.values().filter(|feed| !feed.parts.is_closed()).count();
        if !self.are_independent || read < 2 {
            return std::future::pending().await;
        }
        sleep(PATIENCE).await;
    }

    fn abort_largest(&mut self) {
        let waiting = |feed: &Feed| feed.waiting.load(Ordering::Relaxed);
        let largest = self.feeds.iter().max_by_key(|(_, feed)| waiting(feed));
        let Some(stream) = largest.map(|(stream, _)| *stream) else { return };
        if let Some(feed) = self.feeds.remove(&stream) {
            feed.aborted.cancel();
        }
    }
}

/// What ends a stream from outside: the end of the client's credential, or of the daemon.
#[derive(Clone)]
pub struct Until {
    pub identity: Identity,
    pub cancel: CancellationToken,
}

impl Until {
    pub async fn reached(&self) -> Status {
        tokio::select! {
            () = self.identity.ended() => Status::unauthorized(),
            () = self.cancel.cancelled() => Status::unavailable("the daemon stops", 1),
        }
    }
}

/// Runs `work` while the carrier reads and writes. `writing` ends when all [`ToClient`] are dropped
/// and cancels `left` if the client has left. Returns whether the client is still there and has got
/// all parts.
pub async fn exchange<'a, W: Future<Output = ()>>(
    reading: impl Future<Output = Gone> + Send + 'a,
    writing: impl Future<Output = ()>,
    left: &'a CancellationToken,
    until: &'a Until,
    work: impl FnOnce(UntilGone<'a>) -> W,
) -> bool {
    let gone = async {
        tokio::select! {
            gone = reading => gone,
            () = left.cancelled() => Gone::Left,
            status = until.reached() => Gone::Failed(status),
        }
    };
    let work = work(Box::pin(gone));
    let too_late = async {
        until.reached().await;
        sleep(CLOSING).await;
    };
    tokio::select! {
        _ = async { tokio::join!(writing, work) } => !left.is_cancelled(),
        () = too_late => false,
    }
}

#[cfg(test)]
mod tests;
