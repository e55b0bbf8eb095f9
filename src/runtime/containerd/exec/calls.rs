//! The containerd calls for commands in a task.

use containerd_client::services::v1::{
    CloseIoRequest, DeleteProcessRequest, ExecProcessRequest, GetRequest, KillRequest,
    ListPidsRequest, ResizePtyRequest, StartRequest, WaitRequest,
};
use containerd_client::types::v1::Process as ProcessState;
use prost::Message;
use prost_types::Any;
use std::time::Duration;

use crate::runtime::RuntimeError;
use crate::runtime::containerd::client::{Client, DEADLINE, SLOW_DEADLINE, call, error};

const PROCESS_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/Process";
/// containerd waits up to 10 s for processes that still hold the command's stdout.
const DELETE_DEADLINE: Duration = Duration::from_secs(20);

/// `containerd.runc.v1.ProcessDetails`, which the client crate does not have.
#[derive(Clone, PartialEq, Message)]
struct ProcessDetails {
    #[prost(string, tag = "1")]
    exec_id: String,
}

/// The streams of a command as containerd expects them: a path without a scheme is a FIFO, and an
/// empty one is no stream.
#[derive(Debug, Default)]
pub(super) struct Stdio {
    pub(super) stdin: String,
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) terminal: bool,
}

impl Client {
    pub(super) async fn exec(
        &self,
        container: &str,
        exec_id: &str,
        process: Vec<u8>,
        Stdio { stdin, stdout, stderr, terminal }: Stdio,
    ) -> Result<(), RuntimeError> {
        let request = self.request(ExecProcessRequest {
            container_id: container.to_owned(),
            exec_id: exec_id.to_owned(),
            stdin,
            stdout,
            stderr,
            terminal,
            spec: Some(Any { type_url: PROCESS_TYPE.to_owned(), value: process }),
        });
        call("Tasks.Exec", DEADLINE, self.tasks().exec(request)).await.map(drop)
    }

    /// Starts the command and returns its pid. Only this call fails for a command that cannot run:
    /// Wait and Delete report no error for it.
    pub(super) async fn start_exec(
        &self,
        container: &str,
        exec_id: &str,
    ) -> Result<u32, RuntimeError> {
        let (container_id, exec_id) = (container.to_owned(), exec_id.to_owned());
        let request = self.request(StartRequest { container_id, exec_id });
        let answer = call("Tasks.Start", SLOW_DEADLINE, self.tasks().start(request)).await?;
        Ok(answer.pid)
    }

    /// Waits until the command ends. The call has no deadline.
    pub(super) async fn wait_exec(
        &self,
        container: &str,
        exec_id: &str,
    ) -> Result<u32, RuntimeError> {
        let (container_id, exec_id) = (container.to_owned(), exec_id.to_owned());
        let request = self.request(WaitRequest { container_id, exec_id });
        let answer = self.tasks().wait(request).await;
        let answer = answer.map_err(|status| error("Tasks.Wait", Duration::ZERO, &status))?;
        Ok(answer.into_inner().exit_status)
    }

    /// Reads the state from the shim, through containerd; `Unknown` if the shim does not answer.
    pub(super) async fn exec_state(
        &self,
        container: &str,
        exec_id: &str,
    ) -> Result<ProcessState, RuntimeError> {
        let (container_id, exec_id) = (container.to_owned(), exec_id.to_owned());
        let request = self.request(GetRequest { container_id, exec_id });
        let answer = call("Tasks.Get", DEADLINE, self.tasks().get(request)).await?;
        answer.process.ok_or_else(|| RuntimeError::NotFound(format!("a command in {container}")))
    }

    pub(super) async fn kill_exec(
        &self,
        container: &str,
        exec_id: &str,
    ) -> Result<(), RuntimeError> {
        let (container_id, exec_id) = (container.to_owned(), exec_id.to_owned());
        let request = self.request(KillRequest { container_id, exec_id, signal: 9, all: false });
        call("Tasks.Kill", DEADLINE, self.tasks().kill(request)).await.map(drop)
    }

    /// Closes stdin in the shim, which keeps it open until this call.
    pub(super) async fn close_stdin(
        &self,
        container: &str,
        exec_id: &str,
    ) -> Result<(), RuntimeError> {
        let (container_id, exec_id) = (container.to_owned(), exec_id.to_owned());
        let request = self.request(CloseIoRequest { container_id, exec_id, stdin: true });
        call("Tasks.CloseIO", DEADLINE, self.tasks().close_io(request)).await.map(drop)
    }

    pub(super) async fn resize(
        &self,
        container: &str,
        exec_id: &str,
        (width, height): (u32, u32),
    ) -> Result<(), RuntimeError> {
        let (container_id, exec_id) = (container.to_owned(), exec_id.to_owned());
        let request = self.request(ResizePtyRequest { container_id, exec_id, width, height });
        call("Tasks.ResizePty", DEADLINE, self.tasks().resize_pty(request)).await.map(drop)
    }

    pub(super) async fn delete_exec(
        &self,
        container: &str,
        exec_id: &str,
    ) -> Result<(), RuntimeError> {
        let (container_id, exec_id) = (container.to_owned(), exec_id.to_owned());
        let request = self.request(DeleteProcessRequest { container_id, exec_id });
        let mut tasks = self.tasks();
        let answer = tasks.delete_process(request);
        call("Tasks.DeleteProcess", DELETE_DEADLINE, answer).await.map(drop)
    }

    /// Lists all processes in the container, with the exec that started each where it is known.
    pub(super) async fn pids(
        &self,
        container: &str,
    ) -> Result<Vec<(u32, Option<String>)>, RuntimeError> {
        let request = self.request(ListPidsRequest { container_id: container.to_owned() });
        let answer = call("Tasks.ListPids", DEADLINE, self.tasks().list_pids(request)).await?;
        let exec_of = |info: Option<Any>| {
            let info = info.filter(|info| info.type_url.ends_with("ProcessDetails"))?;
            let details = ProcessDetails::decode(info.value.as_slice()).ok()?;
            Some(details.exec_id).filter(|id| !id.is_empty())
        };
        Ok(answer.processes.into_iter().map(|one| (one.pid, exec_of(one.info))).collect())
    }
}
