//! The user's command for evidence (`evidenceExec`).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::domain::spec::{Exec, ExecVia};
use crate::node::{ExecError, Task, Turn};

/// Runs the command and returns its output, with the exit status if it is not 0, or the reason
/// why there is no output. `bound` includes the wait for the container's turn.
pub async fn run(task: &Arc<dyn Task>, exec: &Exec, bound: Duration) -> String {
    let start = Instant::now();
    let Ok(Ok(turn)) = timeout(bound, task.exec_turn().acquire_owned()).await else {
        return "not run: other commands kept the container busy".to_owned();
    };
    let left = bound.saturating_sub(start.elapsed());
    match task
        .exec(&exec.command, left, Turn { container: turn, host: None }, ExecVia::Containerd)
        .await
    {
        Ok(executed) => {
            let output = String::from_utf8_lossy(&executed.output);
            match executed.exit_code {
                0 => output.into_owned(),
                code => format!("{output}\n(exit status {code})"),
            }
        }
        Err(ExecError::TimedOut) => format!("did not end within {} s", bound.as_secs_f64()),
        Err(ExecError::Failed(why)) => format!("not run: {why}"),
    }
}
