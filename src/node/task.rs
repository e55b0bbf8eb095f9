//! A started task, with a pidfd of its init.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use probelet_runtime::{CallError, Namespace};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::sync::{OnceCell, Semaphore, watch};
use tokio::time::timeout_at;

use super::error::NodeError;
use super::exec::{Command, Execs, Template, Within};
use super::exit_watch::ExitWatch;
use super::session::{Order, Session, SessionError};
use super::task_outcomes::{Shim, TaskOutcomes};
use super::task_trait::{StartNotes, Task};
use crate::domain::adopt::ContainerRef;
use crate::domain::exit::Ending;
use crate::domain::spec::ExecVia;
use crate::files;
use crate::netns;
use crate::prober::Share;
use crate::process::oom::OomCounter;
use crate::process::{Process, stat};
use probelet_prober::{ExecError, Executed, Target, Turn, deadline_in};

const SIGKILL: i32 = 9;
/// Pause between reads of the counter after a hint, which on cgroup v1 precedes the kill.
const KILL_STEP: Duration = Duration::from_millis(30);
const KILL_STEPS: u32 = 5;

#[derive(Debug)]
pub struct ContainerTask {
    id: String,
    process: Arc<Process>,
    exit: ExitWatch,
    namespace: Namespace,
    execs: Execs,
    turn: Arc<Semaphore>,
    share: Arc<Share>,
    /// Read from the record's spec, which no update by this daemon changes.
    template: OnceCell<Template>,
    ooms: Option<OomCounter>,
    oom_hints: watch::Receiver<u64>,
    notes: StartNotes,
    /// The shim of a foreign container's task.
    shim: Option<Shim>,
}

impl ContainerTask {
    pub fn new(
        id: String,
        process: Process,
        namespace: Namespace,
        execs: Execs,
        oom_hints: watch::Receiver<u64>,
        outcomes: Option<TaskOutcomes>,
    ) -> Self {
        let process = Arc::new(process);
        let ooms = OomCounter::of(process.pid());
        let ooms = ooms.inspect_err(|error| tracing::warn!(id, %error, "OOM kills are not known"));
        let shim = outcomes.and_then(|outcomes| {
            let container = ContainerRef { namespace: namespace.name.to_string(), id: id.clone() };
            Shim::of(&process, container, outcomes)
        });
        Self {
            exit: ExitWatch::new(id.clone(), process.clone(), namespace.clone()),
            id,
            process,
            namespace,
            execs,
            turn: Arc::new(Semaphore::new(1)),
            share: Arc::default(),
            template: OnceCell::new(),
            ooms: ooms.ok(),
            oom_hints,
            notes: StartNotes::default(),
            shim,
        }
    }

    pub fn with_notes(self, notes: StartNotes) -> Self {
        Self { notes, ..self }
    }

    /// Cleans up the commands that an earlier daemon may have run in the task.
    pub async fn clear_leftovers(&self) -> Result<(), CallError> {
        match self.turn.clone().try_acquire_owned() {
            Ok(turn) => self.execs.clear_leftovers(&self.id, self.process.pid(), turn).await,
            Err(_) => Ok(()),
        }
    }

    async fn template(&self) -> Result<&Template, NodeError> {
        let read = || async {
            let spec = self.namespace.records.get(&self.id).await?.spec;
            let no_template = |error| NodeError::Internal(format!("{}: spec: {error}", self.id));
            Template::read(&spec).map_err(no_template)
        };
        self.template.get_or_try_init(read).await
    }
}

#[async_trait]
impl Target for ContainerTask {
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
        via: ExecVia,
    ) -> Result<Executed, ExecError> {
        let deadline = deadline_in(timeout);
        let failed = |text: String| ExecError::Failed(text);
        let template = timeout_at(deadline, self.template()).await;
        let template = template
            .map_err(|_| failed("containerd did not return the container's spec in time".into()))?
            .map_err(|error| failed(error.to_string()))?;
        let (container, init) = (self.id.clone(), self.process.clone());
        let within = Command { container, init, deadline };
        match via {
            ExecVia::Containerd => self.execs.run(within, template, command, turn).await,
            ExecVia::Direct => self.execs.run_directly(within, template, command, turn).await,
        }
    }
}

#[async_trait]
impl Task for ContainerTask {
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

    fn start_notes(&self) -> StartNotes {
        self.notes.clone()
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
        tokio::join!(self.exit.ended(), shim).0
    }
}
