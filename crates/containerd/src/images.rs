//! Images in containerd's store: name → manifest → config → the chain of its layers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use containerd_client::services::v1::{
    CreateImageRequest, DeleteImageRequest, GetImageRequest, Image as Stored, ListImagesRequest,
    UpdateImageRequest,
};
use containerd_client::types::Descriptor;
use oci_spec::image::{Arch, ImageConfiguration, ImageIndex, ImageManifest, Os};
use probelet_domain::image::{Stored as StoredImage, normalise, repository};
use probelet_runtime::{CallError, Content, Image};
use prost_types::FieldMask;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use crate::client::{Client, DEADLINE};
use crate::content::ContentStore;

/// Prefix of the label that names the registry of a piece of content.
pub const DISTRIBUTION_SOURCE: &str = "containerd.io/distribution.source";

/// Deadline of a removal, which waits for the collector after a large image.
const COLLECT: Duration = Duration::from_secs(120);
/// Limit for cached images, which bounds the memory.
const MOST_CACHED: usize = 256;
/// Limit for a cached config, in bytes. A larger one is read each time.
const LARGEST_CACHED: u64 = 256 << 10;

/// A cache of content by digest, which cannot change. It saves three calls in a restart.
#[derive(Debug, Clone, Default)]
pub struct Cache(Arc<Mutex<HashMap<String, Arc<Content>>>>);

impl Cache {
    fn get(&self, digest: &str) -> Option<Arc<Content>> {
        self.entries().get(digest).cloned()
    }

    fn put(&self, digest: String, content: &Arc<Content>) {
        let mut entries = self.entries();
        if entries.len() >= MOST_CACHED {
            entries.clear();
        }
        entries.insert(digest, Arc::clone(content));
    }

    fn forget(&self, digest: &str) {
        self.entries().remove(digest);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Arc<Content>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The images of one namespace.
#[derive(Debug, Clone)]
pub struct ImageStore {
    client: Client,
    content: ContentStore,
    cache: Cache,
}

impl ImageStore {
    pub fn new(client: Client, content: ContentStore, cache: Cache) -> Self {
        Self { client, content, cache }
    }

    pub async fn image(&self, wanted: &str) -> Result<Image, CallError> {
        let stored = self.find(wanted).await?;
        let no_target = || CallError::BadImage(format!("image {wanted:?} has no target"));
        let target = stored.target.ok_or_else(no_target)?;
        let content = match self.cache.get(&target.digest) {
            Some(content) => content,
            None => {
                let (content, config_bytes) = self.read(wanted, &target).await?;
                let content = Arc::new(content);
                if config_bytes <= LARGEST_CACHED {
                    self.cache.put(target.digest, &content);
                }
                content
            }
        };
        let id = format!("{}@{}", repository(&stored.name), content.digest);
        Ok(Image { name: stored.name, id, content })
    }

    /// Reads the content of an image, and the size of its config.
    async fn read(&self, wanted: &str, target: &Descriptor) -> Result<(Content, u64), CallError> {
        let mut digest = target.digest.clone();
        if is_index(&target.media_type) {
            let index: ImageIndex = self.content.json(wanted, &digest).await?;
            digest = for_this_host(&index).ok_or_else(|| {
                let arch = Arch::default();
                CallError::BadImage(format!("image {wanted:?} has no manifest for linux/{arch}"))
            })?;
        }
        let manifest: ImageManifest = self.content.json(wanted, &digest).await?;
        let config: ImageConfiguration =
            self.content.json(wanted, manifest.config().digest().as_ref()).await?;
        let info = self.content.info(&target.digest).await?.unwrap_or_default();
        let from_registry = info.labels.keys().any(|key| key.starts_with(DISTRIBUTION_SOURCE));
        let parts = manifest.layers().iter().map(|layer| layer.size());
        let config_bytes = manifest.config().size();
        let bytes = parts.fold(config_bytes, u64::saturating_add);
        let chain_id = chain_id(config.rootfs().diff_ids());
        let users = OnceCell::new();
        Ok((Content { digest, chain_id, config, users, from_registry, bytes }, config_bytes))
    }

    /// Finds an image by the name as Docker would complete it, or else by the given name.
    pub async fn find(&self, wanted: &str) -> Result<Stored, CallError> {
        let normal = normalise(wanted);
        // The name that Docker and containerd use is tried first. Some tools store other names.
        let names = if normal == wanted { vec![normal] } else { vec![normal, wanted.to_owned()] };
        for name in names {
            if let Some(image) = self.stored(&name).await? {
                return Ok(image);
            }
        }
        let namespace = self.client.namespace();
        Err(CallError::NoImage(format!(
            "image {wanted:?} is not in containerd's store (namespace {namespace})"
        )))
    }

    /// Returns what the store has under exactly this name.
    pub async fn stored(&self, name: &str) -> Result<Option<Stored>, CallError> {
        let request = self.client.request(GetImageRequest { name: name.to_owned() });
        let mut images = self.client.images();
        match self.client.call("Images.Get", DEADLINE, images.get(request)).await {
            Err(CallError::NotFound(_)) => Ok(None),
            answer => Ok(answer?.image),
        }
    }

    /// Makes the name refer to `target`, whose origin may have changed.
    pub async fn put(&self, name: &str, target: &Descriptor) -> Result<(), CallError> {
        let (name, new) = (name.to_owned(), Some(target.clone()));
        let image = Some(Stored { name, target: new, ..Stored::default() });
        let request =
            self.client.request(CreateImageRequest { image: image.clone(), ..Default::default() });
        let mut images = self.client.images();
        match self.client.call("Images.Create", DEADLINE, images.create(request)).await {
            Err(CallError::AlreadyExists(_)) => {
                let update_mask = Some(FieldMask { paths: vec!["target".to_owned()] });
                let request = UpdateImageRequest { image, update_mask, ..Default::default() };
                let updated = images.update(self.client.request(request));
                self.client.call("Images.Update", DEADLINE, updated).await?;
            }
            other => drop(other?),
        }
        self.cache.forget(&target.digest);
        Ok(())
    }

    pub async fn list(&self) -> Result<Vec<StoredImage>, CallError> {
        let request = self.client.request(ListImagesRequest::default());
        let mut images = self.client.images();
        let answer = self.client.call("Images.List", DEADLINE, images.list(request)).await?;
        let mut images = Vec::new();
        for Stored { name, target, .. } in answer.images {
            // An image that is incomplete or not for this host is listed too.
            let bytes = self.image(&name).await.map_or(0, |image| image.content.bytes);
            let digest = target.map(|target| target.digest).unwrap_or_default();
            images.push(StoredImage { name, digest, bytes });
        }
        images.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(images)
    }

    /// Removes an image. Its content and snapshots go with the collector's next round, unless
    /// another image or container uses them.
    pub async fn remove(&self, stored: Stored) -> Result<(), CallError> {
        let Stored { name, target, .. } = stored;
        let request = DeleteImageRequest { name, sync: true, ..Default::default() };
        let (request, mut images) = (self.client.request(request), self.client.images());
        self.client.call("Images.Delete", COLLECT, images.delete(request)).await?;
        if let Some(target) = target {
            self.cache.forget(&target.digest);
        }
        Ok(())
    }
}

pub fn is_index(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json"
    )
}

/// Returns the digest of the manifest for this host. An index of one manifest need not name a
/// platform.
pub fn for_this_host(index: &ImageIndex) -> Option<String> {
    let manifests = index.manifests();
    let ours = manifests.iter().find(|manifest| {
        let platform = manifest.platform().as_ref();
        platform.is_some_and(|p| *p.os() == Os::Linux && *p.architecture() == Arch::default())
    });
    let only = match manifests.as_slice() {
        [only] if only.platform().is_none() => Some(only),
        _ => None,
    };
    ours.or(only).map(|manifest| manifest.digest().to_string())
}

/// Returns the chain ID, as the image spec defines it.
pub fn chain_id(diff_ids: &[String]) -> String {
    let mut diff_ids = diff_ids.iter();
    let first = diff_ids.next().cloned().unwrap_or_default();
    diff_ids.fold(first, |chain, diff| {
        let sum = Sha256::digest(format!("{chain} {diff}"));
        let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_ids_follow_the_image_spec() {
        let ids = ["sha256:aa", "sha256:bb"].map(str::to_owned);
        assert_eq!(chain_id(&[]), "");
        assert_eq!(chain_id(&ids[..1]), "sha256:aa");
        // printf 'sha256:aa sha256:bb' | sha256sum
        let expected = "b68ad689d6d1ec110ea1c13617437ad6f3766d4b3b309f6a603a222e07a0164f";
        assert_eq!(chain_id(&ids), format!("sha256:{expected}"));
    }

    #[test]
    fn the_hosts_manifest_is_picked() {
        let index = |platforms: &[&str]| {
            let manifests: Vec<_> = platforms
                .iter()
                .enumerate()
                .map(|(n, platform)| {
                    let mut entry = serde_json::json!({
                        "mediaType": "application/vnd.oci.image.manifest.v1+json",
                        "digest": format!("sha256:{n:064}"), "size": 1,
                    });
                    if let Some((os, arch)) = platform.split_once('/') {
                        entry["platform"] = serde_json::json!({ "os": os, "architecture": arch });
                    }
                    entry
                })
                .collect();
            let json = serde_json::json!({ "schemaVersion": 2, "manifests": manifests });
            for_this_host(&serde_json::from_value(json).unwrap())
        };
        let host = format!("linux/{}", Arch::default());
        let nth = |n: usize| Some(format!("sha256:{n:064}"));
        assert_eq!(index(&["linux/s390x", &host, "unknown/unknown"]), nth(1));
        assert_eq!(index(&["windows/amd64", "linux/mips"]), None);
        assert_eq!(index(&[""]), nth(0));
        assert_eq!(index(&["", ""]), None);
    }
}
