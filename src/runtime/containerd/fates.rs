//! Why a stranger's task is gone: its owner deleted it, this daemon did, or containerd cleared it
//! away because its shim had died. containerd's news of it is the same each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::adopt::Place;
use crate::domain::exit::Ending;
use crate::files;
use crate::process::Process;

/// The news may be quicker than the look at the process.
const STEP: Duration = Duration::from_millis(10);
const STEPS: u32 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Lives,
    /// By itself or by a signal; its shim is, or was, there to tell.
    Ended,
    ShimDied,
    /// Deleted by this daemon.
    Deleted,
}

/// Of each container's newest task, by its pid.
#[derive(Debug, Clone, Default)]
pub(super) struct Fates(Arc<Mutex<HashMap<Place, (u32, Fate)>>>);

impl Fates {
    pub(super) fn note(&self, place: &Place, pid: u32, fate: Fate) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone(), (pid, fate));
    }

    pub(super) fn forget(&self, place: &Place) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(place);
    }

    fn of(&self, place: &Place, pid: u32) -> Option<Fate> {
        let fates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fates.get(place).filter(|(known, _)| *known == pid).map(|(_, fate)| *fate)
    }

    /// Whether nothing but its owner explains that this task was deleted.
    pub(super) async fn is_owners(&self, place: &Place, pid: u32) -> bool {
        for _ in 0..STEPS {
            match self.of(place, pid) {
                Some(Fate::Lives) => tokio::time::sleep(STEP).await,
                fate => return !matches!(fate, Some(Fate::ShimDied | Fate::Deleted)),
            }
        }
        true
    }
}

/// The shim of a stranger's task.
#[derive(Debug)]
pub(super) struct Shim {
    process: Process,
    place: Place,
    fates: Fates,
}

impl Shim {
    /// `None` where it is gone already.
    pub(super) fn of(init: &Process, place: Place, fates: Fates) -> Option<Self> {
        let parent = init.stat().ok()?.parent;
        let process = Process::open(parent).ok()?;
        let name = files::read_kernel(format!("/proc/{parent}/comm")).ok()?;
        // Still its parent: nobody else has that pid.
        let is_shim = name.starts_with("containerd-shim") && init.stat().ok()?.parent == parent;
        is_shim.then(|| {
            fates.note(&place, init.pid(), Fate::Lives);
            Self { process, place, fates }
        })
    }

    /// Resolves with the end of init, when it is known whose doing the task's deletion will be.
    pub(super) async fn watch(&self, init: &Process) {
        // An owner's deletion ends init first and the shim by itself; a shim that dies is dead
        // before containerd ends init for it.
        let is_first = tokio::select! {
            biased;
            () = init.exited() => false,
            () = self.process.exited() => true,
        };
        let died = is_first || {
            // Who looks late has seen neither first. Only newer kernels tell how it ended.
            self.process.has_ended().unwrap_or(false)
                && !matches!(self.process.ended().await, Ending::Exited(0) | Ending::Lost)
        };
        let fate = if died { Fate::ShimDied } else { Fate::Ended };
        self.fates.note(&self.place, init.pid(), fate);
        init.exited().await;
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn place() -> Place {
        Place { namespace: "n".into(), id: "web".into() }
    }

    fn process(script: &str) -> (std::process::Child, Process) {
        let child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let process = Process::open(child.id()).unwrap();
        (child, process)
    }

    fn shim(process: Process, fates: &Fates) -> Shim {
        Shim { process, place: place(), fates: fates.clone() }
    }

    #[tokio::test]
    async fn a_shim_that_dies_first_explains_the_deletion() {
        let fates = Fates::default();
        let (mut child, init) = process("exec sleep 60");
        fates.note(&place(), init.pid(), Fate::Lives);
        let (mut parent, process) = process("kill -9 $$");
        let shim = shim(process, &fates);
        let pid = init.pid();
        let asked = async {
            let owners = fates.is_owners(&place(), pid).await;
            child.kill().unwrap();
            owners
        };
        let ((), owners) = tokio::join!(shim.watch(&init), asked);
        assert!(!owners);
        parent.wait().unwrap();
        child.wait().unwrap();
        assert!(fates.is_owners(&place(), pid + 1).await, "of another task nothing is known");
    }

    #[tokio::test]
    async fn a_deletion_with_a_sound_shim_is_the_owners() {
        for (script, waited) in [("exec sleep 60", false), ("exit 0", true)] {
            let fates = Fates::default();
            let (mut child, init) = process("exit 0");
            let (mut parent, process) = process(script);
            init.exited().await;
            if waited {
                process.exited().await;
                parent.wait().unwrap();
            }
            shim(process, &fates).watch(&init).await;
            assert!(fates.is_owners(&place(), init.pid()).await, "{script}");
            assert_eq!(fates.of(&place(), init.pid()), Some(Fate::Ended));
            let _ = parent.kill();
            parent.wait().unwrap();
            child.wait().unwrap();
        }
    }

    #[tokio::test]
    async fn what_this_daemon_deletes_is_not_the_owners_and_an_unknown_fate_is_waited_for_bounded()
    {
        let fates = Fates::default();
        fates.note(&place(), 7, Fate::Deleted);
        assert!(!fates.is_owners(&place(), 7).await);
        fates.note(&place(), 8, Fate::Lives);
        assert!(fates.is_owners(&place(), 8).await);
        fates.forget(&place());
        assert_eq!(fates.of(&place(), 8), None);
    }
}
