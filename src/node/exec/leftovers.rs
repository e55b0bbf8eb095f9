//! Cleanup of commands that an earlier daemon left running in a container.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use probelet_cri_log::logger::NAME as LOGGER;
use probelet_runtime::CallError;
use tokio::sync::OwnedSemaphorePermit;

use super::process::MARK;
use super::{Execs, PREFIX};
use crate::files;
use crate::process::children;
use crate::process::family::{self, Family, Mark};
use crate::process::stat::Stat;

impl Execs {
    /// Kills and deletes commands that still run, with their families, in the background. The
    /// container's lock is held meanwhile. Children of a command that has ended by itself stay, as
    /// they do while a daemon runs. Only processes that containerd lists for this container are
    /// killed, even if other processes on this machine carry a mark.
    pub async fn clear_leftovers(
        &self,
        container: &str,
        init: u32,
        turn: OwnedSemaphorePermit,
    ) -> Result<(), CallError> {
        if runs_no_command(init).await {
            return Ok(());
        }
        let Some(family) = self.leftovers(container, init, true).await? else { return Ok(()) };
        let (this, container) = (self.clone(), container.to_owned());
        self.0.tasks.spawn(async move {
            // A start may have ended between the list of processes and the first search.
            if this.end(&container, family, true).await {
                // A command that was being started is a process now.
                match this.leftovers(&container, init, false).await {
                    Ok(Some(family)) => drop(this.end(&container, family, true).await),
                    Ok(None) => {}
                    Err(error) => tracing::warn!(container, %error, "a command may still run"),
                }
            }
            drop(turn);
        });
        Ok(())
    }

    /// Lists commands of earlier daemons. After the first search, the container may also run
    /// commands of this daemon.
    async fn leftovers(
        &self,
        container: &str,
        init: u32,
        is_first: bool,
    ) -> Result<Option<Family>, CallError> {
        let processes = match self.0.namespace.commands.processes(container).await {
            Err(CallError::NotFound(_)) => return Ok(None),
            processes => processes?,
        };
        let shim = Stat::read(init).ok().map(|init| init.parent);
        let pids: HashSet<u32> = processes.iter().map(|(pid, _)| *pid).collect();
        let (mut leaders, mut variables) = (Vec::new(), HashSet::new());
        for (pid, exec_id) in processes {
            let mark = family::variable(pid, MARK);
            let may_be_own = match &mark {
                Ok(Some(mark)) => mark.starts_with(&*self.0.mark),
                _ => !is_first,
            };
            if may_be_own {
                continue;
            }
            match exec_id {
                Some(exec_id) if exec_id.starts_with(PREFIX) => {
                    tracing::info!(
                        container,
                        exec_id,
                        pid,
                        "an earlier daemon's command is killed"
                    );
                    self.skip(&exec_id);
                    self.bury(container, exec_id);
                }
                None if matches!(mark, Ok(Some(_))) && is_lost_start(pid, shim) => {
                    tracing::info!(container, pid, "a command whose start was lost is killed");
                }
                _ => continue,
            }
            leaders.extend(Stat::read(pid).ok().map(|stat| stat.identity));
            match mark {
                Ok(Some(own)) => drop(variables.insert(own)),
                // The command has cleared its environment, so its mark is unknown.
                Ok(None) => drop(variables.insert(MARK.to_owned())),
                // The process has just ended.
                Err(_) => {}
            }
        }
        let mark = Mark { variables, among: Some(pids) };
        Ok(Some(Family::new(mark, leaders, init).started_by(shim)))
    }
}

/// True if the container's shim has no children but init and the logger. Each command is a child of
/// the shim, and so is the runc that starts one. A new daemon checks this for all containers: a list
/// of a container's processes by containerd costs a run of runc, and a search of the whole `/proc`
/// for each container grows with the square of their number. False if it is not clear.
async fn runs_no_command(init: u32) -> bool {
    let checked = tokio::task::spawn_blocking(move || {
        // An orphan's parent is not a shim, and has other children.
        let shim = Stat::read(init)?.parent;
        let mut others = children::of(shim)?;
        if !others.remove(&init) {
            return Ok(false);
        }
        let shims = mounts_of(shim)?;
        // A command of a container with mounts of its own cannot pass for the logger.
        let has_own_mounts = mounts_of(init)? != shims;
        let is_logger = |pid: &u32| {
            let name = files::read_kernel(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.trim_end().as_bytes() == LOGGER.to_bytes())
                && mounts_of(*pid).is_ok_and(|mounts| mounts == shims)
        };
        Ok::<_, io::Error>(others.is_empty() || has_own_mounts && others.iter().all(is_logger))
    });
    matches!(checked.await, Ok(Ok(true)))
}

/// Returns the identity of the process' mount namespace.
fn mounts_of(pid: u32) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/mnt"))
}

/// True if a marked process without an exec is the command itself, which the shim does not know
/// since the start was cut off. Otherwise it is a child of a command that has ended. runc makes the
/// command the leader of a session and the shim its parent. When the parent of a child dies, the
/// init of the child's process namespace adopts it: in the shim's namespace, that may be the shim
/// too.
fn is_lost_start(pid: u32, shim: Option<u32>) -> bool {
    let Some(shim) = shim else { return false };
    let namespace = |pid| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let stat = Stat::read(pid);
    stat.is_ok_and(|stat| stat.parent == shim && stat.session == pid)
        && namespace(pid).is_some_and(|own| namespace(shim).is_some_and(|shims| own != shims))
}
