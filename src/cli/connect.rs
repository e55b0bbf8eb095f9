//! The way to the daemon. Nothing here waits without a bound, streams aside.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Response, Status};

use super::error::{Error, Result};
use crate::pb::containers_client::ContainersClient;
use crate::pb::events_client::EventsClient;
use crate::pb::images_client::ImagesClient;
use crate::pb::meta_client::MetaClient;
use crate::pb::pods_client::PodsClient;

const CONNECT: Duration = Duration::from_secs(5);
/// For calls that wait for nothing but the daemon.
pub(super) const UNARY: Duration = Duration::from_secs(60);
/// What the daemon itself allows a start, and some: its answer tells more than our deadline.
pub(super) const START: Duration = Duration::from_secs(90);
/// On top of a probe's own timeout: what the daemon allows the queue of exec probes, and some.
pub(super) const PROBE: Duration = Duration::from_secs(120);
/// containerd clears what the image alone held.
pub(super) const REMOVE_IMAGE: Duration = Duration::from_secs(150);
/// On top of a grace period: containerd's own time to kill, unmount and forget.
const AFTER_GRACE: Duration = Duration::from_secs(30);
/// Pods are small, but a list of them with statuses is not bound by tonic's 4 MiB.
const MESSAGE: usize = 64 << 20;

#[derive(Clone)]
pub(super) struct Client {
    channel: Channel,
}

impl Client {
    pub(super) async fn connect(socket: &Path) -> Result<Self> {
        let path = socket.to_owned();
        let connector = tower::service_fn(move |_: Uri| open(path.clone()));
        // The address is never looked up: the connector goes to the socket.
        let endpoint = Endpoint::from_static("http://probelet");
        let connecting = endpoint.connect_with_connector(connector);
        match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(channel)) => Ok(Self { channel }),
            Ok(Err(error)) => Err(refused(socket, &error)),
            Err(_) => Err(Error::Connect {
                socket: socket.to_owned(),
                cause: format!("no answer within {} s", CONNECT.as_secs()),
            }),
        }
    }

    pub(super) fn pods(&self) -> PodsClient<Channel> {
        PodsClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE)
    }

    pub(super) fn containers(&self) -> ContainersClient<Channel> {
        ContainersClient::new(self.channel.clone())
    }

    pub(super) fn images(&self) -> ImagesClient<Channel> {
        ImagesClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE)
    }

    pub(super) fn meta(&self) -> MetaClient<Channel> {
        MetaClient::new(self.channel.clone())
    }

    pub(super) fn events(&self) -> EventsClient<Channel> {
        EventsClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE)
    }
}

async fn open(path: PathBuf) -> io::Result<TokioIo<UnixStream>> {
    Ok(TokioIo::new(UnixStream::connect(path).await?))
}

fn refused(socket: &Path, error: &tonic::transport::Error) -> Error {
    let socket = socket.to_owned();
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            let cause = io.to_string();
            return match io.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    Error::NotRunning { socket, cause }
                }
                _ => Error::Connect { socket, cause },
            };
        }
        source = inner.source();
    }
    Error::Connect { socket, cause: error.to_string() }
}

/// One unary call with a deadline that the daemon learns of as well.
pub(super) async fn call<Req, Res, Fut>(
    message: Req,
    deadline: Duration,
    method: impl FnOnce(Request<Req>) -> Fut,
) -> Result<Res>
where
    Fut: Future<Output = std::result::Result<Response<Res>, Status>>,
{
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    match tokio::time::timeout(deadline, method(request)).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(Error::Other(format!(
            "probelet did not answer within {} s; what was asked for may still happen",
            deadline.as_secs()
        ))),
    }
}

pub(super) fn deadline_for(grace: Duration) -> Duration {
    grace.saturating_add(AFTER_GRACE)
}
