//! Tasks as processes that are held by a pidfd: create, start, find, delete.

use std::time::{Duration, SystemTime};

use probelet_runtime::{CallError, Mount, Namespace, Refusal, Refused, TaskState, TaskStatus};

use super::error::NodeError;
use super::exec::Execs;
use super::ooms::Ooms;
use super::task::ContainerTask;
use super::task_outcomes::TaskOutcomes;
use super::task_trait::FoundTask;
use crate::domain::adopt::Stdio;
use crate::domain::exit::Ending;
use crate::process::Process;

/// Pause between tries to delete a task: containerd considers a killed or dead process as ended
/// only after the shim has reaped it.
const DELETE_STEP: Duration = Duration::from_millis(10);
const DELETE_STEPS: u32 = 300;
/// How often the state of a task is read until it is stable.
const READS: u32 = 5;
/// Pause before an unknown state is read again. containerd gives its shim 2 s to answer, and READS
/// times both is as long as a busy one may take.
const READ_STEP: Duration = Duration::from_millis(500);
/// The exit status of a process that SIGKILL ended.
const KILLED: u32 = 128 + 9;

/// The tasks of one namespace.
#[derive(Debug, Clone)]
pub struct TaskControl {
    namespace: Namespace,
    execs: Execs,
    ooms: Ooms,
    /// Receives how the tasks of foreign containers end.
    outcomes: Option<TaskOutcomes>,
}

impl TaskControl {
    pub fn new(namespace: Namespace, execs: Execs, ooms: Ooms) -> Self {
        Self { namespace, execs, ooms, outcomes: None }
    }

    /// Returns the tasks of another namespace, whose containers other clients created.
    pub fn of_foreign(&self, namespace: Namespace, outcomes: TaskOutcomes) -> Self {
        let execs = self.execs.in_namespace(namespace.clone());
        Self { namespace, execs, ooms: self.ooms.clone(), outcomes: Some(outcomes) }
    }

    /// Creates the task and opens its init, which waits for the start.
    pub async fn create(
        &self,
        id: &str,
        rootfs: Vec<Mount>,
        stdio: &Stdio,
    ) -> Result<Process, CallError> {
        let pid = self.namespace.tasks.create(id, rootfs, stdio).await?;
        match Process::open(pid) {
            Ok(process) => Ok(process),
            Err(error) => {
                self.discard(id).await;
                Err(CallError::failed(format!("cannot hold process {pid}: {error}")))
            }
        }
    }

    /// Starts a created task. The OOM counter is opened before the process can run out of memory.
    pub async fn start(&self, id: &str, process: Process) -> Result<ContainerTask, NodeError> {
        let task = self.task(id, process);
        let what = format!("failed to start containerd task {id:?}");
        let started = self.namespace.tasks.start(id).await;
        started.map_err(|error| NodeError::of_start(&what, error)).map(|()| task)
    }

    fn task(&self, id: &str, process: Process) -> ContainerTask {
        let (namespace, execs) = (self.namespace.clone(), self.execs.clone());
        let outcomes = self.outcomes.clone();
        ContainerTask::new(id.to_owned(), process, namespace, execs, self.ooms.hints(), outcomes)
    }

    pub async fn state(&self, id: &str) -> Result<TaskState, CallError> {
        self.namespace.tasks.state(id).await
    }

    /// Deletes an ended task and its shim. A missing task is no error.
    pub async fn delete(&self, id: &str) -> Result<(), CallError> {
        self.delete_when_ended(id, false).await
    }

    /// Deletes a task in any state, after killing it.
    pub async fn kill_and_delete(&self, id: &str) -> Result<(), CallError> {
        self.delete_when_ended(id, true).await
    }

    async fn delete_when_ended(&self, id: &str, mut kill: bool) -> Result<(), CallError> {
        for _ in 0..DELETE_STEPS {
            match self.namespace.tasks.delete(id).await {
                // The process has not ended yet. runc's kill of all processes thaws a paused one.
                Err(error) if error.refusal() == Some(&Refusal::StillRunning) => {}
                deleted => return CallError::unless_missing(deleted),
            }
            if std::mem::take(&mut kill) {
                CallError::unless_missing(self.namespace.tasks.kill_all(id).await)?;
            }
            tokio::time::sleep(DELETE_STEP).await;
        }
        Err(CallError::failed(format!("task {id} is still running: cannot be deleted")))
    }

    /// Cleans up after a failed start. An error is only logged, since the caller reports the
    /// start's; the next start removes what remains.
    pub async fn discard(&self, id: &str) {
        if let Err(error) = self.kill_and_delete(id).await {
            tracing::warn!(container = id, %error, "a task that failed to start stays behind");
        }
    }

    /// Finds the task in its current state. The pidfd of a running one is certainly the task's,
    /// which had this pid before and after the pidfd was opened.
    pub async fn find(&self, id: &str) -> Result<FoundTask, NodeError> {
        let mut opened: Option<Process> = None;
        let mut trouble = "its state keeps changing".to_owned();
        let mut unknown = 0;
        for _ in 0..READS {
            let state = match self.state(id).await {
                Err(CallError::NotFound(_)) => return Ok(FoundTask::None),
                Err(error) if error.shim_died() => None,
                state => Some(state?),
            };
            let state = state.filter(|state| state.status != TaskStatus::Unknown);
            // The shim did not answer containerd, which says nothing about the process.
            let Some(state) = state else {
                unknown += 1;
                if unknown == READS {
                    return Ok(FoundTask::Unknown);
                }
                tokio::time::sleep(READ_STEP).await;
                continue;
            };
            match state.status {
                // The start was cut short, and the process has not run.
                TaskStatus::Created => return Ok(FoundTask::None),
                TaskStatus::Stopped => return Ok(self.ended(id, &state).await),
                TaskStatus::Running | TaskStatus::Paused | TaskStatus::Unknown => {}
            }
            if let Some(process) = opened.take().filter(|process| process.pid() == state.pid) {
                let task = self.task(id, process);
                task.clear_leftovers().await?;
                return Ok(FoundTask::Running(Box::new(task)));
            }
            match Process::open(state.pid) {
                Ok(process) => opened = Some(process),
                // The process may just have ended, which the next read shows.
                Err(error) => trouble = format!("cannot hold process {}: {error}", state.pid),
            }
        }
        // The state is unclear, so the caller must read it again before it acts.
        Err(CallError::Unavailable(format!("task {id}: {trouble}").into()).into())
    }

    async fn ended(&self, id: &str, state: &TaskState) -> FoundTask {
        if state.exit_status == KILLED && self.namespace.tasks.never_ran(id).await {
            return FoundTask::None;
        }
        let at = state.exited_at.unwrap_or(SystemTime::UNIX_EPOCH);
        FoundTask::Ended(Ending::Reported(state.exit_status), at)
    }
}

/// Returns the failure of a creation. Leftovers of an earlier creation stay a refusal, since the
/// next try may find them gone.
pub fn create_failed(error: CallError) -> NodeError {
    let what = "failed to create containerd task";
    match error {
        CallError::Refused(Refused {
            refusal: refusal @ (Refusal::BundleInTheWay(_) | Refusal::StateInTheWay),
            cause,
        }) => CallError::Refused(Refused { refusal, cause: cause.of(what) }).into(),
        other => NodeError::of_start(what, other),
    }
}
