//! `port-forward`: listens on this host and forwards each connection to a port of a pod.

use std::convert::Infallible;
use std::future::pending;
use std::net::{IpAddr, Ipv4Addr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{StreamExt, StreamMap};

use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::Io;
use super::namespace::Namespace;
use super::{names, nearby};
use probelet_api::pb;
use probelet_api::pb::port_forward_request::Message;

/// Connections that are forwarded at a time; the next ones wait. The daemon serves 200 calls of a client.
const CONNECTIONS: usize = 100;
/// Messages of a connection that may wait for the daemon.
const BACKLOG: usize = 16;
const CHUNK: usize = 32 << 10;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `NAME` or `pod/NAME`.
    #[arg(value_name = "POD")]
    pod: String,
    /// `PORT`, `LOCAL:PORT`, or `:PORT` for a free local port; may be repeated.
    #[arg(value_name = "[LOCAL:]PORT", required = true, value_parser = pair)]
    ports: Vec<(u16, u16)>,
    /// The address of this host on which it listens.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    local_address: IpAddr,
    #[command(flatten)]
    namespace: Namespace,
}

/// The local port, 0 for a free one, and the pod's port.
fn pair(text: &str) -> std::result::Result<(u16, u16), String> {
    let (local, port) = text.split_once(':').unwrap_or((text, text));
    let local = if local.is_empty() { "0" } else { local };
    match (local.parse(), port.parse()) {
        (Ok(local), Ok(port @ 1..)) => Ok((local, port)),
        _ => Err("must be PORT, LOCAL:PORT or :PORT, each from 1 to 65535".to_owned()),
    }
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        names::pod(&self.pod).map(drop)
    }
}

/// Forwards until it is interrupted. A connection that fails is reported, and the others go on.
pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let (namespace, name) = (args.namespace.name(), names::pod(&args.pod)?);
    let request = pb::GetPodRequest { namespace: namespace.clone(), name: name.clone() };
    let mut pods = client.pods();
    if let Err(error) = call(request, UNARY, |r| pods.get_pod(r)).await {
        return Err(nearby::explain(client, (&namespace, &name), error).await);
    }
    let mut listeners = StreamMap::new();
    for (local, port) in &args.ports {
        let listener = TcpListener::bind((args.local_address, *local)).await.map_err(|error| {
            let at = format!("{}:{local}", args.local_address);
            Error::Other(format!("cannot listen on {at}: {error}"))
                .hint(format!("`:{port}` takes a free port"))
        })?;
        io.line(&format!("Forwarding from {} -> {port}", listener.local_addr()?))?;
        listeners.insert((listener.local_addr()?, *port), TcpListenerStream::new(listener));
    }
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(((_, port), accepted)) = listeners.next(), if connections.len() < CONNECTIONS => {
                // An error is of a connection that its peer has given up already.
                let Ok(stream) = accepted else { continue };
                let start = pb::PortForwardStart {
                    name: name.clone(),
                    port: port.into(),
                    namespace: namespace.clone(),
                };
                connections.spawn(forward(client.clone(), start, stream));
            }
            Some(ended) = connections.join_next() => match ended {
                Ok(Err(error)) => io.report(&error)?,
                Ok(Ok(())) => {}
                Err(error) => return Err(Error::Other(format!("a connection: {error}"))),
            }
        }
    }
}

/// Forwards one connection until the pod has closed it.
async fn forward(client: Client, start: pb::PortForwardStart, stream: TcpStream) -> Result<()> {
    let (sender, requests) = mpsc::channel(BACKLOG);
    // The channel is empty, so this does not wait.
    let _ = sender.send(pb::PortForwardRequest { message: Some(Message::Start(start)) }).await;
    let mut pods = client.pods();
    let mut answers = pods.port_forward(ReceiverStream::new(requests)).await?.into_inner();
    let (from_here, mut to_here) = stream.into_split();
    let receiving = async {
        while let Some(answer) = answers.message().await? {
            // A local client that has left takes nothing more, which is no error.
            if to_here.write_all(&answer.data).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let result = tokio::select! {
        result = receiving => result,
        never = send(from_here, sender) => match never {},
    };
    // A connection that is broken already has no half to close.
    let _ = to_here.shutdown().await;
    result
}

/// Sends what the local client writes. Its end closes this half of the connection, and the pod may still
/// answer.
async fn send(
    mut from_here: OwnedReadHalf,
    to: mpsc::Sender<pb::PortForwardRequest>,
) -> Infallible {
    let mut chunk = vec![0; CHUNK];
    while let Ok(length) = from_here.read(&mut chunk).await {
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
        let message = Some(Message::Data(bytes.to_vec()));
        if to.send(pb::PortForwardRequest { message }).await.is_err() {
            break;
        }
    }
    drop(to);
    pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_written_as_in_kubectl() {
        assert_eq!(pair("8080"), Ok((8080, 8080)));
        assert_eq!(pair("8080:80"), Ok((8080, 80)));
        assert_eq!(pair(":80"), Ok((0, 80)));
        for text in ["", ":", "80:", "0", "x:80", "80:70000", "-1"] {
            assert!(pair(text).is_err(), "{text}");
        }
    }
}
