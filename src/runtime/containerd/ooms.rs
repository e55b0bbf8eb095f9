//! containerd's event that the OOM killer has acted. It is only a hint to read the counters: no
//! decision depends on it.

use std::time::Duration;

use containerd_client::services::v1::SubscribeRequest;
use containerd_client::services::v1::events_client::EventsClient;
use tokio::sync::watch;
use tonic::Status;

use super::client::Client;

/// Pause before the stream is requested again.
const RETRY: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(super) struct Ooms(watch::Sender<u64>);

impl Ooms {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    pub(super) fn hints(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }

    /// Listens forever. A hint that is missed between two streams is made up for by the hint that
    /// follows each gap.
    pub(super) async fn listen(self, client: Client) {
        loop {
            if let Err(status) = self.follow(&client).await {
                tracing::debug!(%status, "containerd's OOM events ended");
            }
            tokio::time::sleep(RETRY).await;
            self.hint();
        }
    }

    fn hint(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    async fn follow(&self, client: &Client) -> Result<(), Status> {
        // All namespaces are included, since adopted containers are in others.
        let filter = "topic==\"/tasks/oom\"".to_owned();
        let request = client.request(SubscribeRequest { filters: vec![filter] });
        // The call answers only with the first event, so it has no deadline.
        let mut events = EventsClient::new(client.channel()).subscribe(request).await?.into_inner();
        while events.message().await?.is_some() {
            self.hint();
        }
        Ok(())
    }
}
