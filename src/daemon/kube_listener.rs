//! The Kubernetes API over TCP, and the task that publishes its objects.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use probelet_kube_wire::discovery::Catalog;
use tokio_util::sync::CancellationToken;

use crate::connections::Slots;
use crate::kube_api::{
    ControllerApi, HostFacts, Namespaces, NodeKind, PodTokens, Pods, Publisher, Router, Server,
    StoredValues, Streams, UsageMeter, ValueFollower, Writes, stored_kinds, workload_kinds,
};
use crate::kube_authority::{Authority, AuthorityError};
use crate::kube_objects::StoredObjects;
use crate::node::host_facts;
use crate::service::{Logs, RecoveryGate, Stage};
use crate::supervisor::{Supervisor, now};
use crate::workloads::Controllers;

/// A bound address for the Kubernetes API, which is not served yet.
pub struct BoundKube {
    pub listener: TcpListener,
    pub authority: Arc<Authority>,
    pub objects: StoredObjects,
}

impl BoundKube {
    /// Serves until `cancel`. Until `gate` opens, objects are not served.
    ///
    /// # Errors
    ///
    /// Fails if the certificate of the server cannot be made.
    pub async fn serve(
        self,
        supervisor: Arc<Supervisor>,
        logs: Logs,
        gate: RecoveryGate,
        [openings, connections]: [Slots; 2],
        cancel: CancellationToken,
    ) -> Result<(), AuthorityError> {
        let tls = self.authority.server_config()?.into();
        let started = now().wall;
        let facts = HostFacts::read(host_facts(), started);
        let objects = self.objects;
        let store = objects.store().clone();
        let usage = UsageMeter::new(supervisor.clone(), &facts.name);
        let address = self.listener.local_addr().map(|address| address.to_string());
        let address = address.unwrap_or_default();
        let catalog = Catalog::default();
        let namespaces = Namespaces::new(
            supervisor.clone(),
            objects.clone(),
            &catalog,
            self.authority.certificate(),
            gate.clone(),
        );
        let listen = self.listener.local_addr().ok();
        let published = RecoveryGate::default();
        let publisher = Publisher::new(
            supervisor.clone(),
            store.clone(),
            &catalog,
            (facts, listen),
            (gate.clone(), published.clone()),
        );
        let streams = Streams::new(supervisor.clone(), logs.clone(), cancel.clone());
        let served = (logs, usage, streams.clone());
        let values = StoredValues::new(
            objects.clone(),
            &catalog,
            PodTokens::new(self.authority.clone(), store.clone()),
        );
        let follower = values.clone().map(|values| ValueFollower::new(supervisor.clone(), values));
        let pods = values
            .and_then(|values| Pods::new(supervisor.clone(), store.clone(), values, &catalog));
        let mut kinds = stored_kinds(&catalog, &objects);
        kinds.extend(workload_kinds(&catalog, &objects));
        kinds.extend(pods.map(Pods::kind));
        kinds.extend(NodeKind::kind(&catalog, &objects));
        let writes = Writes::new(kinds, store.clone());
        let api = Arc::new(ControllerApi::new(writes.clone()));
        let controllers = Controllers::new(supervisor.clone(), objects.clone(), api);
        let controlling = async {
            // Until then the statuses of pods are as the records have them.
            gate.until(Stage::Recovered).await;
            controllers.run().await;
        };
        let router =
            Router::new(self.authority, store, served, writes, published, &address, cancel.clone());
        let server = Server { tls, router, openings, connections, cancel };
        if let Some(namespaces) = &namespaces {
            namespaces.prepare().await;
        }
        let publishing = async {
            if let (Some(publisher), Some(namespaces), Some(follower)) =
                (publisher, namespaces, follower)
            {
                tokio::join!(publisher.run(), namespaces.run(), follower.run(), controlling);
            }
            std::future::pending().await
        };
        tokio::select! {
            served = server.serve(self.listener) => report(served),
            () = publishing => {}
            () = objects.run() => {}
        }
        streams.closed().await;
        objects.closed().await;
        Ok(())
    }
}

fn report(served: io::Result<()>) {
    if let Err(error) = served {
        tracing::error!(%error, "the Kubernetes API is not served");
    }
}
