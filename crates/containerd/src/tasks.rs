//! The calls for tasks.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use containerd_client::services::v1::{
    CloseIoRequest, CreateTaskRequest, DeleteTaskRequest, GetRequest, KillRequest,
    ListTasksRequest, ResizePtyRequest, StartRequest, WaitRequest,
};
use containerd_client::types::v1::{Process, Status};
use probelet_domain::adopt::Stdio;
use probelet_runtime::{CallError, Mount, TaskState, TaskStatus, Tasks as TasksTrait};

use crate::bundles;
use crate::client::{Client, DEADLINE, SLOW_DEADLINE, error};
use crate::shims::Owner;
use crate::snapshots::to_mount;

/// The folder in which containerd's shim stores runc's state of containers, by namespace.
const RUNC: &str = "/run/containerd/runc";

/// The tasks of one namespace.
#[derive(Debug, Clone)]
pub struct Tasks {
    client: Client,
    /// containerd's socket, which identifies its shims.
    socket: Arc<Path>,
}

impl Tasks {
    pub fn new(client: Client, socket: Arc<Path>) -> Self {
        Self { client, socket }
    }

    fn owner(&self, id: &str, cgroup: &str) -> Owner {
        Owner {
            socket: self.socket.to_path_buf(),
            namespace: self.client.namespace().to_owned(),
            id: id.to_owned(),
            cgroup: cgroup.to_owned(),
        }
    }

    /// True if containerd does not have the task.
    async fn is_missing(&self, id: &str) -> Result<bool, CallError> {
        match self.state(id).await {
            Err(CallError::NotFound(_)) => Ok(true),
            other => other.map(|_| false),
        }
    }
}

#[async_trait]
impl TasksTrait for Tasks {
    async fn create(&self, id: &str, rootfs: Vec<Mount>, stdio: &Stdio) -> Result<u32, CallError> {
        let request = self.client.request(CreateTaskRequest {
            container_id: id.to_owned(),
            rootfs: rootfs.into_iter().map(to_mount).collect(),
            stdin: stdio.stdin.clone(),
            stdout: stdio.stdout.clone(),
            stderr: stdio.stderr.clone(),
            terminal: stdio.terminal,
            ..CreateTaskRequest::default()
        });
        let mut tasks = self.client.tasks();
        let created = tasks.create(request);
        Ok(self.client.call("Tasks.Create", SLOW_DEADLINE, created).await?.pid)
    }

    async fn start(&self, id: &str) -> Result<(), CallError> {
        let (container_id, exec_id) = (id.to_owned(), String::new());
        let request = self.client.request(StartRequest { container_id, exec_id });
        let mut tasks = self.client.tasks();
        let started = tasks.start(request);
        self.client.call("Tasks.Start", SLOW_DEADLINE, started).await.map(drop)
    }

    async fn state(&self, id: &str) -> Result<TaskState, CallError> {
        let (container_id, exec_id) = (id.to_owned(), String::new());
        let request = self.client.request(GetRequest { container_id, exec_id });
        let mut tasks = self.client.tasks();
        let answer = self.client.call("Tasks.Get", DEADLINE, tasks.get(request)).await?;
        let missing = || CallError::NotFound(format!("task {id}").into());
        answer.process.map(state).ok_or_else(missing)
    }

    async fn list(&self) -> Result<Vec<(String, TaskStatus)>, CallError> {
        let request = self.client.request(ListTasksRequest::default());
        let mut tasks = self.client.tasks();
        let answer = self.client.call("Tasks.List", DEADLINE, tasks.list(request)).await?;
        let status = |task: Process| (task.id.clone(), status(task.status()));
        Ok(answer.tasks.into_iter().map(status).collect())
    }

    async fn wait(&self, id: &str) -> Result<u32, CallError> {
        let (container_id, exec_id) = (id.to_owned(), String::new());
        let request = self.client.request(WaitRequest { container_id, exec_id });
        let answer = self.client.tasks().wait(request).await;
        let answer = answer.map_err(|status| error("Tasks.Wait", Duration::ZERO, status))?;
        Ok(answer.into_inner().exit_status)
    }

    async fn kill_all(&self, id: &str) -> Result<(), CallError> {
        let request = self.client.request(KillRequest {
            container_id: id.to_owned(),
            exec_id: String::new(),
            signal: 9,
            all: true,
        });
        let mut tasks = self.client.tasks();
        self.client.call("Tasks.Kill", DEADLINE, tasks.kill(request)).await.map(drop)
    }

    async fn delete(&self, id: &str) -> Result<(), CallError> {
        let request = self.client.request(DeleteTaskRequest { container_id: id.to_owned() });
        let mut tasks = self.client.tasks();
        self.client.call("Tasks.Delete", DEADLINE, tasks.delete(request)).await.map(drop)
    }

    async fn close_stdin(&self, id: &str) -> Result<(), CallError> {
        let (container_id, exec_id) = (id.to_owned(), String::new());
        let request = self.client.request(CloseIoRequest { container_id, exec_id, stdin: true });
        let mut tasks = self.client.tasks();
        self.client.call("Tasks.CloseIO", DEADLINE, tasks.close_io(request)).await.map(drop)
    }

    async fn resize(&self, id: &str, width: u32, height: u32) -> Result<(), CallError> {
        let (container_id, exec_id) = (id.to_owned(), String::new());
        let request = ResizePtyRequest { container_id, exec_id, width, height };
        let (request, mut tasks) = (self.client.request(request), self.client.tasks());
        self.client.call("Tasks.ResizePty", DEADLINE, tasks.resize_pty(request)).await.map(drop)
    }

    /// containerd kills a creation whose caller died: init waits until runc's start has opened a
    /// FIFO, and removes it then.
    async fn never_ran(&self, id: &str) -> bool {
        let fifo = Path::new(RUNC).join(self.client.namespace()).join(id).join("exec.fifo");
        tokio::fs::symlink_metadata(fifo).await.is_ok()
    }

    async fn end_lost_shim(&self, id: &str, cgroup: &str) -> Result<(), CallError> {
        if !self.is_missing(id).await? {
            return Ok(());
        }
        let owner = self.owner(id, cgroup);
        let failed = |error: &dyn std::fmt::Display| {
            CallError::failed(format!("a shim of {id} that is left cannot be ended: {error}"))
        };
        let ended = tokio::task::spawn_blocking(move || owner.end()).await;
        match ended.map_err(|error| failed(&error))?.map_err(|error| failed(&error))? {
            0 => {}
            shims => tracing::warn!(id, shims, "left by a containerd that died; killed"),
        }
        Ok(())
    }

    async fn remove_bundle(&self, id: &str, cgroup: &str, bundle: &Path) -> Result<(), CallError> {
        let failed = |why: &dyn std::fmt::Display| {
            CallError::failed(format!("bundle {} cannot be removed: {why}", bundle.display()))
        };
        if !self.is_missing(id).await? {
            return Err(failed(&"containerd has its task"));
        }
        if !bundles::is_bundle(bundle, self.client.namespace(), id) {
            return Err(failed(&"it is not this task's"));
        }
        let (owner, folder) = (self.owner(id, cgroup), bundle.to_owned());
        let removed = tokio::task::spawn_blocking(move || {
            let shims = owner.end()?;
            let bundle = folder.display();
            tracing::warn!(%bundle, shims, "left by a containerd that died; removed");
            bundles::remove(&folder)
        });
        removed.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }
}

/// The state of a task or a command, from containerd's answer.
pub fn state(process: Process) -> TaskState {
    let (status, pid, exit_status) = (status(process.status()), process.pid, process.exit_status);
    let Process { stdin, stdout, stderr, terminal, exited_at, .. } = process;
    let exited_at = exited_at.and_then(|at| SystemTime::try_from(at).ok());
    let stdio = Stdio { stdin, stdout, stderr, terminal };
    TaskState { status, pid, exit_status, exited_at, stdio }
}

fn status(status: Status) -> TaskStatus {
    match status {
        Status::Created => TaskStatus::Created,
        Status::Running => TaskStatus::Running,
        Status::Pausing | Status::Paused => TaskStatus::Paused,
        Status::Stopped => TaskStatus::Stopped,
        Status::Unknown => TaskStatus::Unknown,
    }
}
