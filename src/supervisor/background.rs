//! The tasks of the supervisor, which end with it.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Debug, Clone, Default)]
pub struct Background {
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Background {
    /// Runs a task that outlives its caller. The task itself has to end at cancellation.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(work)
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
