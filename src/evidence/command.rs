//! The user's own command for evidence.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::domain::spec::Exec;
use crate::runtime::{ExecError, Task, Turn};

/// What it said, and how it ended where that was not well.
pub(super) async fn run(task: &Arc<dyn Task>, exec: &Exec, bound: Duration) -> String {
    let start = Instant::now();
    let Ok(Ok(turn)) = timeout(bound, task.exec_turn().acquire_owned()).await else {
        return "not run: another command ran in the container all the time".to_owned();
    };
    let left = bound.saturating_sub(start.elapsed());
    match task.exec(&exec.command, left, Turn { container: turn, host: None }).await {
        Ok(executed) => {
            let output = String::from_utf8_lossy(&executed.output);
            match executed.exit_code {
                0 => output.into_owned(),
                code => format!("{output}\n(exit status {code})"),
            }
        }
        Err(ExecError::TimedOut) => format!("not over within {} s", bound.as_secs_f64()),
        Err(ExecError::Failed(why)) => format!("not run: {why}"),
    }
}
