//! Commands in running tasks: what they share, and how they are cleared away.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use super::client::Client;
use crate::process::family::{Family, Found};
use crate::runtime::RuntimeError;

mod calls;
mod command;
mod leftovers;
mod output;
mod pipes;
mod process;
mod session;

pub(super) use command::Command;
pub(super) use process::Template;
pub(super) use session::Within;

const PREFIX: &str = "probelet-";
/// Commands that containerd was told of and that are not deleted there, in all containers. A
/// command whose child holds its stdout keeps its place for up to 10 s.
const PLACES: usize = 256;
/// Commands that somebody talks to, in all containers.
const SESSIONS: usize = 64;
/// How often containerd is asked to delete one, further and further apart: a minute in all, in
/// which containerd may be started again.
const DELETE_TRIES: u32 = 10;
const DELETE_STEP: Duration = Duration::from_millis(100);
/// How long a killed command may take to be gone.
const KILL: Duration = Duration::from_secs(2);
const HUNT_STEP: Duration = Duration::from_millis(5);
const HUNT_STEP_MOST: Duration = Duration::from_millis(100);
const NOTHING: Found = Found { members: 0, starting: false };

#[derive(Debug, Clone)]
pub(super) struct Execs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: Client,
    folder: PathBuf,
    next: Arc<AtomicU64>,
    /// How this daemon's marks begin.
    mark: Arc<str>,
    /// Commands under way and the clearing up after them, some given up by their callers.
    tasks: TaskTracker,
    places: Arc<Semaphore>,
    sessions: Arc<Semaphore>,
    /// One look at `/proc` at a time: many at once tell no more, and one that hangs (the kernel
    /// waits for a process' memory) must not take a thread with each try.
    hunt: Arc<Semaphore>,
}

impl Execs {
    /// The FIFOs go into `run_dir`, where those of an earlier daemon are cleared.
    pub(super) fn new(client: Client, run_dir: &Path) -> io::Result<Self> {
        let folder = run_dir.join("exec");
        output::fresh_folder(&folder)?;
        Ok(Self(Arc::new(Shared {
            client,
            folder,
            next: Arc::default(),
            mark: format!("{}{}.", process::MARK, uuid::Uuid::new_v4()).into(),
            tasks: TaskTracker::new(),
            places: Arc::new(Semaphore::new(PLACES)),
            sessions: Arc::new(Semaphore::new(SESSIONS)),
            hunt: Arc::new(Semaphore::new(1)),
        })))
    }

    /// The same turns and folders, for containers of another namespace.
    pub(super) fn with_client(&self, client: Client) -> Self {
        let Shared { folder, next, mark, tasks, places, sessions, hunt, .. } = self.0.as_ref();
        Self(Arc::new(Shared {
            client,
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

    /// An environment variable that no other command has.
    fn new_mark(&self) -> String {
        format!("{}{}", self.0.mark, uuid::Uuid::new_v4())
    }

    /// Numbers that an earlier daemon gave are not given again.
    fn skip(&self, exec_id: &str) {
        let number = exec_id.strip_prefix(PREFIX).and_then(|number| number.parse::<u32>().ok());
        if let Some(number) = number {
            self.0.next.fetch_max(u64::from(number) + 1, Ordering::Relaxed);
        }
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.0.places.clone().try_acquire_owned().ok()
    }

    /// Deletes a command's remains in containerd, in the background. Where there is no place for
    /// that, they stay: they hold a name and a little of the shim's memory.
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

    /// Kills what may still run under that id, and deletes it.
    async fn delete(&self, container: &str, exec_id: &str) {
        let mut pause = DELETE_STEP;
        for _ in 0..DELETE_TRIES {
            match self.0.client.delete_exec(container, exec_id).await {
                Ok(()) | Err(RuntimeError::NotFound(_)) => return,
                Err(error) => tracing::debug!(container, exec_id, %error, "not deleted yet"),
            }
            // Its failure says that there is nothing to kill, or that the next try fails too.
            let _ = self.0.client.kill_exec(container, exec_id).await;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        tracing::warn!(container, exec_id, "an ended command could not be deleted in containerd");
    }

    /// Kills a family until nobody is left and nothing is being started, or for as long as a
    /// killed process may take. `starts` is whether a start of the family's may be under way; the
    /// answer, whether one was seen.
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
            // A process may change from runc into the command within a look, which takes a while.
            // The next look sees it.
            if is_quiet && (was_quiet || !starts) {
                return Ok(starts);
            }
            was_quiet = is_quiet;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(HUNT_STEP_MOST);
        }
    }
}
