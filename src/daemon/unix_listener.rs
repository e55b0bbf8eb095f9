//! The Unix socket. If its file is removed while the daemon runs, it is created again.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Interval, interval};
use tonic::transport::server::{Connected, UdsConnectInfo};

use super::authority_rewrite::AuthorityRewrite;
use super::listener::Listener;
use crate::connections::Peer;
use crate::files;

/// How often the socket's file is checked.
const CHECK: Duration = Duration::from_secs(2);
/// Limit for `/etc/group`, in bytes: large networks have many groups.
const GROUPS: usize = 64 << 20;

/// The reason that the socket cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("{}: another daemon answers there", .0.display())]
    Occupied(PathBuf),
    #[error("{step}: {error}")]
    Io {
        step: String,
        #[source]
        error: io::Error,
    },
}

fn failed(step: impl FnOnce() -> String) -> impl FnOnce(io::Error) -> SocketError {
    move |error| SocketError::Io { step: step(), error }
}

pub struct SocketListener {
    listener: UnixListener,
    path: PathBuf,
    check: Interval,
}

impl SocketListener {
    pub async fn bind(path: &Path) -> Result<Self, SocketError> {
        let listener = bind(path).await?;
        Ok(Self { listener, path: path.to_owned(), check: interval(CHECK) })
    }

    async fn bind_again_if_removed(&mut self) {
        let socket = self.path.display();
        match std::fs::symlink_metadata(&self.path) {
            // The file may belong to another daemon by now.
            Ok(_) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return tracing::debug!(%socket, %error, "the socket cannot be examined"),
        }
        match bind(&self.path).await {
            Ok(listener) => {
                tracing::warn!(%socket, "the socket was removed and is created again");
                self.listener = listener;
            }
            Err(error) => {
                tracing::warn!(%socket, %error, "the socket was removed and cannot be created")
            }
        }
    }
}

impl Listener for SocketListener {
    type Raw = UnixStream;
    type Tls = ();
    type Stream = AuthorityRewrite;
    type Info = UdsConnectInfo;

    /// A client that was suspended at a terminal keeps its calls for this time.
    const PING_TIMEOUT: Duration = Duration::from_secs(300);

    async fn accept(&mut self) -> io::Result<(UnixStream, Peer)> {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    let (stream, _) = accepted?;
                    let peer = stream.peer_cred().map(|peer| Peer::User(peer.uid()));
                    return Ok((stream, peer.unwrap_or(Peer::Unknown)));
                }
                _ = self.check.tick() => self.bind_again_if_removed().await,
            }
        }
    }

    async fn first_bytes(raw: &UnixStream) -> io::Result<()> {
        // `UnixStream` has no `peek`.
        let look = || Ok(recv(raw, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT)?);
        raw.async_io(Interest::READABLE, look).await.map(drop)
    }

    fn tls(&self) {}

    async fn open((): (), raw: UnixStream) -> io::Result<(AuthorityRewrite, UdsConnectInfo)> {
        let info = raw.connect_info();
        Ok((AuthorityRewrite::new(raw), info))
    }
}

/// Replaces a socket on which nothing listens any more.
///
/// # Errors
///
/// If another daemon answers there.
async fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    let shown = path.display();
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .map_err(failed(|| format!("creating {}", parent.display())))?;
    }
    match UnixStream::connect(path).await {
        Ok(_) => return Err(SocketError::Occupied(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed(|| format!("removing the stale {shown}")))?;
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(failed(|| format!("listening on {shown}")))?;
    std::fs::set_permissions(path, Permissions::from_mode(0o660))
        .map_err(failed(|| format!("setting the mode of {shown}")))?;
    set_group(path)?;
    Ok(listener)
}

/// Gives the group `probelet` access, if there is such a group.
fn set_group(path: &Path) -> Result<(), SocketError> {
    let Ok(groups) = files::read_text("/etc/group", GROUPS) else { return Ok(()) };
    let entry = groups.lines().find_map(|line| line.strip_prefix("probelet:"));
    let Some(gid) = entry.and_then(|rest| rest.split(':').nth(1)?.parse().ok()) else {
        return Ok(());
    };
    std::os::unix::fs::chown(path, None, Some(gid))
        .map_err(failed(|| format!("giving {} to the group probelet", path.display())))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_silent_connection_has_no_first_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let mut listener = SocketListener::bind(&path).await.unwrap();
        let client = UnixStream::connect(&path).await.unwrap();
        let (raw, _) = listener.accept().await.unwrap();
        let silent = timeout(Duration::from_millis(20), SocketListener::first_bytes(&raw));
        silent.await.unwrap_err();
        client.try_write(b"PRI").unwrap();
        SocketListener::first_bytes(&raw).await.unwrap();
        let mut read = [0; 8];
        assert_eq!(raw.try_read(&mut read).unwrap(), 3);
        drop(client);
        SocketListener::first_bytes(&raw).await.unwrap();
    }

    #[tokio::test]
    async fn a_socket_that_cannot_be_created_is_an_error_with_its_cause() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let _listener = SocketListener::bind(&path).await.unwrap();
        let occupied = SocketListener::bind(&path).await.err().unwrap();
        assert_eq!(
            occupied.to_string(),
            format!("{}: another daemon answers there", path.display())
        );
        let below = SocketListener::bind(&path.join("below")).await.err().unwrap();
        assert!(
            below.to_string().starts_with(&format!("creating {}: ", path.display())),
            "{below}"
        );
        assert!(below.source().is_some());
    }
}
