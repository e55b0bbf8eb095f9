//! The gRPC API: convert, call, convert. Nothing is decided here.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;

use crate::supervisor::{Adopter, Supervisor};

mod adopt;
mod apply;
mod caller;
mod conditions;
mod containers;
mod convert;
mod error;
mod events;
mod evidence;
mod exec;
mod gate;
mod health;
mod images;
mod lifecycle;
mod logs;
mod meta;
mod pods;
mod probes;
mod probing;
mod usage;
mod waiting;

pub use gate::Gate;
pub use meta::Meta;

/// How much longer than its grace a stop may take before the caller is told so.
const MARGIN: Duration = Duration::from_secs(15);
/// How long a start may take before the caller is told so.
const START: Duration = Duration::from_secs(60);

/// How far a slow reader may fall behind before its stream waits for it.
const BACKLOG: usize = 64;

type Streaming<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// All services over one supervisor.
#[derive(Clone)]
pub struct Api {
    supervisor: Arc<Supervisor>,
    adopter: Arc<Adopter>,
    /// Ends open streams when the daemon stops.
    cancel: CancellationToken,
    /// Owns the streams.
    tasks: TaskTracker,
}

impl Api {
    pub fn new(
        supervisor: Arc<Supervisor>,
        adopter: Arc<Adopter>,
        cancel: CancellationToken,
    ) -> Self {
        Self { supervisor, adopter, cancel, tasks: TaskTracker::new() }
    }

    /// Where nobody else has made any container.
    #[cfg(test)]
    fn alone(supervisor: Arc<Supervisor>, cancel: CancellationToken) -> Self {
        let foreign_containers = Arc::new(crate::runtime::fake::Alone);
        let adopter = Adopter::new(supervisor.clone(), foreign_containers, crate::manifest::care);
        Self::new(supervisor, Arc::new(adopter), cancel)
    }

    /// A stream that `fill` feeds until it returns, the caller goes, or the daemon stops.
    fn stream<T, F>(
        &self,
        fill: impl FnOnce(Self, mpsc::Sender<Result<T, Status>>) -> F,
    ) -> Streaming<T>
    where
        T: Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let (cancel, closed) = (self.cancel.clone(), sender.clone());
        let filled = fill(self.clone(), sender);
        self.tasks.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = closed.closed() => {}
                () = filled => {}
            }
        });
        Box::pin(ReceiverStream::new(receiver))
    }

    /// Waits for the streams' ends after `cancel`.
    pub async fn closed(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
