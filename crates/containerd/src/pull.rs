//! Pulls: registry → containerd's content store → snapshots, all of it protected by a lease.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use containerd_client::types::Descriptor;
use oci_spec::image::{ImageConfiguration, ImageIndex, ImageManifest};
use probelet_domain::adopt::ImageLabels;
use probelet_domain::image::{Layer, LayerState, Progress, Stored};
use probelet_registry::{Origin, Registries};
use probelet_runtime::{
    CallError, Content, Image, Images, PullError, Record, Snapshots as _, Wanted,
};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;

use crate::client::Client;
use crate::content::{ContentStore, LARGEST_JSON};
use crate::image_labels::LabelReader;
use crate::images::{DISTRIBUTION_SOURCE, ImageStore, chain_id, for_this_host, is_index};
use crate::leases::{Lease, Leases};
use crate::snapshots::SnapshotStore;

mod fetch;
mod unpack;

pub use fetch::Ingests;
use fetch::{Blob, Fetcher};
use unpack::Unpacker;

/// Limit for concurrent downloads of one image, as in Docker.
const PARALLEL: usize = 3;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Limit for layers, above what overlayfs supports.
const MOST_LAYERS: usize = 512;

/// An image's manifest for this host, and the content that its name refers to.
struct Resolved {
    target: Descriptor,
    manifest: ImageManifest,
    manifest_digest: String,
}

/// The images of one namespace, and the way from a registry into it.
#[derive(Debug, Clone)]
pub struct Puller {
    client: Client,
    store: ImageStore,
    content: ContentStore,
    snapshots: SnapshotStore,
    labels: LabelReader,
    leases: Leases,
    registries: watch::Receiver<Registries>,
    fetcher: Fetcher,
    unpacker: Unpacker,
}

impl Puller {
    pub fn new(
        client: Client,
        store: ImageStore,
        snapshots: SnapshotStore,
        leases: Leases,
        registries: watch::Receiver<Registries>,
        ingests: Ingests,
    ) -> Self {
        let content = ContentStore::new(client.clone());
        Self {
            labels: LabelReader::new(store.clone(), content.clone(), snapshots.clone()),
            fetcher: Fetcher::new(client.clone(), content.clone(), leases.clone(), ingests),
            unpacker: Unpacker::new(client.clone(), snapshots.clone(), leases.clone()),
            client,
            store,
            content,
            snapshots,
            leases,
            registries,
        }
    }

    async fn pull_image(
        &self,
        wanted: &Wanted,
        progress: &Arc<watch::Sender<Progress>>,
    ) -> Result<(Image, u64), PullError> {
        self.client.make_namespace().await?;
        let keyrings: Vec<_> = wanted.keyrings.iter().collect();
        let registries = self.registries.borrow().clone();
        let origin = Arc::new(registries.origin(&wanted.reference, &keyrings).await?);
        let lease = self.leases.create(&wanted.image, wanted.at).await?;
        let resolved = self.resolve(wanted, &origin, &lease).await?;
        let bytes = self.fill(wanted, &origin, &lease, &resolved, progress).await?;
        self.store.put(&wanted.image, &resolved.target).await?;
        self.leases.delete(&wanted.image, lease).await;
        Ok((self.store.image(&wanted.image).await?, bytes))
    }

    async fn resolve(
        &self,
        wanted: &Wanted,
        origin: &Origin,
        lease: &Lease,
    ) -> Result<Resolved, PullError> {
        let top = origin.manifest(None).await?;
        let digest = sha256(&top);
        let source = distribution_source(wanted);
        let probe: MediaType = read(&top)?;
        let is_list = is_index(&probe.media_type) || !probe.manifests.is_empty();
        let fallback = if is_list { OCI_INDEX } else { OCI_MANIFEST };
        let media_type = Some(probe.media_type).filter(|known| !known.is_empty());
        let target = Descriptor {
            media_type: media_type.unwrap_or_else(|| fallback.to_owned()),
            digest: digest.clone(),
            size: i64::try_from(top.len()).unwrap_or(i64::MAX),
            ..Descriptor::default()
        };
        if !is_list {
            self.fetcher.put(lease, &digest, &top, source).await?;
            let manifest = read(&top)?;
            return Ok(Resolved { target, manifest, manifest_digest: digest });
        }
        let index: ImageIndex = read(&top)?;
        let child = for_this_host(&index).ok_or_else(|| {
            let arch = oci_spec::image::Arch::default();
            PullError::Failed(format!("no match for platform linux/{arch} in manifest"))
        })?;
        let bytes = origin.manifest(Some(&child)).await?;
        let mut labels = source.clone();
        labels.extend(index.manifests().iter().enumerate().map(|(n, manifest)| {
            (format!("containerd.io/gc.ref.content.m.{n}"), manifest.digest().to_string())
        }));
        self.fetcher.put(lease, &digest, &top, labels).await?;
        self.fetcher.put(lease, &child, &bytes, source).await?;
        Ok(Resolved { target, manifest: read(&bytes)?, manifest_digest: child })
    }

    /// Fetches config and layers, and unpacks each layer as soon as it and those below it are
    /// present.
    async fn fill(
        &self,
        wanted: &Wanted,
        origin: &Arc<Origin>,
        lease: &Lease,
        resolved: &Resolved,
        progress: &Arc<watch::Sender<Progress>>,
    ) -> Result<u64, PullError> {
        let manifest = &resolved.manifest;
        if manifest.layers().len() > MOST_LAYERS {
            let layers = manifest.layers().len();
            let text = format!("the image has {layers} layers, more than {MOST_LAYERS}");
            return Err(PullError::Failed(text));
        }
        let layers: Vec<Blob> = manifest.layers().iter().map(Blob::from).collect();
        let bytes = layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.size));
        progress.send_modify(|progress| progress.layers = layers.iter().map(waiting).collect());

        let config_blob = Blob::from(manifest.config());
        if config_blob.size > LARGEST_JSON as u64 {
            let Blob { digest, size, .. } = config_blob;
            let text = format!("config {digest}: {size} bytes, more than {LARGEST_JSON}");
            return Err(PullError::Failed(text));
        }
        self.fetcher.fetch(origin, lease, &config_blob, |_| {}).await?;
        let config: ImageConfiguration =
            self.content.json(&wanted.image, &config_blob.digest).await?;
        let diff_ids = config.rootfs().diff_ids();
        if diff_ids.len() != layers.len() {
            return Err(PullError::Failed(format!(
                "the image has {} layers but {} diff ids",
                layers.len(),
                diff_ids.len()
            )));
        }
        let Resolved { manifest_digest, .. } = resolved;
        self.label(manifest, manifest_digest, &chain_id(diff_ids)).await?;

        let mut downloads = JoinSet::new();
        let mut arrivals = Vec::new();
        let turns = Arc::new(Semaphore::new(PARALLEL));
        let mut begun = HashSet::new();
        for layer in layers.clone() {
            let (arrived, arrival) = oneshot::channel();
            arrivals.push(arrival);
            let first = begun.insert(layer.digest.clone());
            let (fetcher, origin, lease) = (self.fetcher.clone(), origin.clone(), lease.clone());
            let (turns, progress) = (turns.clone(), progress.clone());
            downloads.spawn(async move {
                // A blob that is two layers is downloaded once: the second `fetch` finds it in the
                // store.
                let _turn = turns.acquire_owned().await;
                let report = |done: u64, state| {
                    progress.send_modify(|progress| progress.set(&layer.digest, done, state));
                };
                if first {
                    report(0, LayerState::Downloading);
                }
                let fetched = fetcher
                    .fetch(&origin, &lease, &layer, |done| report(done, LayerState::Downloading))
                    .await;
                if fetched.is_ok() {
                    report(layer.size, LayerState::Downloaded);
                }
                // The receiver is gone if another layer has failed.
                let _ = arrived.send(fetched);
            });
        }
        let mut parent = String::new();
        for ((layer, arrival), diff_id) in layers.iter().zip(arrivals).zip(diff_ids) {
            let gone = |_| PullError::Failed("a download was given up".to_owned());
            arrival.await.map_err(gone)??;
            let set = |state| {
                progress.send_modify(|progress| progress.set(&layer.digest, layer.size, state));
            };
            set(LayerState::Extracting);
            parent = self.unpacker.unpack(lease, layer, diff_id, &parent).await?;
            set(LayerState::Done);
        }
        Ok(bytes)
    }

    /// Adds the labels that the collector follows from the manifest on.
    async fn label(
        &self,
        manifest: &ImageManifest,
        manifest_digest: &str,
        chain_id: &str,
    ) -> Result<(), CallError> {
        let reference = |name: String| format!("containerd.io/gc.ref.content.{name}");
        let config = manifest.config().digest().to_string();
        let mut labels = HashMap::from([(reference("config".into()), config.clone())]);
        labels.extend(
            manifest
                .layers()
                .iter()
                .enumerate()
                .map(|(n, layer)| (reference(format!("l.{n}")), layer.digest().to_string())),
        );
        self.content.label(manifest_digest, labels).await?;
        let snapshot = format!("containerd.io/gc.ref.snapshot.{}", self.snapshots.snapshotter());
        self.content.label(&config, HashMap::from([(snapshot, chain_id.to_owned())])).await
    }

    /// Unpacks an image of the store. Returns false if the content of a layer is missing.
    async fn unpack_stored(&self, image: &Image, at: SystemTime) -> Result<bool, PullError> {
        let Content { digest, config, chain_id, .. } = &*image.content;
        let manifest: ImageManifest = self.content.json(&image.name, digest).await?;
        let layers: Vec<Blob> = manifest.layers().iter().map(Blob::from).collect();
        for layer in &layers {
            if self.content.info(&layer.digest).await?.is_none() {
                return Ok(false);
            }
        }
        let lease = self.leases.create_single(at).await?;
        self.label(&manifest, digest, chain_id).await?;
        let mut parent = String::new();
        for (layer, diff_id) in layers.iter().zip(config.rootfs().diff_ids()) {
            parent = self.unpacker.unpack(&lease, layer, diff_id, &parent).await?;
        }
        self.leases.delete_single(&image.name, lease).await;
        Ok(parent == *chain_id)
    }
}

#[async_trait]
impl Images for Puller {
    async fn get(&self, name: &str) -> Result<Image, CallError> {
        self.store.image(name).await
    }

    async fn list(&self) -> Result<Vec<Stored>, CallError> {
        self.store.list().await
    }

    async fn find(&self, name: &str) -> Result<String, CallError> {
        Ok(self.store.find(name).await?.name)
    }

    async fn remove(&self, name: &str) -> Result<(), CallError> {
        match self.store.stored(name).await? {
            Some(stored) => self.store.remove(stored).await,
            None => Err(CallError::NotFound(format!("image {name:?}").into())),
        }
    }

    async fn pull(
        &self,
        wanted: &Wanted,
        progress: &Arc<watch::Sender<Progress>>,
    ) -> Result<(Image, u64), PullError> {
        self.pull_image(wanted, progress).await
    }

    async fn unpack(&self, name: &str, at: SystemTime) -> Result<bool, CallError> {
        let unpacked = async {
            let image = self.store.image(name).await?;
            match self.snapshots.check_unpacked(&image).await {
                Err(CallError::NoImage(_)) => self.unpack_stored(&image, at).await,
                checked => Ok(checked.map(|()| true)?),
            }
        };
        match unpacked.await {
            Ok(is_unpacked) => Ok(is_unpacked),
            Err(PullError::Call(CallError::NoImage(_))) => Ok(false),
            Err(PullError::Call(error)) => Err(error),
            Err(PullError::Failed(text)) => Err(CallError::BadImage(text)),
            // No registry is asked.
            Err(PullError::Registry(error)) => Err(CallError::failed(error.to_string())),
        }
    }

    async fn labels_of(&self, record: &Record) -> Result<ImageLabels, CallError> {
        self.labels.labels_of(record).await
    }
}

fn waiting(blob: &Blob) -> Layer {
    let Blob { digest, size, .. } = blob.clone();
    Layer { digest, size, done: 0, state: LayerState::Waiting }
}

/// Returns the label that containerd sets on pulled content, which marks it as available in a
/// registry.
fn distribution_source(wanted: &Wanted) -> HashMap<String, String> {
    let reference = &wanted.reference;
    HashMap::from([(
        format!("{}.{}", DISTRIBUTION_SOURCE, reference.registry),
        reference.repository.clone(),
    )])
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct MediaType {
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    manifests: Vec<serde::de::IgnoredAny>,
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PullError> {
    serde_json::from_slice(bytes).map_err(|error| PullError::Failed(format!("manifest: {error}")))
}

fn sha256(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
