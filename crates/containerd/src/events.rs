//! containerd's event stream.

use std::time::Duration;

use containerd_client::events::{
    ContainerCreate, ContainerDelete, ContainerUpdate, TaskDelete, TaskStart,
};
use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::{PublishRequest, SubscribeRequest};
use containerd_client::types::Envelope;
use probelet_runtime::{CallError, Event, EventKind};
use prost::Message;
use prost_types::Any;
use tokio::sync::mpsc;
use tonic::Status;
use tonic::transport::Channel;

use crate::client::{Client, DEADLINE, error};

const TOPICS: [&str; 5] = [
    "/containers/create",
    "/containers/update",
    "/containers/delete",
    "/tasks/start",
    "/tasks/delete",
];
const OOM: &str = "/tasks/oom";
/// Topic of an event that the daemon publishes to detect that a new stream is up.
const HELLO: &str = "/probelet/hello";
const HELLO_STEP: Duration = Duration::from_millis(20);
/// Pause before the stream of OOM events is requested again.
const RETRY: Duration = Duration::from_secs(5);

/// The events of all namespaces.
#[derive(Debug)]
pub struct Events {
    client: Client,
}

impl Events {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    fn calls(&self) -> EventsClient<Channel> {
        EventsClient::new(self.client.channel())
    }

    /// Reports changes of containers until containerd goes away or the receiver is dropped.
    pub async fn follow(&self, to: mpsc::Sender<Event>) -> Result<(), CallError> {
        let broken = |status: Status| error("Events.Subscribe", DEADLINE, status);
        let topics = TOPICS.iter().chain([&HELLO]);
        let filters = topics.map(|topic| format!("topic=={topic:?}")).collect();
        let request = self.client.request(SubscribeRequest { filters });
        let mut calls = self.calls();
        // The call answers only with the first event, which may take long.
        let subscribed = tokio::select! {
            subscribed = calls.subscribe(request) => subscribed,
            error = self.say_hello() => return Err(error),
        };
        let mut events = subscribed.map_err(broken)?.into_inner();
        let live =
            Event { namespace: String::new(), container: String::new(), kind: EventKind::Live };
        if to.send(live).await.is_err() {
            return Ok(());
        }
        while let Some(envelope) = events.message().await.map_err(broken)? {
            if let Some(event) = read(envelope)
                && to.send(event).await.is_err()
            {
                break;
            }
        }
        Ok(())
    }

    /// Publishes until the stream answers. It returns only on an error.
    async fn say_hello(&self) -> CallError {
        loop {
            let event = Any { type_url: "probelet.v1.Hello".to_owned(), value: Vec::new() };
            let request = PublishRequest { topic: HELLO.to_owned(), event: Some(event) };
            let mut calls = self.calls();
            let published = calls.publish(self.client.request(request));
            if let Err(error) = self.client.call("Events.Publish", DEADLINE, published).await {
                return error;
            }
            tokio::time::sleep(HELLO_STEP).await;
        }
    }

    /// Reports each OOM event, and a hint after each gap between two streams, in which events may
    /// have been missed. Returns when the receiver is dropped.
    pub async fn follow_ooms(&self, to: mpsc::Sender<()>) {
        loop {
            if let Err(status) = self.ooms(&to).await {
                tracing::debug!(%status, "containerd's OOM events ended");
            }
            tokio::time::sleep(RETRY).await;
            if to.send(()).await.is_err() {
                return;
            }
        }
    }

    async fn ooms(&self, to: &mpsc::Sender<()>) -> Result<(), Status> {
        let request = SubscribeRequest { filters: vec![format!("topic=={OOM:?}")] };
        // The call answers only with the first event, so it has no deadline.
        let events = self.calls().subscribe(self.client.request(request)).await?;
        let mut events = events.into_inner();
        loop {
            let event = tokio::select! {
                event = events.message() => event?,
                () = to.closed() => None,
            };
            if event.is_none() {
                return Ok(());
            }
            // A hint that waits already is enough.
            let _ = to.try_send(());
        }
    }
}

fn read(Envelope { namespace, topic, event, .. }: Envelope) -> Option<Event> {
    let event = event?;
    let value = event.value.as_slice();
    let (container, kind) = match topic.as_str() {
        "/containers/create" => (ContainerCreate::decode(value).ok()?.id, EventKind::Created),
        "/containers/delete" => (ContainerDelete::decode(value).ok()?.id, EventKind::Deleted),
        "/containers/update" => {
            let ContainerUpdate { id, labels, .. } = ContainerUpdate::decode(value).ok()?;
            (id, EventKind::Updated(labels.into_iter().collect()))
        }
        "/tasks/start" => (TaskStart::decode(value).ok()?.container_id, EventKind::TaskStarted),
        "/tasks/delete" => {
            let TaskDelete { id, container_id, pid, .. } = TaskDelete::decode(value).ok()?;
            // The event of a command has the command's id.
            let is_init = id.is_empty() || id == container_id;
            is_init.then_some((container_id, EventKind::TaskDeleted { pid }))?
        }
        _ => return None,
    };
    Some(Event { namespace, container, kind })
}
