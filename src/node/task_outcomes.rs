//! The reason why a foreign container's task is gone: its owner deleted it, this daemon did, or
//! containerd deleted it after its shim had died. containerd's event is the same each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::adopt::ContainerRef;
use crate::domain::exit::Ending;
use crate::files;
use crate::process::Process;

/// Pause between checks, since the event may arrive before the outcome is recorded.
const STEP: Duration = Duration::from_millis(10);
const STEPS: u32 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskOutcome {
    Lives,
    /// The process ended by itself or by a signal, while its shim was there to report it.
    Ended,
    ShimDied,
    /// This daemon deleted the task.
    Deleted,
}

/// The outcome of each container's newest task, with its pid.
#[derive(Debug, Clone, Default)]
pub struct TaskOutcomes(Arc<Mutex<HashMap<ContainerRef, (u32, TaskOutcome)>>>);

impl TaskOutcomes {
    pub fn note(&self, place: &ContainerRef, pid: u32, outcome: TaskOutcome) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone(), (pid, outcome));
    }

    pub fn forget(&self, place: &ContainerRef) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(place);
    }

    fn of(&self, place: &ContainerRef, pid: u32) -> Option<TaskOutcome> {
        let task_outcomes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        task_outcomes.get(place).filter(|(known, _)| *known == pid).map(|(_, outcome)| *outcome)
    }

    /// True if only its owner can have deleted this task.
    pub async fn is_owners(&self, place: &ContainerRef, pid: u32) -> bool {
        for _ in 0..STEPS {
            match self.of(place, pid) {
                Some(TaskOutcome::Lives) => tokio::time::sleep(STEP).await,
                outcome => {
                    return !matches!(outcome, Some(TaskOutcome::ShimDied | TaskOutcome::Deleted));
                }
            }
        }
        true
    }
}

/// The shim of a foreign container's task.
#[derive(Debug)]
pub struct Shim {
    process: Process,
    place: ContainerRef,
    task_outcomes: TaskOutcomes,
}

impl Shim {
    /// Opens the shim of a task; `None` if it is gone already.
    pub fn of(init: &Process, place: ContainerRef, task_outcomes: TaskOutcomes) -> Option<Self> {
        let parent = init.stat().ok()?.parent;
        let process = Process::open(parent).ok()?;
        let name = files::read_kernel(format!("/proc/{parent}/comm")).ok()?;
        // The process is still the parent of init, so the pid was not reused.
        let is_shim = name.starts_with("containerd-shim") && init.stat().ok()?.parent == parent;
        is_shim.then(|| {
            task_outcomes.note(&place, init.pid(), TaskOutcome::Lives);
            Self { process, place, task_outcomes }
        })
    }

    /// Resolves after the end of init, when the outcome is recorded.
    pub async fn watch(&self, init: &Process) {
        // When an owner deletes a task, init ends first and the shim exits by itself. A shim that
        // dies is dead before containerd ends init for it.
        let is_first = tokio::select! {
            biased;
            () = init.exited() => false,
            () = self.process.exited() => true,
        };
        let died = is_first || {
            // A late call sees both as ended, in unknown order. Only newer kernels report how the
            // shim ended.
            self.process.has_ended().unwrap_or(false)
                && !matches!(self.process.ended().await, Ending::Exited(0) | Ending::Lost)
        };
        let outcome = if died { TaskOutcome::ShimDied } else { TaskOutcome::Ended };
        self.task_outcomes.note(&self.place, init.pid(), outcome);
        init.exited().await;
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn place() -> ContainerRef {
        ContainerRef { namespace: "n".into(), id: "web".into() }
    }

    fn process(script: &str) -> (std::process::Child, Process) {
        let child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let process = Process::open(child.id()).unwrap();
        (child, process)
    }

    fn shim(process: Process, task_outcomes: &TaskOutcomes) -> Shim {
        Shim { process, place: place(), task_outcomes: task_outcomes.clone() }
    }

    #[tokio::test]
    async fn a_shim_that_dies_first_explains_the_deletion() {
        let task_outcomes = TaskOutcomes::default();
        let (mut child, init) = process("exec sleep 60");
        task_outcomes.note(&place(), init.pid(), TaskOutcome::Lives);
        let (mut parent, process) = process("kill -9 $$");
        let shim = shim(process, &task_outcomes);
        let pid = init.pid();
        let asked = async {
            let owners = task_outcomes.is_owners(&place(), pid).await;
            child.kill().unwrap();
            owners
        };
        let ((), owners) = tokio::join!(shim.watch(&init), asked);
        assert!(!owners);
        parent.wait().unwrap();
        child.wait().unwrap();
        assert!(
            task_outcomes.is_owners(&place(), pid + 1).await,
            "of another task nothing is known"
        );
    }

    #[tokio::test]
    async fn a_deletion_with_a_sound_shim_is_the_owners() {
        for (script, waited) in [("exec sleep 60", false), ("exit 0", true)] {
            let task_outcomes = TaskOutcomes::default();
            let (mut child, init) = process("exit 0");
            let (mut parent, process) = process(script);
            init.exited().await;
            if waited {
                process.exited().await;
                parent.wait().unwrap();
            }
            shim(process, &task_outcomes).watch(&init).await;
            assert!(task_outcomes.is_owners(&place(), init.pid()).await, "{script}");
            assert_eq!(task_outcomes.of(&place(), init.pid()), Some(TaskOutcome::Ended));
            let _ = parent.kill();
            parent.wait().unwrap();
            child.wait().unwrap();
        }
    }

    #[tokio::test]
    async fn what_this_daemon_deletes_is_not_the_owners_and_an_unknown_fate_is_waited_for_bounded()
    {
        let task_outcomes = TaskOutcomes::default();
        task_outcomes.note(&place(), 7, TaskOutcome::Deleted);
        assert!(!task_outcomes.is_owners(&place(), 7).await);
        task_outcomes.note(&place(), 8, TaskOutcome::Lives);
        assert!(task_outcomes.is_owners(&place(), 8).await);
        task_outcomes.forget(&place());
        assert_eq!(task_outcomes.of(&place(), 8), None);
    }
}
