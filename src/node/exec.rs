//! Commands in running tasks: the shared limits and ids, and the cleanup.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use probelet_runtime::{CallError, Exec, Namespace};

use crate::process::family::{Family, Found};

mod command;
mod direct;
mod leftovers;
mod output;
mod pipes;
mod process;
mod session;

pub use command::Command;
pub use process::Template;
pub use session::Within;

const PREFIX: &str = "probelet-";
/// Limit for commands that containerd knows, in all containers. A command whose child holds its
/// stdout counts for up to 10 s after its end.
const PLACES: usize = 256;
/// Limit for commands with a client attached, in all containers.
const SESSIONS: usize = 64;
/// How often the daemon tries to delete a command. The pauses double and add up to over a minute,
/// in which containerd may be restarted.
const DELETE_TRIES: u32 = 10;
const DELETE_STEP: Duration = Duration::from_millis(100);
/// How long the end of a killed command may take.
const KILL: Duration = Duration::from_secs(2);
const HUNT_STEP: Duration = Duration::from_millis(5);
const HUNT_STEP_MOST: Duration = Duration::from_millis(100);
const NOTHING: Found = Found { members: 0, starting: false };

#[derive(Debug, Clone)]
pub struct Execs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    namespace: Namespace,
    folder: PathBuf,
    next: Arc<AtomicU64>,
    /// Prefix of this daemon's marks.
    mark: Arc<str>,
    /// Running commands and their cleanup. The callers of some have stopped waiting.
    tasks: TaskTracker,
    places: Arc<Semaphore>,
    sessions: Arc<Semaphore>,
    /// Limits searches of `/proc` to one at a time. More would find nothing more, and one that
    /// hangs (the kernel waits for a process' memory) must not block a thread with each try.
    hunt: Arc<Semaphore>,
}

impl Execs {
    /// Creates the folder of FIFOs in `run_dir`, and removes those of an earlier daemon.
    pub fn new(namespace: Namespace, run_dir: &Path) -> io::Result<Self> {
        let folder = run_dir.join("exec");
        output::fresh_folder(&folder)?;
        Ok(Self(Arc::new(Shared {
            namespace,
            folder,
            next: Arc::default(),
            mark: format!("{}{}.", process::MARK, uuid::Uuid::new_v4()).into(),
            tasks: TaskTracker::new(),
            places: Arc::new(Semaphore::new(PLACES)),
            sessions: Arc::new(Semaphore::new(SESSIONS)),
            hunt: Arc::new(Semaphore::new(1)),
        })))
    }

    /// Returns commands of another namespace, which share limits, ids and folder with these.
    pub fn in_namespace(&self, namespace: Namespace) -> Self {
        let Shared { folder, next, mark, tasks, places, sessions, hunt, .. } = self.0.as_ref();
        Self(Arc::new(Shared {
            namespace,
            folder: folder.clone(),
            next: next.clone(),
            mark: mark.clone(),
            tasks: tasks.clone(),
            places: places.clone(),
            sessions: sessions.clone(),
            hunt: hunt.clone(),
        }))
    }

    fn next_id(&self) -> String {
        format!("{PREFIX}{}", self.0.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns an environment variable that no other command has.
    fn new_mark(&self) -> String {
        format!("{}{}", self.0.mark, uuid::Uuid::new_v4())
    }

    /// Skips a number that an earlier daemon has used.
    fn skip(&self, exec_id: &str) {
        let number = exec_id.strip_prefix(PREFIX).and_then(|number| number.parse::<u32>().ok());
        if let Some(number) = number {
            self.0.next.fetch_max(u64::from(number) + 1, Ordering::Relaxed);
        }
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.0.places.clone().try_acquire_owned().ok()
    }

    /// Deletes an ended command in containerd, in the background. If too many commands are known
    /// there, it stays: it holds a name and a little of the shim's memory.
    fn bury(&self, container: &str, exec_id: String) {
        let Some(place) = self.place() else {
            tracing::warn!(container, exec_id, "an ended command is not deleted: too many are");
            return;
        };
        let (this, container) = (self.clone(), container.to_owned());
        self.0.tasks.spawn(async move {
            this.delete(&container, &exec_id).await;
            drop(place);
        });
    }

    /// Deletes a command, and kills what may still run under its id.
    async fn delete(&self, container: &str, exec_id: &str) {
        let (exec, commands) = (Exec { container, id: exec_id }, &self.0.namespace.commands);
        let mut pause = DELETE_STEP;
        for _ in 0..DELETE_TRIES {
            match commands.delete(exec).await {
                Ok(()) | Err(CallError::NotFound(_)) => return,
                Err(error) => tracing::debug!(container, exec_id, %error, "not deleted yet"),
            }
            // A failed kill means that nothing is left to kill, or that the next try fails too.
            let _ = commands.kill(exec).await;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        tracing::warn!(container, exec_id, "an ended command could not be deleted in containerd");
    }

    /// Kills a family until no member is left and nothing is being started, or until `KILL` has
    /// passed. `starts` is true if a start of the family may be in progress. Returns whether one
    /// was seen.
    async fn end(&self, container: &str, family: Family, starts: bool) -> bool {
        match tokio::time::timeout(KILL, self.hunt(family, starts)).await {
            Ok(Ok(starts)) => starts,
            Ok(Err(error)) => {
                tracing::warn!(container, %error, "a command may still run");
                starts
            }
            Err(_) => {
                tracing::warn!(
                    container,
                    "a killed command, or a start in its container, is not over after {KILL:?}"
                );
                true
            }
        }
    }

    async fn hunt(&self, mut family: Family, mut starts: bool) -> io::Result<bool> {
        let mut pause = HUNT_STEP;
        let mut was_quiet = false;
        loop {
            let turn = self.0.hunt.clone().acquire_owned().await.map_err(io::Error::other)?;
            let strike = self.0.tasks.spawn_blocking(move || {
                let _turn = turn;
                let found = family.strike();
                (family, found)
            });
            let found;
            (family, found) = strike.await.map_err(io::Error::other)?;
            let found = found?;
            starts |= found.starting;
            let is_quiet = found == NOTHING;
            // A process may change from runc into the command during a search, which takes a while.
            // The next search finds it.
            if is_quiet && (was_quiet || !starts) {
                return Ok(starts);
            }
            was_quiet = is_quiet;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(HUNT_STEP_MOST);
        }
    }
}
