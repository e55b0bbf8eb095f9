//! Unpacks layers into committed snapshots, each named by its chain ID.

use std::collections::HashMap;
use std::time::Duration;

use containerd_client::services::v1::ApplyRequest;
use containerd_client::services::v1::diff_client::DiffClient;
use containerd_client::services::v1::snapshots::{
    CommitSnapshotRequest, PrepareSnapshotRequest, StatSnapshotRequest,
};
use containerd_client::types::Descriptor;

use super::super::client::{Client, DEADLINE, call, missing_is_fine};
use super::super::images::chain_id;
use super::content::Blob;
use super::lease::Lease;
use crate::runtime::{PullError, RuntimeError};

/// Deadline of one layer, enough for the largest one on a slow disk.
const APPLY: Duration = Duration::from_secs(900);

impl Client {
    /// Unpacks a layer on the snapshot of `parent`, unless that is done, and returns its chain ID.
    pub(super) async fn unpack(
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
        if self.has_snapshot(&chain).await? {
            self.hold(lease, &format!("snapshots/{}", self.snapshotter), &chain).await?;
            return Ok(chain);
        }
        let key = format!("extract-{} {chain}", uuid::Uuid::new_v4());
        let unpacked = self.extract(lease, layer, diff_id, parent, &key, &chain).await;
        if unpacked.is_err()
            && let Err(error) = missing_is_fine(self.remove_snapshot(&key).await)
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
        let request = self.leased(
            lease,
            PrepareSnapshotRequest {
                snapshotter: self.snapshotter.to_string(),
                key: key.to_owned(),
                parent: parent.to_owned(),
                labels,
            },
        )?;
        let mut snapshots = self.snapshots();
        let mounts = call("Snapshots.Prepare", DEADLINE, snapshots.prepare(request)).await?.mounts;
        let diff = Descriptor {
            media_type: layer.media_type.clone(),
            digest: layer.digest.clone(),
            size: i64::try_from(layer.size).unwrap_or(i64::MAX),
            ..Descriptor::default()
        };
        let request =
            self.leased(lease, ApplyRequest { diff: Some(diff), mounts, ..Default::default() })?;
        let mut diff = DiffClient::new(self.channel());
        let applied = call("Diff.Apply", APPLY, diff.apply(request)).await.map_err(|error| {
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
        let request = self.leased(
            lease,
            CommitSnapshotRequest {
                snapshotter: self.snapshotter.to_string(),
                name: chain.to_owned(),
                key: key.to_owned(),
                ..Default::default()
            },
        )?;
        match call("Snapshots.Commit", DEADLINE, self.snapshots().commit(request)).await {
            // Another pull has unpacked the layer first.
            Err(RuntimeError::AlreadyExists(_)) => {
                Ok(missing_is_fine(self.remove_snapshot(key).await)?)
            }
            other => Ok(other.map(drop)?),
        }
    }

    pub(in super::super) async fn has_snapshot(&self, key: &str) -> Result<bool, RuntimeError> {
        let request = self.request(StatSnapshotRequest {
            snapshotter: self.snapshotter.to_string(),
            key: key.to_owned(),
        });
        match call("Snapshots.Stat", DEADLINE, self.snapshots().stat(request)).await {
            Ok(_) => Ok(true),
            Err(RuntimeError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
