//! Streams of answers, which end with the daemon.

use std::pin::Pin;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;

use super::error::{Error, Result};

/// Messages of a stream that wait for a slow reader; the sender waits while there are as many.
const BACKLOG: usize = 64;

/// A stream as tonic takes it.
pub type Streaming<T> = Pin<Box<dyn Stream<Item = std::result::Result<T, Status>> + Send>>;

pub type Sender<T> = mpsc::Sender<Result<T>>;

/// The owner of the tasks that send messages of streams.
#[derive(Clone)]
pub struct Streams {
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl Streams {
    /// `cancel` ends all streams.
    pub fn new(cancel: CancellationToken) -> Self {
        Self { cancel, tasks: TaskTracker::new() }
    }

    /// A stream that `send` fills until it returns, the caller has left, or the daemon stops.
    pub fn open<T, F>(&self, send: impl FnOnce(Sender<T>) -> F) -> Streaming<T>
    where
        T: Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let (cancel, closed) = (self.cancel.clone(), sender.clone());
        let sent = send(sender);
        self.tasks.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = closed.closed() => {}
                () = sent => {}
            }
        });
        let messages = ReceiverStream::new(receiver);
        Box::pin(messages.map(|message: Result<T>| message.map_err(Error::into)))
    }

    /// Waits for the ends of all streams after `cancel`.
    pub async fn closed(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
