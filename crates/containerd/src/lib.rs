//! The runtime traits over containerd's gRPC services.

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

mod bundles;
mod client;
mod commands;
mod content;
mod events;
mod failures;
mod image_labels;
mod images;
mod leases;
mod pull;
mod records;
mod refusals;
mod shims;
mod snapshots;
mod tasks;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use containerd_client::services::v1::ListNamespacesRequest;
use containerd_client::services::v1::version_client::VersionClient;
use probelet_registry::Registries;
use probelet_runtime::{CallError, Event, FailedCalls, Namespace, Runtime};
use tokio::sync::{mpsc, watch};

use client::{Client, DEADLINE};
use commands::Commands;
use content::ContentStore;
use events::Events;
use images::{Cache, ImageStore};
use leases::{Leases, Newest};
use pull::{Ingests, Puller};
use records::Containers;
use snapshots::SnapshotStore;
use tasks::Tasks;

/// Deadline of calls that only inform.
const SOON: Duration = Duration::from_secs(1);

/// containerd behind its socket. The connection is made at the first call, and again after each
/// loss.
#[derive(Debug, Clone)]
pub struct Containerd {
    client: Client,
    snapshotter: Arc<str>,
    registries: watch::Receiver<Registries>,
    socket: Arc<Path>,
    images: Cache,
    leases: Newest,
    ingests: Ingests,
}

impl Containerd {
    /// Returns the runtime behind `socket`, which may not exist yet. Needs a tokio runtime. Each pull
    /// uses the settings that `registries` has when it begins.
    ///
    /// # Errors
    ///
    /// Fails if no client can be set up.
    pub fn new(
        socket: PathBuf,
        snapshotter: &str,
        registries: watch::Receiver<Registries>,
    ) -> Result<Self, CallError> {
        Ok(Self {
            client: Client::new(socket.clone())?,
            snapshotter: snapshotter.into(),
            registries,
            socket: socket.into(),
            images: Cache::default(),
            leases: Newest::default(),
            ingests: Ingests::default(),
        })
    }
}

#[async_trait]
impl Runtime for Containerd {
    fn namespace(&self, name: &str) -> Result<Namespace, CallError> {
        let client = self.client.in_namespace(name)?;
        let records = Containers::new(client.clone(), &self.snapshotter);
        let snapshots = SnapshotStore::new(client.clone(), self.snapshotter.clone());
        let content = ContentStore::new(client.clone());
        let store = ImageStore::new(client.clone(), content, self.images.clone());
        let leases = Leases::new(client.clone(), self.leases.clone());
        let images = Puller::new(
            client.clone(),
            store,
            snapshots.clone(),
            leases,
            self.registries.clone(),
            self.ingests.clone(),
        );
        Ok(Namespace {
            name: name.into(),
            records: Arc::new(records),
            tasks: Arc::new(Tasks::new(client.clone(), self.socket.clone())),
            commands: Arc::new(Commands::new(client)),
            images: Arc::new(images),
            snapshots: Arc::new(snapshots),
        })
    }

    async fn namespaces(&self) -> Result<Vec<String>, CallError> {
        let (client, mut namespaces) = (&self.client, self.client.namespaces());
        let listed = namespaces.list(client.request(ListNamespacesRequest::default()));
        let listed = client.call("Namespaces.List", DEADLINE, listed).await?.namespaces;
        Ok(listed.into_iter().map(|namespace| namespace.name).collect())
    }

    async fn version(&self) -> Result<String, CallError> {
        let mut version = VersionClient::new(self.client.channel());
        let answer = version.version(self.client.request(()));
        Ok(self.client.call("Version", SOON, answer).await?.version)
    }

    async fn ping(&self) -> Result<(), CallError> {
        let mut version = VersionClient::new(self.client.channel());
        let answer = version.version(self.client.request(()));
        self.client.call("Version", DEADLINE, answer).await.map(drop)
    }

    async fn follow(&self, events: mpsc::Sender<Event>) -> Result<(), CallError> {
        Events::new(self.client.clone()).follow(events).await
    }

    async fn follow_ooms(&self, hints: mpsc::Sender<()>) {
        Events::new(self.client.clone()).follow_ooms(hints).await;
    }

    fn failed_calls(&self) -> FailedCalls {
        self.client.failed_calls()
    }
}

#[cfg(test)]
mod tests;
