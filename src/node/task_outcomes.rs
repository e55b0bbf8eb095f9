//! The reason why a foreign container's task is gone: its owner deleted it, this daemon did, or
//! containerd deleted it after its shim had died. containerd's event is the same each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// What is known of a container's newest task.
#[derive(Debug)]
struct Known {
    pid: u32,
    outcome: TaskOutcome,
    shim: Option<Arc<Process>>,
}

/// The newest task of each container.
#[derive(Debug, Clone, Default)]
pub struct TaskOutcomes(Arc<Mutex<HashMap<ContainerRef, Known>>>);

impl TaskOutcomes {
    pub fn note(&self, place: &ContainerRef, pid: u32, outcome: TaskOutcome) {
        let mut known = self.lock();
        match known.get_mut(place).filter(|known| known.pid == pid) {
            Some(known) => known.outcome = outcome,
            None => drop(known.insert(place.clone(), Known { pid, outcome, shim: None })),
        }
    }

    fn note_shim(&self, place: &ContainerRef, pid: u32, shim: Arc<Process>) {
        let known = Known { pid, outcome: TaskOutcome::Lives, shim: Some(shim) };
        self.lock().insert(place.clone(), known);
    }

    pub fn forget(&self, place: &ContainerRef) {
        self.lock().remove(place);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ContainerRef, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, place: &ContainerRef, pid: u32) -> Option<(TaskOutcome, Option<Arc<Process>>)> {
        let known = self.lock();
        let known = known.get(place).filter(|known| known.pid == pid)?;
        Some((known.outcome, known.shim.clone()))
    }

    /// True if only its owner can have deleted this task.
    pub async fn is_owners(&self, place: &ContainerRef, pid: u32) -> bool {
        for _ in 0..STEPS {
            let Some((outcome, shim)) = self.of(place, pid) else { return true };
            let shim = shim.map_or(ShimState::Unknown, |shim| ShimState::of(&shim));
            match (outcome, shim) {
                (TaskOutcome::Deleted | TaskOutcome::ShimDied, _) | (_, ShimState::Died) => {
                    return false;
                }
                // The shim is there to delete the task for its owner, and leaves after that.
                (_, ShimState::Runs | ShimState::Left) | (TaskOutcome::Ended, _) => return true,
                (TaskOutcome::Lives, ShimState::Unknown) => tokio::time::sleep(STEP).await,
            }
        }
        true
    }
}

/// What the kernel knows of a shim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShimState {
    Runs,
    /// It exited by itself, as after the deletion of its task.
    Left,
    Died,
    /// It has ended, and the kernel does not tell how.
    Unknown,
}

impl ShimState {
    fn of(shim: &Process) -> Self {
        match (shim.has_ended(), shim.ending()) {
            (_, Some(Ending::Exited(0))) => Self::Left,
            (_, Some(Ending::Exited(_) | Ending::Signaled(_))) => Self::Died,
            (Ok(false), _) => Self::Runs,
            _ => Self::Unknown,
        }
    }
}

/// The shim of a foreign container's task.
#[derive(Debug)]
pub struct Shim {
    process: Arc<Process>,
    place: ContainerRef,
    task_outcomes: TaskOutcomes,
}

impl Shim {
    /// Opens the shim of a task; `None` if it is gone already.
    pub fn of(init: &Process, place: ContainerRef, task_outcomes: TaskOutcomes) -> Option<Self> {
        let parent = init.stat().ok()?.parent;
        let process = Arc::new(Process::open(parent).ok()?);
        let name = files::read_kernel(format!("/proc/{parent}/comm")).ok()?;
        // The process is still the parent of init, so the pid was not reused.
        let is_shim = name.starts_with("containerd-shim") && init.stat().ok()?.parent == parent;
        is_shim.then(|| {
            task_outcomes.note_shim(&place, init.pid(), process.clone());
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
        // A late call sees both as ended, in unknown order.
        let died = is_first || ShimState::of(&self.process) == ShimState::Died;
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
        let process = Arc::new(process);
        Shim { process, place: place(), task_outcomes: task_outcomes.clone() }
    }

    /// Outcomes that know a task with this init and this shim.
    fn knowing(init: &Process, shim: Process) -> (TaskOutcomes, Shim) {
        let (task_outcomes, process) = (TaskOutcomes::default(), Arc::new(shim));
        task_outcomes.note_shim(&place(), init.pid(), process.clone());
        let shim = Shim { process, place: place(), task_outcomes: task_outcomes.clone() };
        (task_outcomes, shim)
    }

    #[tokio::test]
    async fn the_kernel_says_how_the_shim_ended_if_its_end_is_seen_late() {
        let shims =
            [("exec sleep 60", true), ("exit 0", true), ("exit 1", false), ("kill -9 $$", false)];
        for (script, is_owners) in shims {
            for watched in [false, true] {
                let (mut child, init) = process("exit 0");
                let (mut parent, process) = process(script);
                init.exited().await;
                if !script.contains("sleep") {
                    // Ended and not reaped.
                    process.exited().await;
                }
                let (task_outcomes, shim) = knowing(&init, process);
                if watched {
                    shim.watch(&init).await;
                }
                let found = task_outcomes.is_owners(&place(), init.pid()).await;
                assert_eq!(found, is_owners, "{script}, watched: {watched}");
                let _ = parent.kill();
                parent.wait().unwrap();
                child.wait().unwrap();
            }
        }
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
            let known = task_outcomes.of(&place(), init.pid());
            assert!(matches!(known, Some((TaskOutcome::Ended, _))), "{known:?}");
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
        assert!(task_outcomes.of(&place(), 8).is_none());
    }
}
