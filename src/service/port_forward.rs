//! `PortForward`: a connection to a port of a pod.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::error::{Error, Result, field};
use super::streams::{Sender, Streaming, Streams};
use crate::domain::exit::{Caller, Operator};
use crate::domain::spec::SpecError;
use crate::node::loopback;
use crate::pb::{self, port_forward_request::Message};
use crate::supervisor::Supervisor;

/// The time that a caller has to name the port.
const FIRST: Duration = Duration::from_secs(10);
/// Bytes that are read from a port at a time.
const CHUNK: usize = 32 << 10;

/// Forwards of ports.
#[derive(Clone)]
pub struct PortForwards {
    supervisor: Arc<Supervisor>,
    streams: Streams,
}

impl PortForwards {
    pub fn new(supervisor: Arc<Supervisor>, streams: Streams) -> Self {
        Self { supervisor, streams }
    }

    /// Opens the connection and forwards until the port has closed it, or the caller has left.
    pub async fn open(
        &self,
        by: Option<Caller>,
        mut requests: tonic::Streaming<pb::PortForwardRequest>,
    ) -> Result<Streaming<pb::PortForwardResponse>> {
        let first = tokio::time::timeout(FIRST, requests.message()).await;
        let first = first.map_err(|_| Error::NoStart)?;
        let first = first.map_err(|status| Error::CallerStream(Box::new(status)))?;
        let Some(Message::Start(start)) = first.and_then(|request| request.message) else {
            return Err(field("start", "Required value: it is the first message").into());
        };
        let port = u16::try_from(start.port).ok().filter(|port| *port > 0);
        let port = port.ok_or_else(|| SpecError::port_range("start.port", start.port))?;
        let pod = self.supervisor.find_recovered(&start.namespace, &start.name).await?;
        let target = self.supervisor.requests().running_task(&pod).await?;
        let connected = loopback::connect(target.as_ref(), port).await;
        let stream = connected.map_err(|error| Error::Port { port, pod: pod.clone(), error })?;
        let by = Operator::new("port-forward", by);
        tracing::info!(%pod, port, operator = %by, "a port is forwarded");
        Ok(self.streams.open(move |sender| async move {
            let (from_port, to_port) = stream.into_split();
            tokio::select! {
                () = send(from_port, &sender) => {}
                never = receive(requests, to_port) => match never {},
            }
        }))
    }
}

async fn send(mut from_port: OwnedReadHalf, sender: &Sender<pb::PortForwardResponse>) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(length) = from_port.read(&mut chunk).await {
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else { return };
        let response = pb::PortForwardResponse { data: bytes.to_vec() };
        if sender.send(Ok(response)).await.is_err() {
            return;
        }
    }
}

/// Writes what the caller sends, and closes this half of the connection after the last message. Then it
/// waits: the port may still answer.
async fn receive(
    mut requests: tonic::Streaming<pb::PortForwardRequest>,
    mut to_port: OwnedWriteHalf,
) -> Infallible {
    while let Ok(Some(request)) = requests.message().await {
        let Some(Message::Data(bytes)) = request.message else { break };
        if to_port.write_all(&bytes).await.is_err() {
            break;
        }
    }
    // A connection that is broken already has no half to close.
    let _ = to_port.shutdown().await;
    pending().await
}
