//! The containerd calls for tasks: create, start, find, kill, delete.

use std::path::Path;
use std::time::{Duration, SystemTime};

use containerd_client::services::v1::{
    CreateTaskRequest, DeleteTaskRequest, GetRequest, KillRequest, StartRequest,
};
use containerd_client::types::Mount;
use containerd_client::types::v1::{Process as TaskState, Status};

use super::client::{Client, DEADLINE, SLOW_DEADLINE, call, missing_is_fine};
use super::exec::Execs;
use super::ooms::Ooms;
use super::task::ContainerdTask;
use crate::domain::adopt::Stdio;
use crate::domain::exit::Ending;
use crate::process::Process;
use crate::runtime::{FoundTask, Refusal, RuntimeError};

/// Pause between tries to delete a task: containerd considers a killed or dead process as ended
/// only after the shim has reaped it.
const DELETE_STEP: Duration = Duration::from_millis(10);
const DELETE_STEPS: u32 = 300;
/// How often the state of a task is read until it is stable.
const LOOKS: u32 = 5;
/// Pause before an unknown state is read again. containerd gives its shim 2 s to answer, and LOOKS
/// times both is as long as a busy one may take.
const LOOK_STEP: Duration = Duration::from_millis(500);

/// The folder in which containerd's shim stores runc's state of containers, by namespace.
const RUNC: &str = "/run/containerd/runc";
/// The exit status of a process that SIGKILL ended.
const KILLED: u32 = 128 + 9;

/// True if the shim ended during the call.
pub(super) fn shim_died(error: &RuntimeError) -> bool {
    matches!(error, RuntimeError::Refused { refusal: Refusal::ShimDied, .. })
}

impl Client {
    /// Creates the task and opens its init, which waits for the start.
    pub(super) async fn create_task(
        &self,
        id: &str,
        rootfs: Vec<Mount>,
        logger: &str,
    ) -> Result<Process, RuntimeError> {
        // One logger reads both streams. The shim panics if only one of them has a logger.
        let stdio = Stdio { stdout: logger.to_owned(), stderr: logger.to_owned(), terminal: false };
        self.create_task_with(id, rootfs, stdio).await
    }

    pub(super) async fn create_task_with(
        &self,
        id: &str,
        rootfs: Vec<Mount>,
        Stdio { stdout, stderr, terminal }: Stdio,
    ) -> Result<Process, RuntimeError> {
        let request = self.request(CreateTaskRequest {
            container_id: id.to_owned(),
            rootfs,
            stdout,
            stderr,
            terminal,
            ..CreateTaskRequest::default()
        });
        let answer = call("Tasks.Create", SLOW_DEADLINE, self.tasks().create(request)).await;
        let pid = answer.map_err(create_failed)?.pid;
        match Process::open(pid) {
            Ok(process) => Ok(process),
            Err(error) => {
                self.clear_task(id).await;
                Err(RuntimeError::StartFailed(format!("cannot hold process {pid}: {error}")))
            }
        }
    }

    pub(super) async fn start_task(&self, id: &str) -> Result<(), RuntimeError> {
        let request =
            self.request(StartRequest { container_id: id.to_owned(), exec_id: String::new() });
        let answer = call("Tasks.Start", SLOW_DEADLINE, self.tasks().start(request)).await;
        let what = format!("failed to start containerd task {id:?}");
        answer.map(drop).map_err(|error| start_failed(&what, error))
    }

    pub(super) async fn get_task(&self, id: &str) -> Result<TaskState, RuntimeError> {
        let request =
            self.request(GetRequest { container_id: id.to_owned(), exec_id: String::new() });
        let answer = call("Tasks.Get", DEADLINE, self.tasks().get(request)).await?;
        answer.process.ok_or_else(|| RuntimeError::NotFound(format!("task {id}")))
    }

    /// Deletes an ended task and its shim. A missing task is no error.
    pub(super) async fn delete_task(&self, id: &str) -> Result<(), RuntimeError> {
        self.delete_when_ended(id, false).await
    }

    /// Deletes a task in any state, after killing it.
    pub(super) async fn kill_and_delete_task(&self, id: &str) -> Result<(), RuntimeError> {
        self.delete_when_ended(id, true).await
    }

    async fn delete_when_ended(&self, id: &str, mut kill: bool) -> Result<(), RuntimeError> {
        for _ in 0..DELETE_STEPS {
            let request = self.request(DeleteTaskRequest { container_id: id.to_owned() });
            match call("Tasks.Delete", DEADLINE, self.tasks().delete(request)).await {
                // The process has not ended yet. runc's kill of all processes thaws a paused one.
                Err(RuntimeError::Refused { refusal: Refusal::StillRunning, .. }) => {}
                other => return missing_is_fine(other),
            }
            if std::mem::take(&mut kill) {
                self.kill_all(id).await?;
            }
            tokio::time::sleep(DELETE_STEP).await;
        }
        Err(RuntimeError::Internal(format!("task {id} is still running: cannot be deleted")))
    }

    async fn kill_all(&self, id: &str) -> Result<(), RuntimeError> {
        let request = self.request(KillRequest {
            container_id: id.to_owned(),
            exec_id: String::new(),
            signal: 9,
            all: true,
        });
        missing_is_fine(call("Tasks.Kill", DEADLINE, self.tasks().kill(request)).await)
    }

    /// Cleans up after a failed start. An error is only logged, since the caller reports the
    /// start's; the next start removes what remains.
    pub(super) async fn clear_task(&self, id: &str) {
        if let Err(error) = self.kill_and_delete_task(id).await {
            tracing::warn!(container = id, %error, "a task that failed to start stays behind");
        }
    }

    /// Finds the task in its current state. The pidfd of a running one is certainly the task's,
    /// which had this pid before and after the pidfd was opened.
    pub(super) async fn find_task(
        &self,
        id: &str,
        execs: &Execs,
        ooms: &Ooms,
    ) -> Result<FoundTask, RuntimeError> {
        let mut held: Option<Process> = None;
        let mut trouble = "its state keeps changing".to_owned();
        let mut unknown = 0;
        for _ in 0..LOOKS {
            let state = match self.get_task(id).await {
                Err(RuntimeError::NotFound(_)) => return Ok(FoundTask::None),
                Err(error) if shim_died(&error) => {
                    TaskState { status: Status::Unknown.into(), ..TaskState::default() }
                }
                state => state?,
            };
            match state.status() {
                Status::Stopped if self.never_ran(id, state.exit_status).await => {
                    return Ok(FoundTask::None);
                }
                Status::Stopped => {
                    let ending = Ending::Reported(state.exit_status);
                    let at = state.exited_at.and_then(|at| SystemTime::try_from(at).ok());
                    return Ok(FoundTask::Ended(ending, at.unwrap_or(SystemTime::UNIX_EPOCH)));
                }
                Status::Running | Status::Pausing | Status::Paused => {}
                // The start was cut short, and the process has not run.
                Status::Created => return Ok(FoundTask::None),
                // The shim did not answer containerd, which says nothing about the process.
                Status::Unknown => {
                    unknown += 1;
                    if unknown == LOOKS {
                        return Ok(FoundTask::Unknown);
                    }
                    tokio::time::sleep(LOOK_STEP).await;
                    continue;
                }
            }
            if let Some(process) = held.take().filter(|process| process.pid() == state.pid) {
                let (client, execs) = (self.clone(), execs.clone());
                let (id, hints) = (id.to_owned(), ooms.hints());
                let task = ContainerdTask::adopted(id, process, client, execs, hints).await?;
                return Ok(FoundTask::Running(Box::new(task)));
            }
            match Process::open(state.pid) {
                Ok(process) => held = Some(process),
                // The process may just have ended, which the next read shows.
                Err(error) => trouble = format!("cannot hold process {}: {error}", state.pid),
            }
        }
        // The state is unclear, so the caller must read it again before it acts.
        Err(RuntimeError::Unavailable(format!("task {id}: {trouble}")))
    }

    /// True if an ended task was killed before it was started, as containerd does with a creation
    /// whose caller died: init waits until runc's start has opened this FIFO, and removes it.
    async fn never_ran(&self, id: &str, exit_status: u32) -> bool {
        let fifo = Path::new(RUNC).join(self.namespace()).join(id).join("exec.fifo");
        exit_status == KILLED && tokio::fs::symlink_metadata(fifo).await.is_ok()
    }
}

/// Converts an error as [`start_failed`] does, but leftovers of an earlier creation stay a refusal.
fn create_failed(error: RuntimeError) -> RuntimeError {
    let what = "failed to create containerd task";
    match error {
        RuntimeError::Refused {
            refusal: refusal @ (Refusal::BundleInTheWay(_) | Refusal::StateInTheWay),
            text,
        } => RuntimeError::Refused { refusal, text: format!("{what}: {text}") },
        other => start_failed(what, other),
    }
}

/// Converts an answer of containerd or runc to the text that containerd's CRI plugin uses. Other
/// errors are not about the task and stay as they are.
fn start_failed(what: &str, error: RuntimeError) -> RuntimeError {
    match error {
        RuntimeError::NotFound(text) => RuntimeError::StartFailed(format!("{what}: {text}")),
        other => match other.into_answer() {
            Ok(text) => RuntimeError::StartFailed(format!("{what}: {text}")),
            Err(other) => other,
        },
    }
}
