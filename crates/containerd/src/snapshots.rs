//! Snapshots: each attempt has a writable one, made from the image's layers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use containerd_client::services::v1::snapshots::{
    ListSnapshotsRequest, MountsRequest, PrepareSnapshotRequest, RemoveSnapshotRequest,
    StatSnapshotRequest, ViewSnapshotRequest,
};
use containerd_client::types;
use probelet_runtime::{CallError, Image, Mount, Snapshots, View};

use crate::client::{Client, DEADLINE};

/// The label that makes containerd's collector keep a view and the snapshots below it.
const ROOT: &str = "containerd.io/gc.root";

/// The snapshots of one namespace.
#[derive(Debug, Clone)]
pub struct SnapshotStore {
    client: Client,
    snapshotter: Arc<str>,
}

impl SnapshotStore {
    pub fn new(client: Client, snapshotter: Arc<str>) -> Self {
        Self { client, snapshotter }
    }

    pub fn snapshotter(&self) -> &str {
        &self.snapshotter
    }

    /// Returns the parent of a snapshot.
    pub async fn parent_of(&self, snapshotter: &str, key: &str) -> Result<String, CallError> {
        let (snapshotter, key) = (snapshotter.to_owned(), key.to_owned());
        let request = self.client.request(StatSnapshotRequest { snapshotter, key });
        let mut snapshots = self.client.snapshots();
        let answer = self.client.call("Snapshots.Stat", DEADLINE, snapshots.stat(request)).await?;
        Ok(answer.info.map(|info| info.parent).unwrap_or_default())
    }

    fn not_unpacked(&self, image: &str) -> CallError {
        let (snapshotter, namespace) = (&self.snapshotter, self.client.namespace());
        CallError::NoImage(format!(
            "image {image:?} is in containerd's store but not unpacked for {snapshotter}; \
             import it again with: ctr -n {namespace} images import FILE"
        ))
    }

    async fn try_prepare(&self, key: &str, parent: &str) -> Result<Vec<Mount>, CallError> {
        let request = self.client.request(PrepareSnapshotRequest {
            snapshotter: self.snapshotter.to_string(),
            key: key.to_owned(),
            parent: parent.to_owned(),
            ..PrepareSnapshotRequest::default()
        });
        let mut snapshots = self.client.snapshots();
        let prepared = snapshots.prepare(request);
        let answer = self.client.call("Snapshots.Prepare", DEADLINE, prepared).await?;
        Ok(answer.mounts.into_iter().map(from_mount).collect())
    }
}

#[async_trait]
impl Snapshots for SnapshotStore {
    async fn prepare(&self, key: &str, image: &Image) -> Result<Vec<Mount>, CallError> {
        let chain_id = &image.content.chain_id;
        let mut prepared = self.try_prepare(key, chain_id).await;
        if matches!(prepared, Err(CallError::AlreadyExists(_))) {
            if self.parent_of(&self.snapshotter, key).await? == *chain_id {
                return self.mounts(None, key).await;
            }
            // The existing snapshot is of an earlier version of the image.
            self.remove(key).await?;
            prepared = self.try_prepare(key, chain_id).await;
        }
        match prepared {
            Err(CallError::NotFound(_)) => Err(self.not_unpacked(&image.name)),
            other => other,
        }
    }

    async fn mounts(&self, snapshotter: Option<&str>, key: &str) -> Result<Vec<Mount>, CallError> {
        let snapshotter = snapshotter.unwrap_or(&self.snapshotter).to_owned();
        let request = self.client.request(MountsRequest { snapshotter, key: key.to_owned() });
        let mut snapshots = self.client.snapshots();
        let mounts = snapshots.mounts(request);
        let answer = self.client.call("Snapshots.Mounts", DEADLINE, mounts).await?;
        Ok(answer.mounts.into_iter().map(from_mount).collect())
    }

    async fn view(&self, view: View<'_>) -> Result<Vec<Mount>, CallError> {
        let mut labels: HashMap<_, _> = view.labels.into_iter().collect();
        if view.is_kept {
            labels.insert(ROOT.to_owned(), "probelet".to_owned());
        }
        let request = self.client.request(ViewSnapshotRequest {
            snapshotter: self.snapshotter.to_string(),
            key: view.key.to_owned(),
            parent: view.image.content.chain_id.clone(),
            labels,
        });
        let mut snapshots = self.client.snapshots();
        let made = snapshots.view(request);
        match self.client.call("Snapshots.View", DEADLINE, made).await {
            Ok(answer) => Ok(answer.mounts.into_iter().map(from_mount).collect()),
            Err(CallError::NotFound(_)) => Err(self.not_unpacked(&view.image.name)),
            Err(error) => Err(error),
        }
    }

    async fn list(
        &self,
        label: &str,
        value: Option<&str>,
    ) -> Result<Vec<(String, BTreeMap<String, String>)>, CallError> {
        let filter = match value {
            Some(value) => format!("labels.{label:?}=={value:?}"),
            None => format!("labels.{label:?}"),
        };
        let request = self.client.request(ListSnapshotsRequest {
            snapshotter: self.snapshotter.to_string(),
            filters: vec![filter],
        });
        let mut snapshots = self.client.snapshots();
        let listed = async {
            let mut stream = snapshots.list(request).await?.into_inner();
            let mut all = Vec::new();
            while let Some(message) = stream.message().await? {
                let found = message.info.into_iter();
                all.extend(found.map(|info| (info.name, info.labels.into_iter().collect())));
            }
            Ok(tonic::Response::new(all))
        };
        self.client.call("Snapshots.List", DEADLINE, listed).await
    }

    async fn exists(&self, key: &str) -> Result<bool, CallError> {
        match self.parent_of(&self.snapshotter, key).await {
            Ok(_) => Ok(true),
            Err(CallError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn check_unpacked(&self, image: &Image) -> Result<(), CallError> {
        let chain_id = &image.content.chain_id;
        if chain_id.is_empty() || self.exists(chain_id).await? {
            return Ok(());
        }
        Err(self.not_unpacked(&image.name))
    }

    async fn remove(&self, key: &str) -> Result<(), CallError> {
        let request = self.client.request(RemoveSnapshotRequest {
            snapshotter: self.snapshotter.to_string(),
            key: key.to_owned(),
        });
        let mut snapshots = self.client.snapshots();
        self.client.call("Snapshots.Remove", DEADLINE, snapshots.remove(request)).await
    }
}

fn from_mount(mount: types::Mount) -> Mount {
    let types::Mount { r#type, source, target, options } = mount;
    Mount { kind: r#type, source, target, options }
}

/// Returns the mount as containerd has it.
pub fn to_mount(mount: Mount) -> types::Mount {
    let Mount { kind, source, target, options } = mount;
    types::Mount { r#type: kind, source, target, options }
}
