//! Socket on which a logger receives requests for hand-overs.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::handover::Reachable;

#[derive(Debug)]
pub struct Door {
    pub(super) listener: UnixListener,
    path: PathBuf,
}

impl Door {
    /// Opens the socket; `None` if that fails, in which case the log is written without hand-overs.
    pub fn open(path: &Path) -> Option<Self> {
        // The socket of a logger that was killed.
        let _ = fs::remove_file(path);
        let listener = UnixListener::bind(Reachable::new(path).ok()?.path()).ok()?;
        listener.set_nonblocking(true).ok()?;
        Some(Self { listener, path: path.to_owned() })
    }

    /// Serves the callers that wait: writes what was in the pipes when they connected, then closes
    /// their connections, which is the answer.
    pub fn serve(&self, hand_over: impl FnOnce()) {
        let mut callers = Vec::new();
        while let Ok((caller, _)) = self.listener.accept() {
            callers.push(caller);
        }
        hand_over();
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
