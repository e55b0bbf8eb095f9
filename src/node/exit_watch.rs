//! How the process of a task ended, from the kernel or from the runtime.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use probelet_runtime::{CallError, Namespace, TaskStatus};

use crate::domain::exit::Ending;
use crate::process::Process;

/// How long containerd may take to report a status that the kernel did not. It may be down, or have
/// lost the status.
const ASK: Duration = Duration::from_secs(2);
const ASK_STEP: Duration = Duration::from_millis(100);
/// How long init may take to reap an orphan on a busy machine.
const REAPING: Duration = Duration::from_secs(2);

/// The exit of one task.
#[derive(Debug)]
pub struct ExitWatch {
    id: String,
    process: Arc<Process>,
    namespace: Namespace,
}

impl ExitWatch {
    pub fn new(id: String, process: Arc<Process>, namespace: Namespace) -> Self {
        Self { id, process, namespace }
    }

    /// Resolves when the process has ended, even if the runtime is down.
    pub async fn ended(&self) -> Ending {
        // If the runtime does not answer, only the pidfd can end the race.
        let reported = tokio::select! {
            biased;
            () = self.process.exited() => None,
            Ok(status) = self.namespace.tasks.wait(&self.id) => Some(Ending::Reported(status)),
        };
        // The kernel's status is preferred, since it distinguishes `exit 137` from SIGKILL.
        let kernel = match reported {
            Some(_) => within(ASK, self.process.ended()).await.unwrap_or(Ending::Lost),
            None => self.process.ended().await,
        };
        match (kernel, reported) {
            (Ending::Lost, Some(reported)) => reported,
            (Ending::Lost, None) => match self.ask().await {
                Some(ending) => ending,
                // The shim is dead, and the process that adopts orphans has not reaped init yet.
                None => within(REAPING, self.process.reaped()).await.unwrap_or(Ending::Lost),
            },
            (kernel, _) => kernel,
        }
    }

    /// Asks the runtime for the exit status again, since it may just be restarting.
    async fn ask(&self) -> Option<Ending> {
        let tasks = &self.namespace.tasks;
        let answer = within(ASK, async {
            loop {
                match tasks.wait(&self.id).await {
                    Err(CallError::NotFound(_)) => return None,
                    Err(_) => tokio::time::sleep(ASK_STEP).await,
                    Ok(status) => return Some(Ending::Reported(status)),
                }
            }
        });
        if let Some(ending) = answer.await.flatten() {
            return Some(ending);
        }
        let state = within(ASK, tasks.state(&self.id)).await?.ok()?;
        (state.status == TaskStatus::Stopped).then_some(Ending::Reported(state.exit_status))
    }
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}
