//! The exec handler: a command in the container, run by its runtime.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{AcquireError, Semaphore};
use tokio::time::{Instant, timeout};

use super::Attempt;
use crate::{ExecError, Target, Turn};
use probelet_domain::probe::Outcome;
use probelet_domain::spec::Exec;
use probelet_domain::text::go_duration;

/// How long a command may wait for its turn.
const QUEUE: Duration = Duration::from_secs(30);

/// Who runs a command now. Starting a process costs so much more than dialling a port that a
/// host's probes together would fail by timeout, each of them slowed by the others.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    host: Arc<Semaphore>,
}

impl Default for Queue {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new((2 * cores).max(4))
    }
}

impl Queue {
    fn new(turns: usize) -> Self {
        Self { host: Arc::new(Semaphore::new(turns)) }
    }

    /// The wait for a turn is nothing that the container has done: timeout and latency begin
    /// after it.
    pub(super) async fn attempt(
        &self,
        task: Arc<dyn Target>,
        exec: &Exec,
        limit: Duration,
    ) -> Attempt {
        let turn = match timeout(QUEUE, self.turn(task.as_ref())).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(error)) => return not_run(&error.to_string()),
            Err(_) => return not_run("no turn within 30s: too many exec probes at once"),
        };
        let start = Instant::now();
        let executed = task.exec(&exec.command, limit, turn).await;
        let latency = start.elapsed();
        let outcome = match executed {
            Ok(executed) => {
                let output = String::from_utf8_lossy(&executed.output).into_owned();
                Outcome::of_command(executed.exit_code, output)
            }
            Err(ExecError::TimedOut) => Outcome::Failure(format!(
                "command timed out: \"{}\" timed out after {}",
                exec.command.join(" "),
                go_duration(limit)
            )),
            Err(ExecError::Failed(text)) => Outcome::Error(text),
        };
        Attempt { outcome, latency }
    }

    /// The container's first: who waits behind a slow command of its own container takes no
    /// turn from others.
    async fn turn(&self, task: &dyn Target) -> Result<Turn, AcquireError> {
        let container = task.exec_turn().acquire_owned().await?;
        let host = self.host.clone().acquire_owned().await?;
        Ok(Turn { container, host: Some(host) })
    }
}

fn not_run(reason: &str) -> Attempt {
    let outcome = Outcome::Error(format!("command not run: {reason}"));
    Attempt { outcome, latency: Duration::ZERO }
}

#[cfg(test)]
mod tests;
