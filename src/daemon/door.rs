//! The socket that callers come in by. Whoever empties the run folder of a running daemon takes
//! the socket away with it: it is missed, and made anew.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

/// How often the file is looked for; and the pause where there are no descriptors to accept with.
const LOOK: Duration = Duration::from_secs(2);

pub(super) struct Door {
    listener: UnixListener,
    path: PathBuf,
}

impl Door {
    pub(super) fn new(listener: UnixListener, path: &Path) -> Self {
        Self { listener, path: path.to_owned() }
    }

    /// Until nobody takes callers any more.
    pub(super) async fn admit(mut self, visitors: mpsc::Sender<io::Result<UnixStream>>) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => if visitors.send(Ok(stream)).await.is_err() { return },
                    Err(error) => {
                        tracing::warn!(%error, "a caller could not be let in");
                        tokio::time::sleep(LOOK).await;
                    }
                },
                _ = look.tick() => self.look().await,
            }
        }
    }

    async fn look(&mut self) {
        let socket = self.path.display();
        match std::fs::symlink_metadata(&self.path) {
            // If it is another's, he has taken the name.
            Ok(_) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return tracing::debug!(%socket, %error, "the socket cannot be seen"),
        }
        match super::bind(&self.path).await {
            Ok(listener) => {
                tracing::warn!(%socket, "the socket was gone: made anew");
                self.listener = listener;
            }
            Err(error) => tracing::warn!(%socket, %error, "the socket is gone, and cannot be made"),
        }
    }
}
