//! The connection to the daemon that the flags name, and how long each kind of call may take.

use std::path::{Path, PathBuf};
use std::time::Duration;

use probelet_api::client::{self, ConnectError};
pub use probelet_api::client::{Client, UNARY};
use tonic::{Code, Request, Response, Status};

use super::error::{Error, Result};
use super::remote_args::RemoteArgs;

/// The time for a start, above the daemon's own limit: the daemon's answer has the reason.
pub const START: Duration = Duration::from_secs(90);
/// The time for a probe beyond its timeout, above the daemon's limit for the queue of exec probes.
pub const PROBE: Duration = Duration::from_secs(120);
/// The time for the removal of an image: containerd cleans up what only the image used.
pub const REMOVE_IMAGE: Duration = Duration::from_secs(150);
/// The time for a stop beyond its grace period: containerd kills, unmounts and deletes.
const AFTER_GRACE: Duration = Duration::from_secs(30);

// The flags of all verbs.
#[allow(missing_docs, reason = "clap would print a doc comment as the program's description")]
#[derive(Debug, clap::Args)]
pub struct Connection {
    /// The daemon's Unix socket.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "PROBELET_SOCKET",
        default_value = SOCKET
    )]
    socket: PathBuf,
    #[command(flatten)]
    remote: RemoteArgs,
}

impl Default for Connection {
    fn default() -> Self {
        Self { socket: SOCKET.into(), remote: RemoteArgs::default() }
    }
}

impl Connection {
    /// The path of the daemon's socket.
    pub fn socket(&self) -> &PathBuf {
        &self.socket
    }

    /// Connects to the daemon.
    pub async fn connect(&self) -> Result<Client> {
        Ok(match self.remote.remote()? {
            Some(remote) => Client::over_tcp(&remote).await?,
            None => Client::by_socket(&self.socket).await.map_err(|error| self.hint(error))?,
        })
    }

    /// Adds to an error what to do about it.
    pub fn explain(&self, error: Error) -> Error {
        match error.code() {
            Some(Code::Unimplemented) => error.hint(
                "the server there is not probelet, or it is of an older version: `probelet version`",
            ),
            Some(_) if error.is_lost_connection() => error.hint(
                "the daemon has stopped or was restarted, and containers run on: `systemctl status probelet`",
            ),
            _ => error,
        }
    }

    fn hint(&self, error: ConnectError) -> Error {
        let hint = match &error {
            ConnectError::Denied { .. } => {
                "root and members of the group probelet may use the socket: \
                 `usermod -aG probelet USER` as root, then log in again"
                    .to_owned()
            }
            ConnectError::NotRunning { .. } if self.socket == Path::new(SOCKET) => {
                "`systemctl start probelet` starts it, and `probelet check` says what it needs"
                    .to_owned()
            }
            ConnectError::NotRunning { .. } if Path::new(SOCKET).exists() => {
                format!("there is a socket at {SOCKET}: leave out --socket and PROBELET_SOCKET")
            }
            ConnectError::NotRunning { .. } => {
                "--socket and PROBELET_SOCKET name the socket of a daemon that runs: `socket` in \
                 /etc/probelet/config.toml"
                    .to_owned()
            }
            ConnectError::Failed { .. } => return error.into(),
        };
        Error::from(error).hint(hint)
    }
}

/// The daemon's socket unless it is configured.
const SOCKET: &str = "/run/probelet/probelet.sock";

/// Makes a call with a deadline.
pub async fn call<Req, Res, Fut>(
    message: Req,
    deadline: Duration,
    method: impl FnOnce(Request<Req>) -> Fut,
) -> Result<Res>
where
    Fut: Future<Output = std::result::Result<Response<Res>, Status>>,
{
    Ok(client::call(message, deadline, method).await?)
}

/// The deadline of a stop with this grace period.
pub fn deadline_for(grace: Duration) -> Duration {
    grace.saturating_add(AFTER_GRACE)
}
