//! `probelet.v1.Events`.

use tokio::sync::mpsc;
use tonic::{Request, Response, Status, async_trait};

use super::{Api, Streaming, convert};
use crate::pb;
use crate::pb::events_server::Events;

#[async_trait]
impl Events for Api {
    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        let events = self.supervisor.events().after(0, &request.into_inner().pod);
        let events = events.into_iter().map(convert::event).collect();
        Ok(Response::new(pb::ListEventsResponse { events }))
    }

    type WatchEventsStream = Streaming<pb::Event>;

    async fn watch_events(
        &self,
        request: Request<pb::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let pb::WatchEventsRequest { pod, after } = request.into_inner();
        Ok(Response::new(self.stream(move |api, sender| async move {
            api.send_events(&sender, &pod, after).await;
        })))
    }
}

impl Api {
    async fn send_events(
        &self,
        sender: &mpsc::Sender<Result<pb::Event, Status>>,
        pod: &str,
        mut after: u64,
    ) {
        let log = self.supervisor.events();
        let mut newest = log.newest();
        loop {
            newest.mark_unchanged();
            for event in log.after(after, pod) {
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
}
