//! The runtime's event that the OOM killer has acted. It is only a hint to read the counters: no
//! decision depends on it.

use std::sync::Arc;

use probelet_runtime::Runtime;
use tokio::sync::{mpsc, watch};

#[derive(Debug, Clone)]
pub struct Ooms(watch::Sender<u64>);

impl Ooms {
    pub fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    pub fn hints(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }

    /// Listens as long as the process runs.
    pub async fn listen(self, runtime: Arc<dyn Runtime>) {
        let (to, mut hints) = mpsc::channel(1);
        let count = async {
            while hints.recv().await.is_some() {
                self.0.send_modify(|count| *count = count.wrapping_add(1));
            }
        };
        tokio::join!(runtime.follow_ooms(to), count);
    }
}
