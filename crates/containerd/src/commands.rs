//! The calls for commands in a task.

use std::time::Duration;

use async_trait::async_trait;
use containerd_client::services::v1::{
    CloseIoRequest, DeleteProcessRequest, ExecProcessRequest, GetRequest, KillRequest,
    ListPidsRequest, ResizePtyRequest, StartRequest, WaitRequest,
};
use probelet_runtime::{CallError, Commands as CommandsTrait, Exec, ExecStdio, TaskState};
use prost::Message;
use prost_types::Any;

use crate::client::{Client, DEADLINE, SLOW_DEADLINE, error};
use crate::tasks::state;

const PROCESS_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/Process";
/// containerd waits up to 10 s for processes that still hold the command's stdout.
const DELETE_DEADLINE: Duration = Duration::from_secs(20);

/// `containerd.runc.v1.ProcessDetails`, which the client crate does not have.
#[derive(Clone, PartialEq, Message)]
struct ProcessDetails {
    #[prost(string, tag = "1")]
    exec_id: String,
}

/// The commands of one namespace.
#[derive(Debug, Clone)]
pub struct Commands {
    client: Client,
}

impl Commands {
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

fn names(exec: Exec<'_>) -> (String, String) {
    (exec.container.to_owned(), exec.id.to_owned())
}

#[async_trait]
impl CommandsTrait for Commands {
    async fn create(&self, exec: Exec<'_>, process: &[u8], io: ExecStdio) -> Result<(), CallError> {
        let (container_id, exec_id) = names(exec);
        let ExecStdio { stdin, stdout, stderr, terminal } = io;
        let request = self.client.request(ExecProcessRequest {
            container_id,
            exec_id,
            stdin,
            stdout,
            stderr,
            terminal,
            spec: Some(Any { type_url: PROCESS_TYPE.to_owned(), value: process.to_vec() }),
        });
        let mut tasks = self.client.tasks();
        self.client.call("Tasks.Exec", DEADLINE, tasks.exec(request)).await.map(drop)
    }

    /// Wait and Delete report no error for a command that cannot run.
    async fn start(&self, exec: Exec<'_>) -> Result<u32, CallError> {
        let (container_id, exec_id) = names(exec);
        let request = self.client.request(StartRequest { container_id, exec_id });
        let mut tasks = self.client.tasks();
        Ok(self.client.call("Tasks.Start", SLOW_DEADLINE, tasks.start(request)).await?.pid)
    }

    async fn wait(&self, exec: Exec<'_>) -> Result<u32, CallError> {
        let (container_id, exec_id) = names(exec);
        let request = self.client.request(WaitRequest { container_id, exec_id });
        let answer = self.client.tasks().wait(request).await;
        let answer = answer.map_err(|status| error("Tasks.Wait", Duration::ZERO, status))?;
        Ok(answer.into_inner().exit_status)
    }

    async fn state(&self, exec: Exec<'_>) -> Result<TaskState, CallError> {
        let (container_id, exec_id) = names(exec);
        let request = self.client.request(GetRequest { container_id, exec_id });
        let mut tasks = self.client.tasks();
        let answer = self.client.call("Tasks.Get", DEADLINE, tasks.get(request)).await?;
        let missing = || CallError::NotFound(format!("a command in {}", exec.container).into());
        answer.process.map(state).ok_or_else(missing)
    }

    async fn kill(&self, exec: Exec<'_>) -> Result<(), CallError> {
        let (container_id, exec_id) = names(exec);
        let request = KillRequest { container_id, exec_id, signal: 9, all: false };
        let (request, mut tasks) = (self.client.request(request), self.client.tasks());
        self.client.call("Tasks.Kill", DEADLINE, tasks.kill(request)).await.map(drop)
    }

    async fn close_stdin(&self, exec: Exec<'_>) -> Result<(), CallError> {
        let (container_id, exec_id) = names(exec);
        let request = CloseIoRequest { container_id, exec_id, stdin: true };
        let (request, mut tasks) = (self.client.request(request), self.client.tasks());
        self.client.call("Tasks.CloseIO", DEADLINE, tasks.close_io(request)).await.map(drop)
    }

    async fn resize(&self, exec: Exec<'_>, width: u32, height: u32) -> Result<(), CallError> {
        let (container_id, exec_id) = names(exec);
        let request = ResizePtyRequest { container_id, exec_id, width, height };
        let (request, mut tasks) = (self.client.request(request), self.client.tasks());
        self.client.call("Tasks.ResizePty", DEADLINE, tasks.resize_pty(request)).await.map(drop)
    }

    async fn delete(&self, exec: Exec<'_>) -> Result<(), CallError> {
        let (container_id, exec_id) = names(exec);
        let request = self.client.request(DeleteProcessRequest { container_id, exec_id });
        let mut tasks = self.client.tasks();
        let deleted = tasks.delete_process(request);
        self.client.call("Tasks.DeleteProcess", DELETE_DEADLINE, deleted).await.map(drop)
    }

    async fn processes(&self, container: &str) -> Result<Vec<(u32, Option<String>)>, CallError> {
        let request = self.client.request(ListPidsRequest { container_id: container.to_owned() });
        let mut tasks = self.client.tasks();
        let answer = self.client.call("Tasks.ListPids", DEADLINE, tasks.list_pids(request)).await?;
        let exec_of = |info: Option<Any>| {
            let info = info.filter(|info| info.type_url.ends_with("ProcessDetails"))?;
            let details = ProcessDetails::decode(info.value.as_slice()).ok()?;
            Some(details.exec_id).filter(|id| !id.is_empty())
        };
        Ok(answer.processes.into_iter().map(|one| (one.pid, exec_of(one.info))).collect())
    }
}
