//! Port-forward: TCP connections to a pod's loopback, opened in its network namespace, whatever
//! carries them.
//!
//! [`PortForward::open`] finds a running container before the answer 101, and [`PortForward::run`]
//! serves connections behind it. Each one finds the pod's running task anew, so a forward survives a
//! restart of the container. A port that cannot be reached has a text on its error stream.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use probelet_kube_wire::status::Status;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::exchange::{FromClient, Gone, Incoming, ToClient, Until, UntilGone};
use super::sources::of_supervisor;
use crate::domain::exit::Operator;
use crate::domain::pod_key::PodKey;
use crate::node::{Target, loopback};
use crate::supervisor::{Supervisor, SupervisorError};

/// The time to find the running task.
const CONNECT: Duration = Duration::from_secs(10);
/// How often a pod is asked that has too many requests, with a pause before each further try.
const BUSY_TRIES: u32 = 250;
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Bytes that are read from a port at a time.
const CHUNK: usize = 32 << 10;
/// The time that ports have to take what a client has sent before it left.
const FINISHING: Duration = Duration::from_secs(5);
/// Bytes of the client that may wait, for all ports together.
pub const WAITING: usize = 8 << 20;

/// A port-forward that a user asks for.
pub struct PortForward {
    pub pod: Arc<dyn Pod>,
    pub until: Until,
}

/// The pod whose ports are forwarded.
#[async_trait]
pub trait Pod: Send + Sync {
    fn name(&self) -> &str;

    /// A running task, through which the pod's network is reached.
    async fn target(&self) -> Result<Arc<dyn Target>, Status>;
}

/// A pod of the supervisor.
struct RunningPod {
    key: PodKey,
    supervisor: Arc<Supervisor>,
    /// Few requests of a pod may wait, so the connections of a forward ask one after the other.
    asking: Mutex<()>,
}

#[async_trait]
impl Pod for RunningPod {
    fn name(&self) -> &str {
        self.key.name()
    }

    async fn target(&self) -> Result<Arc<dyn Target>, Status> {
        let _asking = self.asking.lock().await;
        let mut tries = 1;
        loop {
            match self.supervisor.requests().running_task(&self.key).await {
                // Other clients fill the queue.
                Err(SupervisorError::Busy(_)) if tries < BUSY_TRIES => sleep(BUSY_PAUSE).await,
                task => return Ok(task.map_err(|error| of_supervisor(&self.key, error))?),
            }
            tries += 1;
        }
    }
}

/// A connection that the client asks for, with its two streams.
pub struct Forwarded {
    pub port: u16,
    pub from: FromClient,
    pub data: ToClient,
    pub error: ToClient,
}

impl PortForward {
    /// # Errors
    ///
    /// The status of a pod that does not exist or does not run.
    pub async fn open(
        supervisor: Arc<Supervisor>,
        key: PodKey,
        until: Until,
    ) -> Result<Self, Status> {
        let pod = RunningPod { key, supervisor, asking: Mutex::default() };
        pod.target().await?;
        let by = Operator::new("port-forward", Some(until.identity.caller()));
        let user = until.identity.name();
        tracing::info!(pod = %pod.key, user, operator = %by, "ports are forwarded");
        Ok(Self { pod: Arc::new(pod), until })
    }

    /// Serves the connections until all have ended and no more can come, or the client has left.
    pub async fn run(&self, mut forwarded: mpsc::Receiver<Forwarded>, mut gone: UntilGone<'_>) {
        // Dropping the set ends the connections.
        let mut connections = JoinSet::new();
        let mut has_more = true;
        let end = loop {
            if !has_more && connections.is_empty() {
                return;
            }
            tokio::select! {
                gone = &mut gone => break gone,
                one = forwarded.recv(), if has_more => match one {
                    Some(one) => drop(connections.spawn(one.serve(self.pod.clone()))),
                    None => has_more = false,
                },
                Some(_) = connections.join_next() => {}
            }
        };
        // The ends of the client's streams.
        drop(gone);
        if end == Gone::Left {
            // The ports get what the client has sent before it left.
            let finishing = async { while connections.join_next().await.is_some() {} };
            let _ = timeout(FINISHING, finishing).await;
        }
    }
}

impl Forwarded {
    async fn serve(self, pod: Arc<dyn Pod>) {
        let Self { port, mut from, data, error } = self;
        let aborted = from.aborted();
        let failed = match connect(pod.as_ref(), port).await {
            Ok(stream) => tokio::select! {
                () = copy(stream, &mut from, &data) => None,
                () = aborted.cancelled() => {
                    Some("it takes no data, which stops other connections".to_owned())
                }
            },
            Err(why) => Some(why),
        };
        // What waits makes room for others, whether the client reads or not.
        drop(from);
        match failed {
            None => data.end().await,
            Some(why) => {
                let name = pod.name();
                let text = format!("error forwarding port {port} to pod {name}: {why}");
                error.data(text.into_bytes()).await;
                data.reset().await;
            }
        }
        error.end().await;
    }
}

/// Copies in both directions until the port sends no more.
async fn copy(stream: TcpStream, from: &mut FromClient, data: &ToClient) {
    let (mut from_port, mut to_port) = stream.into_split();
    let reading = async {
        let mut chunk = vec![0; CHUNK];
        while let Ok(length) = from_port.read(&mut chunk).await {
            let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
            data.data(bytes.to_vec()).await;
        }
    };
    let writing = async {
        let mut has_left = false;
        loop {
            match from.next().await {
                Some(Incoming::Data(bytes, _share)) => {
                    if to_port.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
                Some(Incoming::End) => break,
                None => {
                    has_left = true;
                    break;
                }
            }
        }
        // A connection that is broken already has no half to close.
        let _ = to_port.shutdown().await;
        // What the client sends from now on is dropped. The stream ends when it leaves.
        while !has_left {
            has_left = from.next().await.is_none();
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}

/// Connects to the port of the pod's running task.
async fn connect(pod: &dyn Pod, port: u16) -> Result<TcpStream, String> {
    let found = timeout(CONNECT, pod.target()).await;
    let found = found.map_err(|_| format!("pod {:?} has not answered in time", pod.name()))?;
    let target = found.map_err(|status| status.message().to_owned())?;
    loopback::connect(target.as_ref(), port).await.map_err(|error| error.to_string())
}

#[cfg(test)]
pub mod tests;
