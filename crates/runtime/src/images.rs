//! Images.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use oci_spec::image::ImageConfiguration;
use probelet_domain::adopt::ImageLabels;
use probelet_domain::image::{Keyring, Progress, Reference, Stored};
use probelet_registry::RegistryError;
use tokio::sync::{OnceCell, watch};

use crate::{CallError, Record};

/// An image of the store.
#[derive(Debug, Clone)]
pub struct Image {
    /// The name in the store.
    pub name: String,
    /// The name without the tag, with the digest of the manifest for this host.
    pub id: String,
    /// What the digest stands for.
    pub content: Arc<Content>,
}

/// The content of an image, which cannot change.
#[derive(Debug)]
pub struct Content {
    /// Digest of the manifest for this host.
    pub digest: String,
    /// The image's configuration.
    pub config: ImageConfiguration,
    /// Name of the snapshot of all layers; empty for an image without layers.
    pub chain_id: String,
    /// `/etc/passwd` and `/etc/group`, read when they are first needed.
    pub users: OnceCell<(String, String)>,
    /// True if the image was pulled from a registry, false if it was built or imported here.
    pub from_registry: bool,
    /// Size of manifest, config and layers in the registry.
    pub bytes: u64,
}

/// An image to be pulled.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The full name of the image, under which the store lists it after the pull.
    pub image: String,
    /// Where its content is.
    pub reference: Reference,
    /// Credentials that are tried before the host's.
    pub keyrings: Vec<Keyring>,
    /// The time of the pull.
    pub at: SystemTime,
}

/// A pull that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// The registry refused, or could not be reached.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The content that the registry sent is not the image.
    #[error("{0}")]
    Failed(String),
    /// The runtime failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// The images of one namespace.
#[async_trait]
pub trait Images: Send + Sync {
    /// Returns an image by the name as Docker would complete it, or else by the given name.
    async fn get(&self, name: &str) -> Result<Image, CallError>;
    /// Lists all images, incomplete ones too.
    async fn list(&self) -> Result<Vec<Stored>, CallError>;
    /// Removes an image by its name in the store. Its content goes when nothing uses it any more.
    async fn remove(&self, name: &str) -> Result<(), CallError>;
    /// Finds the name in the store of an image, which may be incomplete.
    async fn find(&self, name: &str) -> Result<String, CallError>;
    /// Pulls an image, unpacks it, and returns it with the bytes of its layers. The pull fails when
    /// the registry sends nothing for a while; it has no other deadline.
    async fn pull(
        &self,
        wanted: &Wanted,
        progress: &Arc<watch::Sender<Progress>>,
    ) -> Result<(Image, u64), PullError>;
    /// Unpacks the layers of an image that is in the store but not unpacked, such as an image that
    /// was imported without that, or whose snapshots were removed. Returns false if the image, or
    /// the content of a layer, is not in the store.
    async fn unpack(&self, name: &str, at: SystemTime) -> Result<bool, CallError>;
    /// Returns the labels of the image that a container was created from. It fails only if the
    /// runtime does not answer.
    async fn labels_of(&self, record: &Record) -> Result<ImageLabels, CallError>;
}
