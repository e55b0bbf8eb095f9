//! `probelet.v1.Events`.

use std::sync::Arc;

use prost::Message;
use tonic::{Request, Response, Status, async_trait};

use super::convert;
use super::error::{Error, answer};
use super::streams::{Sender, Streaming, Streams};
use crate::pb;
use crate::pb::events_server::Events;
use crate::supervisor::{Subject, Supervisor};

/// Bytes of events in one answer; clients take 4 MiB by default.
const PAGE: usize = 2 << 20;

/// The service `Events`.
#[derive(Clone)]
pub struct EventsApi {
    supervisor: Arc<Supervisor>,
    streams: Streams,
}

impl EventsApi {
    pub fn new(supervisor: Arc<Supervisor>, streams: Streams) -> Self {
        Self { supervisor, streams }
    }

    fn subject(&self, namespace: &str, pod: &str) -> Result<Subject, Error> {
        Ok(match pod {
            "" => Subject::of_namespace(namespace),
            pod => Subject::Pod(self.supervisor.find(namespace, pod)?),
        })
    }
}

#[async_trait]
impl Events for EventsApi {
    type WatchEventsStream = Streaming<pb::Event>;

    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        let pb::ListEventsRequest { namespace, pod, after, limit } = request.into_inner();
        let listed = self.subject(&namespace, &pod).map(|subject| {
            let events = self.supervisor.events().after(after, &subject);
            page(events.into_iter().map(convert::event), limit)
        });
        answer(listed)
    }

    async fn watch_events(
        &self,
        request: Request<pb::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let pb::WatchEventsRequest { namespace, pod, after } = request.into_inner();
        let supervisor = self.supervisor.clone();
        answer(self.subject(&namespace, &pod).map(|subject| {
            self.streams.open(move |sender| async move {
                send_events(&supervisor, &sender, &subject, after).await;
            })
        }))
    }
}

/// As many events as the page may hold, one at least.
fn page(events: impl Iterator<Item = pb::Event>, limit: u32) -> pb::ListEventsResponse {
    let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let mut page = pb::ListEventsResponse::default();
    let mut size = 0;
    for event in events {
        size += event.encoded_len();
        if let Some(last) = page.events.last()
            && (page.events.len() >= limit || size > PAGE)
        {
            page.next = last.sequence;
            break;
        }
        page.events.push(event);
    }
    page
}

/// Sends events after the number `after` until the caller leaves.
async fn send_events(
    supervisor: &Supervisor,
    sender: &Sender<pb::Event>,
    subject: &Subject,
    mut after: u64,
) {
    let log = supervisor.events();
    let mut newest = log.newest();
    loop {
        newest.mark_unchanged();
        for event in log.after(after, subject) {
            after = event.sequence;
            if sender.send(Ok(convert::event(event))).await.is_err() {
                return;
            }
        }
        if newest.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(count: u64, message: usize) -> impl Iterator<Item = pb::Event> {
        (1..=count).map(move |sequence| pb::Event {
            sequence,
            message: "x".repeat(message),
            ..pb::Event::default()
        })
    }

    #[test]
    fn a_page_ends_at_its_limit_and_at_its_bytes() {
        let of = |page: pb::ListEventsResponse| (page.events.len(), page.next);
        assert_eq!(of(page(events(5, 0), 0)), (5, 0));
        assert_eq!(of(page(events(5, 0), 5)), (5, 0));
        assert_eq!(of(page(events(5, 0), 2)), (2, 2));
        assert_eq!(of(page(events(2, PAGE), 0)), (1, 1));
        let whole = page(events(4096, 1024), 0);
        assert!(whole.encoded_len() <= PAGE + 4096 * 8 && whole.next > 1000, "{}", whole.next);
    }
}
