//! All services over one supervisor.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::containers::ContainersApi;
use super::events::EventsApi;
use super::health::HealthReport;
use super::images::ImagesApi;
use super::logs::Logs;
use super::pods::PodsApi;
use super::streams::Streams;
use crate::supervisor::{Adopter, Supervisor};

/// The services of the daemon, one type for each.
pub struct Services {
    containers: ContainersApi,
    pods: PodsApi,
    events: EventsApi,
    images: ImagesApi,
    health: HealthReport,
    logs: Logs,
    streams: Streams,
}

impl Services {
    /// `cancel` ends open streams when the daemon stops.
    pub fn new(
        supervisor: Arc<Supervisor>,
        adopter: Arc<Adopter>,
        cancel: CancellationToken,
    ) -> Self {
        let streams = Streams::new(cancel.clone());
        Self {
            containers: ContainersApi::new(&supervisor, &adopter, &streams),
            pods: PodsApi::new(&supervisor, &streams),
            events: EventsApi::new(supervisor.clone(), streams.clone()),
            images: ImagesApi::new(supervisor.clone(), streams.clone()),
            logs: Logs::new(supervisor.clone(), adopter, streams.clone()),
            health: HealthReport::new(supervisor, cancel),
            streams,
        }
    }

    /// Services without containers of other clients.
    #[cfg(test)]
    pub fn alone(supervisor: Arc<Supervisor>, cancel: CancellationToken) -> Self {
        let foreign_containers = Arc::new(crate::node::fake::Alone);
        let adopter = supervisor.adopter(foreign_containers, crate::manifest::settings_of_labels);
        Self::new(supervisor, Arc::new(adopter), cancel)
    }

    pub fn containers(&self) -> ContainersApi {
        self.containers.clone()
    }

    pub fn pods(&self) -> PodsApi {
        self.pods.clone()
    }

    pub fn events(&self) -> EventsApi {
        self.events.clone()
    }

    pub fn images(&self) -> ImagesApi {
        self.images.clone()
    }

    pub fn logs(&self) -> Logs {
        self.logs.clone()
    }

    pub fn health(&self) -> HealthReport {
        self.health.clone()
    }

    /// Waits for the ends of all streams after `cancel`.
    pub async fn closed(&self) {
        self.streams.closed().await;
    }
}
