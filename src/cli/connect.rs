//! The way to the daemon that the flags name, and how long each kind of call may take.

use std::path::Path;
use std::time::Duration;

use probelet_api::client;
pub(super) use probelet_api::client::{Client, UNARY};
use tonic::{Request, Response, Status};

use super::args::Cli;
use super::error::{Error, Result};
use crate::files;

/// What the daemon itself allows a start, and some: its answer says more than our deadline.
pub(super) const START: Duration = Duration::from_secs(90);
/// On top of a probe's own timeout: what the daemon allows the queue of exec probes, and some.
pub(super) const PROBE: Duration = Duration::from_secs(120);
/// containerd cleans up what the image alone used.
pub(super) const REMOVE_IMAGE: Duration = Duration::from_secs(150);
/// On top of a grace period: containerd's own time to kill, unmount and forget.
const AFTER_GRACE: Duration = Duration::from_secs(30);

pub(super) async fn connect(cli: &Cli) -> Result<Client> {
    Ok(match cli.remote.remote()? {
        Some(remote) => Client::over_tcp(&remote).await?,
        None => Client::by_socket(&cli.socket).await?,
    })
}

/// As the client's own, with the error of a verb.
pub(super) async fn call<Req, Res, Fut>(
    message: Req,
    deadline: Duration,
    method: impl FnOnce(Request<Req>) -> Fut,
) -> Result<Res>
where
    Fut: Future<Output = std::result::Result<Response<Res>, Status>>,
{
    Ok(client::call(message, deadline, method).await?)
}

/// Reads a file with a certificate or a key.
pub(super) fn pem(path: &Path) -> Result<Vec<u8>> {
    files::read(path, files::CONFIGURATION)
        .map_err(|error| Error::Other(format!("{}: {error}", path.display())))
}

pub(super) fn deadline_for(grace: Duration) -> Duration {
    grace.saturating_add(AFTER_GRACE)
}
