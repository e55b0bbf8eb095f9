//! The way to the daemon. Nothing here waits without a bound, streams aside.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri};
use tonic::{Request, Response, Status};

use super::args::Cli;
use super::error::{Error, Result, with_causes};
use super::remote_args::Remote;
use crate::files;
use crate::pb;
use crate::pb::containers_client::ContainersClient;
use crate::pb::events_client::EventsClient;
use crate::pb::images_client::ImagesClient;
use crate::pb::meta_client::MetaClient;
use crate::pb::pods_client::PodsClient;

const CONNECT: Duration = Duration::from_secs(5);
/// A daemon by TCP that is silent is asked whether it is still there, and has as long again.
const KEEPALIVE: Duration = Duration::from_secs(20);
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
/// Of an answer, trailers with an error's details included.
const HEADERS: u32 = 64 << 10;

#[derive(Clone)]
pub(super) struct Client {
    channel: Channel,
}

impl Client {
    pub(super) async fn connect(cli: &Cli) -> Result<Self> {
        match cli.remote.remote()? {
            Some(remote) => Self::over_tcp(&remote).await,
            None => Self::by_socket(&cli.socket).await,
        }
    }

    async fn by_socket(socket: &Path) -> Result<Self> {
        let path = socket.to_owned();
        let connector = tower::service_fn(move |_: Uri| open(path.clone()));
        // The address is never looked up: the connector goes to the socket.
        let endpoint = Endpoint::from_static("http://probelet").http2_max_header_list_size(HEADERS);
        let connecting = endpoint.connect_with_connector(connector);
        Self::within(socket.display().to_string(), connecting).await
    }

    async fn over_tcp(remote: &Remote<'_>) -> Result<Self> {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(pem(remote.authority)?))
            .identity(Identity::from_pem(pem(remote.certificate)?, pem(remote.key)?));
        if let Some(name) = remote.name {
            tls = tls.domain_name(name);
        }
        let at = remote.address.to_string();
        let endpoint = Endpoint::from_shared(format!("https://{at}"))
            .and_then(|endpoint| endpoint.tls_config(tls))
            .map_err(|error| Error::Other(format!("{:#}", anyhow::Error::from(error))))?
            .http2_max_header_list_size(HEADERS)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE);
        let client = Self::within(at.clone(), endpoint.connect()).await?;
        // Whether the daemon accepts the certificate shows after the handshake, in what follows.
        let mut meta = client.meta();
        match call(pb::GetVersionRequest {}, CONNECT, |r| meta.get_version(r)).await {
            Err(Error::Status(status)) => {
                let cause = with_causes(status.message().to_owned(), &*status);
                let cause = format!(
                    "{cause}; is your certificate signed by a root of its --tls-client-ca, with \
                     the extended key usage clientAuth?"
                );
                Err(Error::Connect { at, cause })
            }
            answer => answer.map(|_| client),
        }
    }

    async fn within(
        at: String,
        connecting: impl Future<Output = std::result::Result<Channel, tonic::transport::Error>>,
    ) -> Result<Self> {
        match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(channel)) => Ok(Self { channel }),
            Ok(Err(error)) => Err(refused(at, &error)),
            Err(_) => {
                let cause = format!("no answer within {} s", CONNECT.as_secs());
                Err(Error::Connect { at, cause })
            }
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

fn pem(path: &Path) -> Result<Vec<u8>> {
    files::read(path, files::CONFIGURATION)
        .map_err(|error| Error::Other(format!("{}: {error}", path.display())))
}

fn refused(at: String, error: &tonic::transport::Error) -> Error {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            let cause = io.to_string();
            return match io.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    Error::NotRunning { at, cause }
                }
                _ => Error::Connect { at, cause },
            };
        }
        source = inner.source();
    }
    Error::Connect { at, cause: with_causes(error.to_string(), error) }
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
