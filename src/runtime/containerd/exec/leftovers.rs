//! What the commands of an earlier daemon left running in a container.

use std::collections::HashSet;

use tokio::sync::OwnedSemaphorePermit;

use super::process::MARK;
use super::{Execs, PREFIX};
use crate::process::family::{Family, Mark};
use crate::process::stat::Stat;
use crate::runtime::RuntimeError;

impl Execs {
    /// Kills and deletes them in the background, with the container's turn held: a command of
    /// this daemon would look like one of theirs. Only what containerd says is in this container
    /// is touched, whoever else marks processes on this machine.
    pub(in crate::runtime::containerd) async fn clear_leftovers(
        &self,
        container: &str,
        init: u32,
        turn: OwnedSemaphorePermit,
    ) -> Result<(), RuntimeError> {
        let processes = match self.0.client.pids(container).await {
            Err(RuntimeError::NotFound(_)) => return Ok(()),
            processes => processes?,
        };
        let pids: HashSet<u32> = processes.iter().map(|(pid, _)| *pid).collect();
        let mut leaders = Vec::new();
        for (pid, exec_id) in processes {
            let Some(exec_id) = exec_id.filter(|id| id.starts_with(PREFIX)) else { continue };
            tracing::info!(container, exec_id, pid, "an earlier daemon's command is killed");
            self.skip(&exec_id);
            self.bury(container, exec_id);
            leaders.extend(Stat::read(pid).ok().map(|stat| stat.identity));
        }
        let (this, container) = (self.clone(), container.to_owned());
        self.0.tasks.spawn(async move {
            let mark = Mark { variable: MARK.to_owned(), among: Some(pids) };
            this.end(&container, Family::new(mark, leaders, init)).await;
            drop(turn);
        });
        Ok(())
    }
}
