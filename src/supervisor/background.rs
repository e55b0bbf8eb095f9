//! The tasks of the supervisor, which end with it.

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Debug, Clone)]
pub struct Background {
    tasks: TaskTracker,
    cancel: CancellationToken,
    runtime: Handle,
}

impl Background {
    /// Tasks that run on this runtime.
    pub fn new(runtime: Handle) -> Self {
        Self { tasks: TaskTracker::new(), cancel: CancellationToken::new(), runtime }
    }

    /// Returns the same tasks, to which others are added that run on another runtime.
    pub fn on(&self, runtime: Handle) -> Self {
        Self { runtime, ..self.clone() }
    }

    /// Runs a task that outlives its caller. The task itself has to end at cancellation.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn_on(work, &self.runtime)
    }

    /// Completes when the supervisor stops.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// Returns a token that is cancelled when the supervisor stops, or alone.
    pub fn child_token(&self) -> CancellationToken {
        self.cancel.child_token()
    }

    /// Cancels all tasks and waits until they have ended.
    pub async fn stop(&self) {
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
