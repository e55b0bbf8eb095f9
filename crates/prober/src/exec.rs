//! The exec handler: runs a command in the container through the runtime.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{AcquireError, Semaphore};
use tokio::time::{Instant, timeout};

use super::Attempt;
use crate::{ExecError, Target, Turn};
use probelet_domain::probe::Outcome;
use probelet_domain::spec::{Exec, ExecVia};
use probelet_domain::text::go_duration;

/// Maximum wait of a command for its permits.
const QUEUE: Duration = Duration::from_secs(30);

/// Permits of the host for commands that run at once. A process is much more expensive than a
/// connection, so without a limit the probes of a host would slow each other down until they time
/// out.
#[derive(Debug, Clone)]
pub struct Queue {
    host: Arc<Semaphore>,
}

impl Default for Queue {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new((2 * cores).max(4))
    }
}

impl Queue {
    fn new(permits: usize) -> Self {
        Self { host: Arc::new(Semaphore::new(permits)) }
    }

    /// Makes an attempt. Timeout and latency begin after the wait for permits, which the container
    /// has not caused.
    pub async fn attempt(
        &self,
        task: Arc<dyn Target>,
        exec: &Exec,
        limit: Duration,
        via: ExecVia,
    ) -> Attempt {
        let turn = match timeout(QUEUE, self.turn(task.as_ref())).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(error)) => return not_run(&error.to_string()),
            Err(_) => return not_run("no turn within 30s: too many exec probes at once"),
        };
        let start = Instant::now();
        let executed = task.exec(&exec.command, limit, turn, via).await;
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

    /// Takes the permits, that of the container first, so that a command behind a slow one of its
    /// own container takes no permit of the host.
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
