//! containerd's event stream, converted to changes of foreign containers. It only speeds things up:
//! no decision depends on it.

use std::time::Duration;

use containerd_client::events::{
    ContainerCreate, ContainerDelete, ContainerUpdate, TaskDelete, TaskStart,
};
use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::{Container, PublishRequest, SubscribeRequest};
use containerd_client::types::Envelope;
use prost::Message;
use prost_types::Any;
use tokio::sync::mpsc;
use tonic::Status;

use super::Containerd;
use super::client::{DEADLINE, call, error};
use super::records::labelled;
use crate::domain::adopt::ContainerRef;
use crate::runtime::{ForeignContainers, News, RuntimeError};

const TOPICS: [&str; 5] = [
    "/containers/create",
    "/containers/update",
    "/containers/delete",
    "/tasks/start",
    "/tasks/delete",
];
/// Topic of an event that the daemon publishes to detect that a new stream is up.
const HELLO: &str = "/probelet/hello";
const HELLO_STEP: Duration = Duration::from_millis(20);

impl Containerd {
    pub(super) async fn follow_events(&self, tell: mpsc::Sender<News>) -> Result<(), RuntimeError> {
        let broken = |status: Status| error("Events.Subscribe", DEADLINE, &status);
        let topics = TOPICS.iter().chain([&HELLO]);
        let filters = topics.map(|topic| format!("topic=={topic:?}")).collect();
        let request = self.client.request(SubscribeRequest { filters });
        let mut client = EventsClient::new(self.client.channel());
        // The call answers only with the first event, which may take long.
        let subscribed = tokio::select! {
            subscribed = client.subscribe(request) => subscribed,
            error = self.say_hello() => return Err(error),
        };
        let mut events = subscribed.map_err(broken)?.into_inner();
        if tell.send(News::Live).await.is_err() {
            return Ok(());
        }
        while let Some(event) = events.message().await.map_err(broken)? {
            if let Some(news) = self.news(&event).await
                && tell.send(news).await.is_err()
            {
                break;
            }
        }
        Ok(())
    }

    /// Publishes until the stream answers. It returns only on an error.
    async fn say_hello(&self) -> RuntimeError {
        loop {
            let event = Any { type_url: "probelet.v1.Hello".to_owned(), value: Vec::new() };
            let request = PublishRequest { topic: HELLO.to_owned(), event: Some(event) };
            let mut client = EventsClient::new(self.client.channel());
            let published = client.publish(self.client.request(request));
            if let Err(error) = call("Events.Publish", DEADLINE, published).await {
                return error;
            }
            tokio::time::sleep(HELLO_STEP).await;
        }
    }

    async fn news(&self, envelope: &Envelope) -> Option<News> {
        let value = envelope.event.as_ref()?.value.as_slice();
        if !self.is_watched(&envelope.namespace) {
            return None;
        }
        let at = |id: String| ContainerRef { namespace: envelope.namespace.clone(), id };
        match envelope.topic.as_str() {
            "/containers/create" => {
                Some(News::Changed(at(ContainerCreate::decode(value).ok()?.id)))
            }
            "/containers/delete" => {
                Some(News::Changed(at(ContainerDelete::decode(value).ok()?.id)))
            }
            "/containers/update" => {
                let update = ContainerUpdate::decode(value).ok()?;
                // Records of probelet's attempts change all the time. A label alone may come from
                // an image.
                let ContainerUpdate { id, labels, .. } = update;
                let record = Container { id, labels, ..Container::default() };
                labelled(&record).is_err().then(|| News::Changed(at(record.id)))
            }
            "/tasks/start" => Some(News::Changed(at(TaskStart::decode(value).ok()?.container_id))),
            "/tasks/delete" => {
                let deleted = TaskDelete::decode(value).ok()?;
                let is_init = deleted.id.is_empty() || deleted.id == deleted.container_id;
                let place = at(deleted.container_id);
                let news = is_init && self.task_outcomes.is_owners(&place, deleted.pid).await;
                news.then_some(News::TaskDeleted(place))
            }
            _ => None,
        }
    }
}
