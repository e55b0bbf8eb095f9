//! What the commands of an earlier daemon left running in a container.

use std::collections::HashSet;

use tokio::sync::OwnedSemaphorePermit;

use super::process::MARK;
use super::{Execs, PREFIX};
use crate::process::family::{self, Family, Mark};
use crate::process::stat::Stat;
use crate::runtime::RuntimeError;

impl Execs {
    /// Kills and deletes commands that still run, with their families, in the background. The
    /// container's turn is held meanwhile. What a command has left that has ended by itself stays,
    /// as it does while a daemon runs. Only what containerd says is in this container is touched,
    /// whatever else is marked on this machine.
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
        let (mut leaders, mut variables) = (Vec::new(), HashSet::new());
        for (pid, exec_id) in processes {
            let Some(exec_id) = exec_id.filter(|id| id.starts_with(PREFIX)) else { continue };
            tracing::info!(container, exec_id, pid, "an earlier daemon's command is killed");
            self.skip(&exec_id);
            self.bury(container, exec_id);
            leaders.extend(Stat::read(pid).ok().map(|stat| stat.identity));
            match family::variable(pid, MARK) {
                Ok(Some(own)) => drop(variables.insert(own)),
                // It has cleared its environment, so its own mark is not known.
                Ok(None) => drop(variables.insert(MARK.to_owned())),
                // It has just ended.
                Err(_) => {}
            }
        }
        let (this, container) = (self.clone(), container.to_owned());
        self.0.tasks.spawn(async move {
            let mark = Mark { variables, among: Some(pids) };
            this.end(&container, Family::new(mark, leaders, init)).await;
            drop(turn);
        });
        Ok(())
    }
}
