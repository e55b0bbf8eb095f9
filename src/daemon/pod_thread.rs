//! The thread of the pods' actors and probes over sockets.
//!
//! A probe is a dozen short steps. If several threads share the work, each step may wake another
//! thread, which costs more than the step. A large answer of the API would also delay the probes that
//! wait behind it.

use std::io;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A runtime with one thread. When this is dropped the thread ends. The drop does not wait for that,
/// because a read of a file in `/proc` may hang.
pub struct PodThread {
    runtime: Handle,
    _running: oneshot::Sender<()>,
}

impl PodThread {
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (running, stopped) = oneshot::channel();
        let handle = runtime.handle().clone();
        let run = move || {
            // Nothing is sent: the sender is dropped.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("pods".into()).spawn(run)?;
        Ok(Self { runtime: handle, _running: running })
    }

    pub fn runtime(&self) -> Handle {
        self.runtime.clone()
    }
}
