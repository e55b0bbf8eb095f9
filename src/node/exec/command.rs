//! One command, from its start to the end of its last child.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use probelet_runtime::{CallError, Exec, ExecStdio, TaskStatus};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::Execs;
use super::output::Output;
use super::process::Template;
use crate::domain::exit::Ending;
use crate::process::Process;
use crate::process::family::{Family, Mark};
use probelet_prober::{ExecError, Executed, Turn};

/// How long output is read after the command has ended, since a child may hold stdout.
pub const DRAIN: Duration = Duration::from_millis(100);
/// How long the daemon waits for init to end after a command was killed from outside: the kernel
/// kills all processes of a container before its init counts as ended.
const INIT: Duration = Duration::from_millis(100);
/// How long containerd and the shim may take to confirm that a command still runs.
const CONFIRM: Duration = Duration::from_secs(2);
const NOT_STARTED: &str = "the command was not started within its timeout: containerd, the shim or \
                           runc does not answer";
/// Limit for the ids that an earlier daemon may have left in one container.
const IDS: u32 = 16;

type Answer = Result<Executed, ExecError>;

pub struct Command {
    pub(in crate::node) container: String,
    pub(in crate::node) init: Arc<Process>,
    pub(in crate::node) deadline: Instant,
}

/// A command that containerd knows, with the daemon's ends of its streams.
pub struct Created<S> {
    pub(super) id: String,
    pub(super) streams: S,
}

/// The processes that a command may have left in its container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Nothing,
    Running,
    /// The start was lost with containerd or the shim: runc may have started the command, or be
    /// about to. A shim that loses containerd kills its runc, but not what runc already has in the
    /// container. containerd has no exec of that pid.
    Unknown,
}

impl Left {
    /// Returns what a failed start may have left.
    pub fn after(error: &CallError) -> Self {
        match error {
            // The error is runc's, and runc has ended.
            CallError::Failed(_) => Self::Nothing,
            CallError::Refused(_) if !error.shim_died() => Self::Nothing,
            _ => Self::Unknown,
        }
    }
}

/// The caller, until the answer is sent.
pub struct Caller(Option<oneshot::Sender<Answer>>);

impl Caller {
    pub fn new(caller: oneshot::Sender<Answer>) -> Self {
        Self(Some(caller))
    }

    pub fn tell(&mut self, answer: Answer) {
        if let Some(caller) = self.0.take() {
            // The caller may have stopped waiting.
            let _ = caller.send(answer);
        }
    }
}

impl Execs {
    /// Runs a command. It continues when the caller stops waiting: a Start that is cut short leaves
    /// containerd with a process that it does not know.
    pub async fn run(
        &self,
        command: Command,
        template: &Template,
        words: &[String],
        turn: Turn,
    ) -> Answer {
        let no_place =
            || ExecError::Failed("too many ended commands wait to be deleted".to_owned());
        let place = self.place().ok_or_else(no_place)?;
        let mark = self.new_mark();
        let process = template.command(words, &mark);
        let process = process.map_err(|error| ExecError::Failed(error.to_string()))?;
        let (tell, told) = oneshot::channel();
        let this = self.clone();
        self.0.tasks.spawn(async move {
            this.conduct(&command, process, mark, Caller::new(tell), turn).await;
            drop(place);
        });
        told.await.map_err(|_| ExecError::Failed("the command was given up".to_owned()))?
    }

    async fn conduct(
        &self,
        command: &Command,
        process: Vec<u8>,
        mark: String,
        mut caller: Caller,
        turn: Turn,
    ) {
        let Command { container, init, deadline } = command;
        let open = |folder: &Path, id: &str| {
            let output = Output::open(folder, id)?;
            let stdio = output.stdio();
            Ok((output, stdio))
        };
        let mut turn = turn;
        let mut start = pin!(self.start(container, process, open));
        let started = match timeout_at(*deadline, &mut start).await {
            Ok(started) => started,
            // The command has no process yet: the delay is containerd's, its shim's or runc's.
            Err(_) => {
                caller.tell(Err(ExecError::Failed(NOT_STARTED.to_owned())));
                turn.leave_host();
                start.await
            }
        };
        let (mut created, pid) = match started {
            Ok(started) => started,
            Err(error) => return caller.tell(Err(failed(&error))),
        };
        let leader = pid.as_ref().ok().and_then(|pid| hold(*pid, init));
        let (exit, left) = match pid {
            Ok(_) => {
                let exit = self.follow(command, &mut created, leader.as_ref()).await;
                let left = if exit.is_ok() { Left::Nothing } else { Left::Running };
                (exit, left)
            }
            Err(error) => (Err(failed_start(&error)), Left::after(&error)),
        };
        let Created { id, streams } = created;
        let output = streams.into_head();
        caller.tell(exit.map(|exit_code| Executed { exit_code, output }));
        self.end_all(container, &mark, leader, init, left).await;
        drop(turn);
        self.delete(container, &id).await;
        if left == Left::Unknown {
            // runc may finish the start after containerd is back.
            self.end_all(container, &mark, None, init, left).await;
        }
    }

    /// Ends what is left of a command: the process and its children, in any process group or
    /// session.
    pub async fn end_all(
        &self,
        container: &str,
        mark: &str,
        leader: Option<Process>,
        init: &Process,
        left: Left,
    ) {
        if left == Left::Nothing {
            return;
        }
        let starts = left == Left::Unknown;
        // Without an init there is no container to start anything in.
        let shim = init.stat().ok().map(|init| init.parent).filter(|_| starts);
        let mark = Mark { variables: [mark.to_owned()].into(), among: None };
        let leader = leader.and_then(|leader| leader.stat().ok()).map(|stat| stat.identity);
        let family = Family::new(mark, leader, init.pid()).started_by(shim);
        self.end(container, family, starts).await;
    }

    /// Reads the command's output until the command has ended, and returns its exit code.
    async fn follow(
        &self,
        command: &Command,
        created: &mut Created<Output>,
        leader: Option<&Process>,
    ) -> Result<u32, ExecError> {
        let Command { container, init, deadline } = command;
        let Created { id, streams: output } = created;
        let mut exit = pin!(timeout_at(*deadline, self.exit(container, id, leader)));
        let exited = tokio::select! {
            exited = &mut exit => exited,
            () = output.drain() => exit.await,
        };
        let code = match exited {
            Ok(exit) => exit.map_err(|error| failed(&error))?,
            Err(_) => self.confirm_overrun(container, id).await?,
        };
        // Output of processes that still write is not read any longer.
        let _ = timeout(DRAIN, output.drain()).await;
        judge(code, init).await
    }

    /// Returns the exit code of a command whose timeout has passed, or [`ExecError::TimedOut`] if
    /// containerd and its shim confirm that it still runs. If one of them hangs, the command may
    /// have ended unseen, or wait for a shim that does not read its output: the timeout proves
    /// nothing.
    async fn confirm_overrun(&self, container: &str, id: &str) -> Result<u32, ExecError> {
        let unsure = |text: &str| {
            ExecError::Failed(format!("whether the command still runs is not known: {text}"))
        };
        let state =
            match timeout(CONFIRM, self.0.namespace.commands.state(Exec { container, id })).await {
                Ok(state) => state.map_err(|error| unsure(&error.to_string()))?,
                Err(_) => return Err(unsure("containerd does not answer")),
            };
        match state.status {
            TaskStatus::Stopped => Ok(state.exit_status),
            TaskStatus::Unknown => Err(unsure("the shim does not answer")),
            TaskStatus::Created | TaskStatus::Running | TaskStatus::Paused => {
                Err(ExecError::TimedOut)
            }
        }
    }

    /// Starts a command. The inner result belongs to a command that containerd knows by now.
    pub async fn start<S>(
        &self,
        container: &str,
        process: Vec<u8>,
        open: impl Fn(&Path, &str) -> io::Result<(S, ExecStdio)>,
    ) -> Result<(Created<S>, Result<u32, CallError>), CallError> {
        let commands = &self.0.namespace.commands;
        for _ in 0..IDS {
            let id = self.next_id();
            let (streams, stdio) = open(&self.0.folder, &id)
                .map_err(|error| CallError::failed(format!("cannot make a FIFO: {error}")))?;
            let exec = Exec { container, id: &id };
            match commands.create(exec, &process, stdio).await {
                Err(CallError::AlreadyExists(_)) => self.bury(container, id),
                Err(error) => {
                    // The request may or may not have reached containerd.
                    if matches!(error, CallError::Timeout { .. }) {
                        self.bury(container, id);
                    }
                    return Err(error);
                }
                Ok(()) => {
                    let started = commands.start(exec).await;
                    return Ok((Created { id, streams }, started));
                }
            }
        }
        let text = format!("{IDS} commands of an earlier daemon are in the way");
        Err(CallError::failed(text))
    }

    /// Waits for the exit code from containerd or from the kernel, whichever has it first, since
    /// containerd may be down or hang.
    pub async fn exit(
        &self,
        container: &str,
        id: &str,
        leader: Option<&Process>,
    ) -> Result<u32, CallError> {
        let mut kernel = pin!(async {
            let ending = leader?.ended().await;
            (ending != Ending::Lost).then(|| u32::try_from(ending.exit_code()).ok())?
        });
        tokio::select! {
            Some(code) = &mut kernel => Ok(code),
            answer = self.0.namespace.commands.wait(Exec { container, id }) => match answer {
                Ok(code) => Ok(code),
                Err(error) => kernel.await.ok_or(error),
            },
        }
    }
}

fn failed(error: &CallError) -> ExecError {
    ExecError::Failed(error.to_string())
}

fn failed_start(error: &CallError) -> ExecError {
    match error.clone().into_answer() {
        Ok(cause) => ExecError::Failed(cause.to_string()),
        Err(other) => failed(&other),
    }
}

/// Returns the exit code, unless the command died with its container, which makes the code useless.
pub async fn judge(code: u32, init: &Process) -> Result<u32, ExecError> {
    let killed = code == 128 + 9;
    if killed && timeout(INIT, init.exited()).await.is_ok() {
        let text = "the container ended while the command ran";
        return Err(ExecError::Failed(text.to_owned()));
    }
    Ok(code)
}

/// Opens the process `pid` if it is certainly the command: a child of the shim, as init is, and the
/// leader of a session. `None` if it has ended already.
pub fn hold(pid: u32, init: &Process) -> Option<Process> {
    let process = Process::open(pid).ok()?;
    let (stat, init) = (process.stat().ok()?, init.stat().ok()?);
    (stat.parent == init.parent && stat.session == pid).then_some(process)
}
