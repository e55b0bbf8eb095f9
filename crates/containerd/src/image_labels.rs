//! The labels of the image that a container was created from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use containerd_client::services::v1::Image as Stored;
use probelet_domain::adopt::{Document, ImageLabels};
use probelet_domain::spec::OwnLabels;
use probelet_runtime::{CallError, Record};
use prost_types::Timestamp;
use serde::Deserialize;

use crate::content::ContentStore;
use crate::images::{ImageStore, chain_id};
use crate::snapshots::SnapshotStore;

/// Limit for the indexes, manifests, configurations and layers of one image.
const BLOBS: usize = 256;
/// Limit for one index, manifest or configuration, in bytes.
const LARGEST: u64 = 4 << 20;
/// How many bytes are read to distinguish JSON from a layer.
const HEAD: u64 = 4096;

/// The part of an image configuration that names its layers.
#[derive(Deserialize)]
struct Configuration {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// What the store holds of an image.
struct Origin {
    labels: OwnLabels,
    /// True if one of its configurations has the layers of the container's snapshot, and was in the
    /// store before the snapshot.
    is_the_containers: bool,
}

/// Reads labels of images of one namespace.
#[derive(Debug, Clone)]
pub struct LabelReader {
    store: ImageStore,
    content: ContentStore,
    snapshots: SnapshotStore,
}

impl LabelReader {
    pub fn new(store: ImageStore, content: ContentStore, snapshots: SnapshotStore) -> Self {
        Self { store, content, snapshots }
    }

    /// Returns the image's labels. It fails only if containerd is down: a broken image affects only
    /// containers of that image.
    pub async fn labels_of(&self, record: &Record) -> Result<ImageLabels, CallError> {
        match self.find(record).await {
            Ok(found) => Ok(found),
            Err(error) if error.is_loss() => Err(error),
            Err(error) => Ok(ImageLabels::Unknown(error.to_string())),
        }
    }

    async fn find(&self, record: &Record) -> Result<ImageLabels, CallError> {
        let unknown = |why: String| Ok(ImageLabels::Unknown(why));
        let layers = self.layers_of(record).await?;
        let name = &record.image;
        let layers = match layers {
            None if name.is_empty() => return Ok(ImageLabels::Known(OwnLabels::default())),
            Some(layers) if !name.is_empty() => layers,
            None => return unknown("its record names no snapshot".to_owned()),
            Some(_) => return unknown("its record names no image".to_owned()),
        };
        // The name is not normalised: the normalised name may be another image.
        let Some(Stored { target: Some(target), .. }) = self.store.stored(name).await? else {
            return unknown(format!("image {name:?} is not in containerd's store"));
        };
        let created = record.created_at.unwrap_or(SystemTime::UNIX_EPOCH);
        let origin = self.walk(target.digest, &layers, created).await?;
        if !origin.is_the_containers {
            return unknown(format!("image {name:?} is another one since the container was made"));
        }
        let labels: &BTreeMap<_, _> = &record.labels;
        Ok(ImageLabels::Known(origin.labels.on(labels)))
    }

    /// Returns the chain ID of the layers below the container's snapshot, if it has one.
    async fn layers_of(&self, record: &Record) -> Result<Option<String>, CallError> {
        if record.snapshot_key.is_empty() {
            return Ok(None);
        }
        self.snapshots.parent_of(&record.snapshotter, &record.snapshot_key).await.map(Some)
    }

    /// Reads all content of the image, of every platform.
    async fn walk(
        &self,
        target: String,
        layers: &str,
        created: SystemTime,
    ) -> Result<Origin, CallError> {
        let mut origin = Origin { labels: OwnLabels::default(), is_the_containers: false };
        let mut seen = BTreeSet::from([target.clone()]);
        let mut waiting = vec![target];
        while let Some(digest) = waiting.pop() {
            let Some((json, since)) = self.document(&digest).await? else { continue };
            let unclear = |error| invalid(format!("blob {digest}: {error}"));
            let document = Document::read(&json).map_err(unclear)?;
            origin.labels.add(&document.labels);
            origin.is_the_containers |= since <= created
                && serde_json::from_slice::<Configuration>(&json)
                    .is_ok_and(|config| chain_id(&config.rootfs.diff_ids) == layers);
            for digest in document.digests {
                if seen.insert(digest.clone()) {
                    waiting.push(digest);
                }
            }
            if seen.len() > BLOBS {
                return Err(invalid(format!("it names more than {BLOBS} blobs")));
            }
        }
        Ok(origin)
    }

    /// Returns a document and the time since which the store has it. `None` if the store does not
    /// have it, as for other platforms, or if it is a layer.
    async fn document(&self, digest: &str) -> Result<Option<(Vec<u8>, SystemTime)>, CallError> {
        let Some(info) = self.content.info(digest).await? else { return Ok(None) };
        let size = u64::try_from(info.size).unwrap_or_default();
        let mut json = self.content.part(digest, 0, size.min(HEAD)).await?;
        match json.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => {}
            None if size > HEAD => {
                return Err(invalid(format!("blob {digest} begins with nothing")));
            }
            _ => return Ok(None),
        }
        if size > LARGEST {
            return Err(invalid(format!("blob {digest} is larger than {LARGEST} bytes")));
        }
        if size > HEAD {
            json.extend(self.content.part(digest, HEAD, size.saturating_sub(HEAD)).await?);
        }
        Ok(Some((json, since(info.created_at))))
    }
}

fn since(time: Option<Timestamp>) -> SystemTime {
    time.and_then(|at| SystemTime::try_from(at).ok()).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn invalid(reason: String) -> CallError {
    CallError::BadImage(reason)
}
