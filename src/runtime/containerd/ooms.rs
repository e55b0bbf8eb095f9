//! containerd's word that the OOM killer was at work somewhere: a hint to look at the counters,
//! on which nothing depends.

use std::time::Duration;

use containerd_client::services::v1::SubscribeRequest;
use containerd_client::services::v1::events_client::EventsClient;
use tokio::sync::watch;
use tonic::Status;

use super::client::Client;

/// How soon the stream is asked for again.
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

    /// Never ends. What is missed between two streams, the hint after it makes good.
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
        // In all namespaces: adopted containers are in others.
        let filter = "topic==\"/tasks/oom\"".to_owned();
        let request = client.request(SubscribeRequest { filters: vec![filter] });
        // Answers with the first event only; so no deadline.
        let mut events = EventsClient::new(client.channel()).subscribe(request).await?.into_inner();
        while events.message().await?.is_some() {
            self.hint();
        }
        Ok(())
    }
}
