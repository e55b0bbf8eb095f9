//! Unpacks layers into committed snapshots, each named by its chain ID.

use std::collections::HashMap;
use std::time::Duration;

use containerd_client::services::v1::ApplyRequest;
use containerd_client::services::v1::diff_client::DiffClient;
use containerd_client::services::v1::snapshots::{CommitSnapshotRequest, PrepareSnapshotRequest};
use containerd_client::types::Descriptor;

use probelet_runtime::{CallError, PullError, Snapshots};

use super::fetch::Blob;
use crate::client::{Client, DEADLINE};
use crate::images::chain_id;
use crate::leases::{Lease, Leases};
use crate::snapshots::SnapshotStore;

/// Deadline of one layer, enough for the largest one on a slow disk.
const APPLY: Duration = Duration::from_secs(900);

/// Unpacks layers in one namespace.
#[derive(Debug, Clone)]
pub struct Unpacker {
    client: Client,
    snapshots: SnapshotStore,
    leases: Leases,
}

impl Unpacker {
    pub fn new(client: Client, snapshots: SnapshotStore, leases: Leases) -> Self {
        Self { client, snapshots, leases }
    }

    /// Unpacks a layer on the snapshot of `parent`, unless that is done, and returns its chain ID.
    pub async fn unpack(
        &self,
        lease: &Lease,
        layer: &Blob,
        diff_id: &str,
        parent: &str,
    ) -> Result<String, PullError> {
        let chain = if parent.is_empty() {
            diff_id.to_owned()
        } else {
            chain_id(&[parent.to_owned(), diff_id.to_owned()])
        };
        if self.snapshots.exists(&chain).await? {
            self.leases
                .add(lease, &format!("snapshots/{}", self.snapshots.snapshotter()), &chain)
                .await?;
            return Ok(chain);
        }
        let key = format!("extract-{} {chain}", uuid::Uuid::new_v4());
        let unpacked = self.extract(lease, layer, diff_id, parent, &key, &chain).await;
        if unpacked.is_err()
            && let Err(error) = CallError::unless_missing(self.snapshots.remove(&key).await)
        {
            tracing::warn!(key, %error, "a half unpacked layer was left to the lease");
        }
        unpacked.map(|()| chain)
    }

    async fn extract(
        &self,
        lease: &Lease,
        layer: &Blob,
        diff_id: &str,
        parent: &str,
        key: &str,
        chain: &str,
    ) -> Result<(), PullError> {
        let labels = HashMap::from([("containerd.io/snapshot.ref".to_owned(), chain.to_owned())]);
        let request = self.leases.request(
            lease,
            PrepareSnapshotRequest {
                snapshotter: self.snapshots.snapshotter().to_owned(),
                key: key.to_owned(),
                parent: parent.to_owned(),
                labels,
            },
        )?;
        let mut snapshots = self.client.snapshots();
        let mounts = self
            .client
            .call("Snapshots.Prepare", DEADLINE, snapshots.prepare(request))
            .await?
            .mounts;
        let diff = Descriptor {
            media_type: layer.media_type.clone(),
            digest: layer.digest.clone(),
            size: i64::try_from(layer.size).unwrap_or(i64::MAX),
            ..Descriptor::default()
        };
        let request = self
            .leases
            .request(lease, ApplyRequest { diff: Some(diff), mounts, ..Default::default() })?;
        let mut diff = DiffClient::new(self.client.channel());
        let applied =
            self.client.call("Diff.Apply", APPLY, diff.apply(request)).await.map_err(|error| {
                match error.into_answer() {
                    Ok(text) => {
                        PullError::Failed(format!("{}: cannot be unpacked: {text}", layer.digest))
                    }
                    Err(other) => other.into(),
                }
            })?;
        let digest = applied.applied.map(|applied| applied.digest).unwrap_or_default();
        if digest != diff_id {
            return Err(PullError::Failed(format!(
                "{}: wrong diff id: its content is {digest}, the image says {diff_id}",
                layer.digest
            )));
        }
        let request = self.leases.request(
            lease,
            CommitSnapshotRequest {
                snapshotter: self.snapshots.snapshotter().to_owned(),
                name: chain.to_owned(),
                key: key.to_owned(),
                ..Default::default()
            },
        )?;
        match self.client.call("Snapshots.Commit", DEADLINE, snapshots.commit(request)).await {
            // Another pull has unpacked the layer first.
            Err(CallError::AlreadyExists(_)) => {
                Ok(CallError::unless_missing(self.snapshots.remove(key).await)?)
            }
            other => Ok(other.map(drop)?),
        }
    }
}
