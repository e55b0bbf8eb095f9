//! The logger's end of a hand-over: the socket by which it is asked to write all that it has.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::handover::Reachable;

#[derive(Debug)]
pub(super) struct Door {
    pub(super) listener: UnixListener,
    path: PathBuf,
}

impl Door {
    /// `None` where there can be none: the log is written all the same.
    pub(super) fn open(path: &Path) -> Option<Self> {
        // Of a logger that was killed.
        let _ = fs::remove_file(path);
        let listener = UnixListener::bind(Reachable::new(path).ok()?.path()).ok()?;
        listener.set_nonblocking(true).ok()?;
        Some(Self { listener, path: path.to_owned() })
    }

    /// Callers that wait. All that was in the pipes when they came is written before they are let
    /// go, which is what they wait for.
    pub(super) fn serve(&self, hand_over: impl FnOnce()) {
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
