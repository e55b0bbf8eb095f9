//! A started task, held by its pidfd.

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
use tokio::sync::Semaphore;

use super::client::{Client, error};
use crate::domain::exit::Ending;
use crate::netns;
use crate::process::Process;
use crate::runtime::{ExecError, Executed, RuntimeError, Task, Turn};

/// For containerd to tell a status that the kernel did not. It may be down, or have lost it.
const ASK: Duration = Duration::from_secs(2);
const ASK_STEP: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct ContainerdTask {
    id: String,
    process: Process,
    client: Client,
    turn: Arc<Semaphore>,
}

impl ContainerdTask {
    pub(super) fn new(id: String, process: Process, client: Client) -> Self {
        Self { id, process, client, turn: Arc::new(Semaphore::new(1)) }
    }

    /// containerd's word on the ending. Has no deadline: it answers when the task ends.
    async fn wait(&self) -> Result<Ending, RuntimeError> {
        let request = WaitRequest { container_id: self.id.clone(), exec_id: String::new() };
        let answer = self.client.tasks().wait(self.client.request(request)).await;
        let answer = answer.map_err(|status| error("Tasks.Wait", ASK, &status))?;
        Ok(Ending::Reported(answer.into_inner().exit_status))
    }

    /// containerd may just be starting again, and then knows.
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
impl Task for ContainerdTask {
    fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn signal(&self, signal: i32) -> io::Result<()> {
        self.process.signal(signal)
    }

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

    async fn exec(&self, _: &[String], _: Duration, _: Turn) -> Result<Executed, ExecError> {
        Err(ExecError::Failed("not here yet".into()))
    }

    fn shim_memory(&self) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn ended(&self) -> Ending {
        // A Wait that fails (containerd is down) leaves the race to the pidfd.
        let reported = tokio::select! {
            biased;
            () = self.process.exited() => None,
            Ok(ending) = self.wait() => Some(ending),
        };
        // The kernel's word is better than containerd's: it tells `exit 137` from SIGKILL.
        let told = match reported {
            Some(_) => within(ASK, self.process.ended()).await.unwrap_or(Ending::Lost),
            None => self.process.ended().await,
        };
        match (told, reported) {
            (Ending::Lost, Some(reported)) => reported,
            (Ending::Lost, None) => self.ask().await.unwrap_or(Ending::Lost),
            (told, _) => told,
        }
    }
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}
