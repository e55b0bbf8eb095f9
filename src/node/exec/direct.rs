//! A command that runs without containerd, from its start to the end of its last child.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{timeout, timeout_at};

use super::Execs;
use super::command::{Caller, Command, DRAIN, Left, judge};
use super::output::Output;
use super::process::Template;
use crate::direct_exec::{DirectCommand, Plan, Process as PlannedProcess};
use crate::process::Process;
use probelet_prober::{ExecError, Executed, Turn};

const NOT_STARTED: &str = "the command was not started within its timeout: its container is frozen, \
                           or the host is starved";
/// How long the exit status of a process may be missing after its end.
const STATUS: Duration = Duration::from_secs(1);

fn failed(error: impl std::fmt::Display) -> ExecError {
    ExecError::Failed(error.to_string())
}

impl Execs {
    /// Runs a command without containerd. It continues when the caller stops waiting, as one that
    /// containerd runs.
    pub async fn run_directly(
        &self,
        command: Command,
        template: &Template,
        words: &[String],
        turn: Turn,
    ) -> Result<Executed, ExecError> {
        let mark = self.new_mark();
        let process = template.command(words, &mark).map_err(failed)?;
        let plan = Plan {
            container: command.container.clone(),
            init: command.init.pid(),
            mark,
            namespaces: template.namespaces().map_err(failed)?.clone(),
            process: PlannedProcess::read(&process).map_err(failed)?,
        };
        let (tell, told) = oneshot::channel();
        let this = self.clone();
        self.0.tasks.spawn(async move {
            this.conduct_directly(&command, &plan, Caller::new(tell)).await;
            drop(turn);
        });
        told.await.map_err(|_| ExecError::Failed("the command was given up".to_owned()))?
    }

    async fn conduct_directly(&self, command: &Command, plan: &Plan, mut caller: Caller) {
        let Command { container, init, deadline } = command;
        let begun = async {
            let (output, [stdout, stderr]) = Output::pipes().map_err(failed)?;
            let direct = DirectCommand::start(plan, init, stdout, stderr).await;
            Ok::<_, ExecError>((output, direct.map_err(failed)?))
        };
        let (mut output, mut direct) = match timeout_at(*deadline, begun).await {
            Ok(Ok(begun)) => begun,
            Ok(Err(error)) => return caller.tell(Err(error)),
            // The helper had no whole plan yet, so it has started nothing.
            Err(_) => return caller.tell(Err(failed(NOT_STARTED))),
        };
        let leader = match timeout_at(*deadline, direct.started()).await {
            Ok(Ok(leader)) => leader,
            Ok(Err(error)) => {
                caller.tell(Err(failed(error)));
                return direct.finish().await;
            }
            // The helper kills what it has started.
            Err(_) => {
                caller.tell(Err(failed(NOT_STARTED)));
                return direct.finish().await;
            }
        };
        let exit = follow(command, &mut output, &mut direct, leader.as_ref()).await;
        let left = if exit.is_ok() { Left::Nothing } else { Left::Running };
        let output = output.into_head();
        caller.tell(exit.map(|exit_code| Executed { exit_code, output }));
        self.end_all(container, &plan.mark, leader, init, left).await;
        direct.finish().await;
    }
}

/// Reads the command's output until the command has ended, and returns its exit code.
async fn follow(
    command: &Command,
    output: &mut Output,
    direct: &mut DirectCommand,
    leader: Option<&Process>,
) -> Result<u32, ExecError> {
    let exited = {
        let mut exit = pin!(timeout_at(command.deadline, direct.ended()));
        tokio::select! {
            exited = &mut exit => exited,
            () = output.drain() => exit.await,
        }
    };
    let ending = match exited {
        Ok(ending) => ending.map_err(failed)?,
        Err(_) => {
            // The kernel knows best whether it still runs: the helper may be starved.
            let ended = leader.is_some_and(|leader| leader.has_ended().unwrap_or_default());
            if !ended {
                return Err(ExecError::TimedOut);
            }
            let late = timeout(STATUS, direct.ended()).await;
            late.map_err(|_| failed("how the command ended is not known"))?.map_err(failed)?
        }
    };
    // Output of processes that still write is not read any longer.
    let _ = timeout(DRAIN, output.drain()).await;
    let code = u32::try_from(ending.exit_code()).map_err(failed)?;
    judge(code, &command.init).await
}
