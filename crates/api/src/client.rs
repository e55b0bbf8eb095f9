//! A typed client of the daemon, over its Unix socket or over TCP with TLS. A connection, and each
//! call by [`call`], has a deadline.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri};
use tonic::{Request, Response, Status};

use crate::pb;
use crate::pb::containers_client::ContainersClient;
use crate::pb::events_client::EventsClient;
use crate::pb::images_client::ImagesClient;
use crate::pb::kubeconfigs_client::KubeconfigsClient;
use crate::pb::meta_client::MetaClient;
use crate::pb::pods_client::PodsClient;

const CONNECT: Duration = Duration::from_secs(5);
/// The time without traffic after which a daemon is pinged over TCP, and the time that it has to
/// answer the ping.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// The deadline, 60 s, of a call that only the daemon answers: it waits for no container.
pub const UNARY: Duration = Duration::from_secs(60);
/// Bytes of one answer: a list of pods or containers may exceed tonic's default of 4 MiB.
const MESSAGE: usize = 64 << 20;
/// Bytes of the headers of an answer, which include the trailers with an error's details.
const HEADERS: u32 = 64 << 10;

/// The reason that a connection failed.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No process listens on the socket or address.
    #[error("probelet is not running at {at}: {cause}")]
    NotRunning {
        /// The socket or the address.
        at: String,
        /// The error of the operating system.
        cause: String,
    },
    /// The caller may not use the socket.
    #[error("cannot connect to probelet at {at}: {cause}")]
    Denied {
        /// The socket or the address.
        at: String,
        /// The error of the operating system.
        cause: String,
    },
    /// The connection was refused, broke, or took longer than 5 s.
    #[error("cannot connect to probelet at {at}: {cause}")]
    Failed {
        /// The socket or the address.
        at: String,
        /// The errors from the outermost to the innermost.
        cause: String,
    },
}

/// The failure of a call.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The daemon, or the connection to it, answered with a status.
    #[error("{}", .0.message())]
    Status(#[from] Box<Status>),
    /// The daemon did not answer before the deadline, in seconds. The request may still be carried
    /// out.
    #[error("probelet did not answer within {0} s; what was asked for may still happen")]
    Deadline(u64),
}

/// A daemon that listens on TCP (`--listen`), and the credentials of the caller, all in PEM.
#[derive(Clone)]
pub struct Remote {
    /// `HOST:PORT`.
    pub address: String,
    /// The certificates of the authorities that may have signed the daemon's certificate.
    pub authority: Vec<u8>,
    /// The caller's certificate, followed by its intermediates.
    pub certificate: Vec<u8>,
    /// The key of the caller's certificate.
    pub key: Vec<u8>,
    /// The name in the daemon's certificate; the host of `address` if it is `None`.
    pub name: Option<String>,
}

/// Without the key, which must reach no log.
impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, name, .. } = self;
        f.debug_struct("Remote")
            .field("address", address)
            .field("name", name)
            .finish_non_exhaustive()
    }
}

/// A connection to one daemon. Clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
}

impl Client {
    /// Connects to the daemon that owns this Unix socket, within 5 seconds.
    ///
    /// # Errors
    ///
    /// [`ConnectError::NotRunning`] if no process listens on the socket,
    /// [`ConnectError::Denied`] if the caller may not use it, else [`ConnectError::Failed`].
    pub async fn by_socket(socket: &Path) -> Result<Self, ConnectError> {
        let path = socket.to_owned();
        let connector = tower::service_fn(move |_: Uri| open(path.clone()));
        // The address is not resolved: the connector opens the socket.
        let endpoint = Endpoint::from_static("http://probelet").http2_max_header_list_size(HEADERS);
        let connecting = endpoint.connect_with_connector(connector);
        Self::connected(socket.display().to_string(), connecting).await
    }

    /// Connects to a daemon by TCP, within 5 seconds, and makes a first call: without an error the
    /// daemon has accepted the caller's certificate.
    ///
    /// # Errors
    ///
    /// [`ConnectError::NotRunning`] if no process listens at the address, else
    /// [`ConnectError::Failed`], also for credentials that are not valid.
    pub async fn over_tcp(remote: &Remote) -> Result<Self, ConnectError> {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&remote.authority))
            .identity(Identity::from_pem(&remote.certificate, &remote.key));
        if let Some(name) = &remote.name {
            tls = tls.domain_name(name);
        }
        let at = remote.address.clone();
        let endpoint = Endpoint::from_shared(format!("https://{at}"))
            .and_then(|endpoint| endpoint.tls_config(tls))
            .map_err(|error| refused(at.clone(), &error))?
            .http2_max_header_list_size(HEADERS)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE);
        let client = Self::connected(at.clone(), endpoint.connect()).await?;
        // In TLS 1.3 the daemon refuses a certificate only after the handshake, at the first call.
        let mut meta = client.meta();
        match call(pb::GetVersionRequest {}, CONNECT, |r| meta.get_version(r)).await {
            Err(CallError::Status(status)) => {
                let cause = with_causes(status.message().to_owned(), &*status);
                let cause = format!(
                    "{cause}; is your certificate signed by a root of its --tls-client-ca, with \
                     the extended key usage clientAuth?"
                );
                Err(ConnectError::Failed { at, cause })
            }
            Err(error @ CallError::Deadline(_)) => {
                Err(ConnectError::Failed { at, cause: error.to_string() })
            }
            Ok(_) => Ok(client),
        }
    }

    async fn connected(
        at: String,
        connecting: impl Future<Output = Result<Channel, tonic::transport::Error>>,
    ) -> Result<Self, ConnectError> {
        match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(channel)) => Ok(Self { channel }),
            Ok(Err(error)) => Err(refused(at, &error)),
            Err(_) => {
                let cause = format!("no answer within {} s", CONNECT.as_secs());
                Err(ConnectError::Failed { at, cause })
            }
        }
    }

    /// A client of the service `Pods`.
    #[must_use]
    pub fn pods(&self) -> PodsClient<Channel> {
        PodsClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE)
    }

    /// A client of the service `Containers`.
    #[must_use]
    pub fn containers(&self) -> ContainersClient<Channel> {
        ContainersClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE)
    }

    /// A client of the service `Images`.
    #[must_use]
    pub fn images(&self) -> ImagesClient<Channel> {
        ImagesClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE)
    }

    /// A client of the service `Kubeconfigs`.
    #[must_use]
    pub fn kubeconfigs(&self) -> KubeconfigsClient<Channel> {
        KubeconfigsClient::new(self.channel.clone())
    }

    /// A client of the service `Meta`.
    #[must_use]
    pub fn meta(&self) -> MetaClient<Channel> {
        MetaClient::new(self.channel.clone())
    }

    /// A client of the service `Events`.
    #[must_use]
    pub fn events(&self) -> EventsClient<Channel> {
        EventsClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE)
    }
}

async fn open(path: PathBuf) -> io::Result<TokioIo<UnixStream>> {
    Ok(TokioIo::new(UnixStream::connect(path).await?))
}

fn refused(at: String, error: &tonic::transport::Error) -> ConnectError {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            let cause = io.to_string();
            return match io.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    ConnectError::NotRunning { at, cause }
                }
                io::ErrorKind::PermissionDenied => ConnectError::Denied { at, cause },
                _ => ConnectError::Failed { at, cause },
            };
        }
        source = inner.source();
    }
    ConnectError::Failed { at, cause: with_causes(error.to_string(), error) }
}

/// Makes one unary call with a deadline, which is sent to the daemon too.
///
/// # Errors
///
/// The status of the daemon or the connection, or [`CallError::Deadline`].
pub async fn call<Req, Res, Fut>(
    message: Req,
    deadline: Duration,
    method: impl FnOnce(Request<Req>) -> Fut,
) -> Result<Res, CallError>
where
    Fut: Future<Output = Result<Response<Res>, Status>>,
{
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    match tokio::time::timeout(deadline, method(request)).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(Box::new(status).into()),
        Err(_) => Err(CallError::Deadline(deadline.as_secs())),
    }
}

/// A message, followed by those causes of the error that it does not contain.
#[must_use]
pub fn with_causes(message: String, error: &dyn StdError) -> String {
    let mut text = message;
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        cause = error.source();
    }
    text
}
