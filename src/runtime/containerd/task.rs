//! A started task, with a pidfd of its init.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use containerd_client::services::v1::WaitRequest;
use containerd_client::types::v1::Status;
use tokio::net::{TcpSocket, UdpSocket};
use tokio::sync::{OnceCell, Semaphore, watch};
use tokio::time::timeout_at;

use super::client::{Client, error};
use super::exec::{Command, Execs, Template, Within};
use super::task_outcomes::Shim;
use crate::domain::adopt::ContainerRef;
use crate::domain::exit::Ending;
use crate::domain::user::User;
use crate::files;
use crate::netns;
use crate::prober::Share;
use crate::process::oom::OomCounter;
use crate::process::{Process, stat};
use crate::runtime::session::{Order, Session, SessionError};
use crate::runtime::{ExecError, Executed, RuntimeError, Target, Task, Turn, deadline_in};

const SIGKILL: i32 = 9;
/// How long containerd may take to report a status that the kernel did not. It may be down, or have
/// lost the status.
const ASK: Duration = Duration::from_secs(2);
/// How long init may take to reap an orphan on a busy machine.
const REAPING: Duration = Duration::from_secs(2);
const ASK_STEP: Duration = Duration::from_millis(100);
/// Pause between reads of the counter after a hint, which on cgroup v1 precedes the kill.
const KILL_STEP: Duration = Duration::from_millis(30);
const KILL_STEPS: u32 = 5;

#[derive(Debug)]
pub(super) struct ContainerdTask {
    id: String,
    process: Arc<Process>,
    client: Client,
    execs: Execs,
    turn: Arc<Semaphore>,
    share: Arc<Share>,
    /// Read from the record's spec, which no update by this daemon changes.
    template: OnceCell<Template>,
    ooms: Option<OomCounter>,
    oom_hints: watch::Receiver<u64>,
    no_log: Option<String>,
    user: Option<User>,
    refused_log: Option<String>,
    /// The shim of a foreign container's task.
    shim: Option<Shim>,
}

impl ContainerdTask {
    pub(super) fn new(
        id: String,
        process: Process,
        client: Client,
        execs: Execs,
        oom_hints: watch::Receiver<u64>,
    ) -> Self {
        let (process, turn) = (Arc::new(process), Arc::new(Semaphore::new(1)));
        let ooms = OomCounter::of(process.pid());
        let ooms = ooms.inspect_err(|error| tracing::warn!(id, %error, "OOM kills are not known"));
        let (template, ooms) = (OnceCell::new(), ooms.ok());
        let shim = client.task_outcomes.clone().and_then(|task_outcomes| {
            let place = ContainerRef { namespace: client.namespace().to_owned(), id: id.clone() };
            Shim::of(&process, place, task_outcomes)
        });
        let share = Arc::default();
        let (no_log, refused_log, user) = (None, None, None);
        Self {
            shim,
            id,
            process,
            client,
            execs,
            turn,
            share,
            template,
            ooms,
            oom_hints,
            no_log,
            refused_log,
            user,
        }
    }

    pub(super) fn running_as(self, user: Option<User>) -> Self {
        Self { user, ..self }
    }

    pub(super) fn without_log(self, no_log: Option<String>) -> Self {
        Self { no_log, ..self }
    }

    pub(super) fn with_refused_log(self, refused_log: Option<String>) -> Self {
        Self { refused_log, ..self }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Returns a task that an earlier daemon started, and cleans up the commands that it may have
    /// run.
    pub(super) async fn adopted(
        id: String,
        process: Process,
        client: Client,
        execs: Execs,
        oom_hints: watch::Receiver<u64>,
    ) -> Result<Self, RuntimeError> {
        let task = Self::new(id, process, client, execs, oom_hints);
        if let Ok(turn) = task.turn.clone().try_acquire_owned() {
            task.execs.clear_leftovers(&task.id, task.pid(), turn).await?;
        }
        Ok(task)
    }

    async fn template(&self) -> Result<&Template, RuntimeError> {
        let read = || async {
            let spec = self.client.get_record(&self.id).await?.spec.unwrap_or_default();
            let no_template = |error| RuntimeError::Internal(format!("{}: spec: {error}", self.id));
            Template::read(&spec.value).map_err(no_template)
        };
        self.template.get_or_try_init(read).await
    }

    /// Waits for the exit status from containerd. The call has no deadline.
    async fn wait(&self) -> Result<Ending, RuntimeError> {
        let request = WaitRequest { container_id: self.id.clone(), exec_id: String::new() };
        let answer = self.client.tasks().wait(self.client.request(request)).await;
        let answer = answer.map_err(|status| error("Tasks.Wait", ASK, &status))?;
        Ok(Ending::Reported(answer.into_inner().exit_status))
    }

    /// Asks containerd for the exit status again, since it may just be restarting.
    async fn ask(&self) -> Option<Ending> {
        let told = within(ASK, async {
            loop {
                match self.wait().await {
                    Err(RuntimeError::NotFound(_)) => return None,
                    Err(_) => tokio::time::sleep(ASK_STEP).await,
                    Ok(ending) => return Some(ending),
                }
            }
        });
        if let Some(ending) = told.await.flatten() {
            return Some(ending);
        }
        let state = within(ASK, self.client.get_task(&self.id)).await?.ok()?;
        (state.status() == Status::Stopped).then_some(Ending::Reported(state.exit_status))
    }
}

#[async_trait]
impl Target for ContainerdTask {
    fn tcp_socket(&self, peer: SocketAddr) -> io::Result<TcpSocket> {
        netns::tcp_socket(self.process.pidfd(), peer)
    }

    fn udp_socket(&self, peer: SocketAddr) -> io::Result<UdpSocket> {
        netns::udp_socket(self.process.pidfd(), peer)
    }

    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        self.process.read_file(path, limit)
    }

    fn exec_turn(&self) -> Arc<Semaphore> {
        self.turn.clone()
    }

    fn probe_share(&self) -> Arc<Share> {
        self.share.clone()
    }

    async fn exec(
        &self,
        command: &[String],
        timeout: Duration,
        turn: Turn,
    ) -> Result<Executed, ExecError> {
        let deadline = deadline_in(timeout);
        let failed = |text: String| ExecError::Failed(text);
        let template = timeout_at(deadline, self.template()).await;
        let template = template
            .map_err(|_| failed("containerd did not tell the container's spec in time".into()))?
            .map_err(|error| failed(error.to_string()))?;
        let (container, init) = (self.id.clone(), self.process.clone());
        self.execs.run(Command { container, init, deadline }, template, command, turn).await
    }
}

#[async_trait]
impl Task for ContainerdTask {
    fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn process(&self) -> Option<Arc<Process>> {
        Some(self.process.clone())
    }

    fn signal(&self, signal: i32) -> io::Result<()> {
        match signal {
            SIGKILL => self.process.kill(&self.id),
            other => self.process.signal(other),
        }
    }

    async fn open(&self, order: &Order) -> Result<Session, SessionError> {
        let template = self.template().await;
        let template = template.map_err(|error| SessionError::Failed(error.to_string()))?;
        let within = Within { container: self.id.clone(), init: self.process.clone() };
        self.execs.open(within, template, order).await
    }

    fn shim_memory(&self) -> io::Result<u64> {
        let shim = self.process.stat()?.parent;
        // An orphan's parent is not a shim but the process that adopts orphans.
        let name = files::read_kernel(format!("/proc/{shim}/comm"))?;
        if !name.starts_with("containerd-shim") {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the shim is gone"));
        }
        stat::resident(shim)
    }

    fn user(&self) -> Option<User> {
        self.user.clone()
    }

    fn no_log(&self) -> Option<String> {
        self.no_log.clone()
    }

    fn refused_log(&self) -> Option<String> {
        self.refused_log.clone()
    }

    fn oom_kills_before(&self) -> Option<u64> {
        self.ooms.as_ref().map(OomCounter::before)
    }

    fn oom_kills(&self) -> Option<u64> {
        self.ooms.as_ref()?.kills().ok()
    }

    async fn oom_killed(&self, seen: u64) -> Option<u64> {
        let mut hints = self.oom_hints.clone();
        hints.mark_unchanged();
        loop {
            for _ in 0..KILL_STEPS {
                match self.oom_kills() {
                    Some(kills) if kills > seen => return Some(kills),
                    _ => tokio::time::sleep(KILL_STEP).await,
                }
            }
            tokio::select! {
                biased;
                () = self.process.exited() => return None,
                Ok(()) = hints.changed() => {}
            }
        }
    }

    async fn ended(&self) -> Ending {
        let shim = async {
            if let Some(shim) = &self.shim {
                shim.watch(&self.process).await;
            }
        };
        tokio::join!(self.how_it_ends(), shim).0
    }
}

impl ContainerdTask {
    async fn how_it_ends(&self) -> Ending {
        // If Wait fails (containerd is down), only the pidfd can end the race.
        let reported = tokio::select! {
            biased;
            () = self.process.exited() => None,
            Ok(ending) = self.wait() => Some(ending),
        };
        // The kernel's status is preferred, since it distinguishes `exit 137` from SIGKILL.
        let told = match reported {
            Some(_) => within(ASK, self.process.ended()).await.unwrap_or(Ending::Lost),
            None => self.process.ended().await,
        };
        match (told, reported) {
            (Ending::Lost, Some(reported)) => reported,
            (Ending::Lost, None) => match self.ask().await {
                Some(ending) => ending,
                // The shim is dead, and the process that adopts orphans has not reaped init yet.
                None => within(REAPING, self.process.reaped()).await.unwrap_or(Ending::Lost),
            },
            (told, _) => told,
        }
    }
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}
