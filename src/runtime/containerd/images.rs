//! Images in containerd's store: name → manifest → config → the chain of its layers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use containerd_client::services::v1::{
    CreateImageRequest, DeleteImageRequest, GetImageRequest, Image as Stored, ListImagesRequest,
    ReadContentRequest, UpdateImageRequest,
};
use containerd_client::types::Descriptor;
use oci_spec::image::{Arch, ImageConfiguration, ImageIndex, ImageManifest, Os};
use prost_types::FieldMask;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use tonic::Response;

use super::client::{Client, DEADLINE, call};
use crate::domain::image::{Stored as StoredImage, normalise, repository};
use crate::runtime::RuntimeError;

pub(super) struct Image {
    /// The name in containerd's store.
    pub(super) name: String,
    /// The name without the tag, with the manifest's digest.
    pub(super) id: String,
    pub(super) content: Arc<Content>,
}

/// The content that an image's digest names.
#[derive(Debug)]
pub(super) struct Content {
    /// Digest of the manifest for this host.
    digest: String,
    pub(super) config: ImageConfiguration,
    config_bytes: u64,
    /// Name of the snapshot of all layers; empty for an image without layers.
    pub(super) chain_id: String,
    /// `/etc/passwd` and `/etc/group`, read when they are first needed.
    pub(super) users: OnceCell<(String, String)>,
    /// True if containerd, or a client that labels content as it does, pulled the image.
    pub(super) from_registry: bool,
    /// Size of manifest, config and layers in the registry.
    pub(super) bytes: u64,
}

/// Prefix of the label that names the registry of a piece of content.
pub(super) const DISTRIBUTION_SOURCE: &str = "containerd.io/distribution.source";

/// A cache of content by digest, which cannot change. It saves three calls in a restart.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(Arc<Mutex<HashMap<String, Arc<Content>>>>);

/// Deadline of a removal, which waits for the collector after a large image.
const COLLECT: Duration = Duration::from_secs(120);

/// Limit for a manifest, an index or a config, in bytes, since they are read whole.
pub(super) const LARGEST_JSON: usize = 4 << 20;

/// Limit for cached images, which bounds the memory.
const MOST_KNOWN: usize = 256;
/// Limit for a cached config, in bytes. A larger one is read each time.
const LARGEST_KNOWN: u64 = 256 << 10;

impl Known {
    fn get(&self, digest: &str) -> Option<Arc<Content>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    fn put(&self, digest: String, content: &Arc<Content>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(digest, Arc::clone(content));
    }

    /// Forgets an image whose origin may have changed.
    pub(super) fn forget(&self, digest: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(digest);
    }
}

impl Client {
    pub(super) async fn image(&self, wanted: &str) -> Result<Image, RuntimeError> {
        let stored = self.find_image(wanted).await?;
        let target =
            stored.target.ok_or_else(|| invalid(format!("image {wanted:?} has no target")))?;
        let content = match self.known_images.get(&target.digest) {
            Some(content) => content,
            None => {
                let content = Arc::new(self.read_content(wanted, &target).await?);
                if content.config_bytes <= LARGEST_KNOWN {
                    self.known_images.put(target.digest, &content);
                }
                content
            }
        };
        let id = format!("{}@{}", repository(&stored.name), content.digest);
        Ok(Image { name: stored.name, id, content })
    }

    async fn read_content(
        &self,
        wanted: &str,
        target: &Descriptor,
    ) -> Result<Content, RuntimeError> {
        let mut digest = target.digest.clone();
        if is_index(&target.media_type) {
            let index: ImageIndex = self.read_json(wanted, &digest).await?;
            digest = for_this_host(&index).ok_or_else(|| {
                let arch = Arch::default();
                invalid(format!("image {wanted:?} has no manifest for linux/{arch}"))
            })?;
        }
        let manifest: ImageManifest = self.read_json(wanted, &digest).await?;
        let config: ImageConfiguration =
            self.read_json(wanted, manifest.config().digest().as_ref()).await?;
        let info = self.content_info(&target.digest).await?.unwrap_or_default();
        let from_registry = info.labels.keys().any(|key| key.starts_with(DISTRIBUTION_SOURCE));
        let parts = manifest.layers().iter().map(|layer| layer.size());
        let config_bytes = manifest.config().size();
        let bytes = parts.fold(config_bytes, u64::saturating_add);
        let chain_id = chain_id(config.rootfs().diff_ids());
        let users = OnceCell::new();
        Ok(Content { digest, chain_id, config, config_bytes, users, from_registry, bytes })
    }

    /// Finds an image by the name as Docker would complete it, or else by the given name.
    async fn find_image(&self, wanted: &str) -> Result<Stored, RuntimeError> {
        let normal = normalise(wanted);
        // The name that Docker and containerd use is tried first. Some tools store other names.
        let names = if normal == wanted { vec![normal] } else { vec![normal, wanted.to_owned()] };
        for name in names {
            let request = self.request(GetImageRequest { name });
            match call("Images.Get", DEADLINE, self.images().get(request)).await {
                Err(RuntimeError::NotFound(_)) => {}
                answer => {
                    if let Some(image) = answer?.image {
                        return Ok(image);
                    }
                }
            }
        }
        let namespace = self.namespace();
        Err(RuntimeError::NoImage(format!(
            "image {wanted:?} is not in containerd's store (namespace {namespace})"
        )))
    }

    /// Makes the name refer to `target`.
    pub(super) async fn put_image(
        &self,
        name: &str,
        target: &Descriptor,
    ) -> Result<(), RuntimeError> {
        let image = Some(Stored {
            name: name.to_owned(),
            target: Some(target.clone()),
            ..Stored::default()
        });
        let request =
            self.request(CreateImageRequest { image: image.clone(), ..Default::default() });
        match call("Images.Create", DEADLINE, self.images().create(request)).await {
            Err(RuntimeError::AlreadyExists(_)) => {
                let update_mask = Some(FieldMask { paths: vec!["target".to_owned()] });
                let request =
                    self.request(UpdateImageRequest { image, update_mask, ..Default::default() });
                call("Images.Update", DEADLINE, self.images().update(request)).await.map(drop)
            }
            other => other.map(drop),
        }
    }

    pub(super) async fn list_images(&self) -> Result<Vec<StoredImage>, RuntimeError> {
        let request = self.request(ListImagesRequest::default());
        let answer = call("Images.List", DEADLINE, self.images().list(request)).await?;
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
    pub(super) async fn remove_image(&self, name: &str) -> Result<String, RuntimeError> {
        let stored = self.find_image(name).await.map_err(|error| match error {
            RuntimeError::NoImage(text) => RuntimeError::NotFound(text),
            other => other,
        })?;
        let users = self.containers_from(&stored.name).await?;
        if !users.is_empty() {
            let users = users.join(", ");
            return Err(RuntimeError::InUse(format!("image {name:?} is in use by {users}")));
        }
        let request = self.request(DeleteImageRequest {
            name: stored.name.clone(),
            sync: true,
            ..Default::default()
        });
        call("Images.Delete", COLLECT, self.images().delete(request)).await?;
        if let Some(target) = stored.target {
            self.known_images.forget(&target.digest);
        }
        Ok(stored.name)
    }

    pub(super) async fn read_json<T: DeserializeOwned>(
        &self,
        image: &str,
        digest: &str,
    ) -> Result<T, RuntimeError> {
        let blob = match self.read_blob(digest).await {
            Err(RuntimeError::NotFound(text)) => {
                return Err(RuntimeError::NoImage(format!(
                    "image {image:?} is not complete: {text}"
                )));
            }
            blob => blob?,
        };
        serde_json::from_slice(&blob)
            .map_err(|error| invalid(format!("image {image:?}: blob {digest}: {error}")))
    }

    async fn read_blob(&self, digest: &str) -> Result<Vec<u8>, RuntimeError> {
        let request = self.request(ReadContentRequest {
            digest: digest.to_owned(),
            ..ReadContentRequest::default()
        });
        let mut content = self.content();
        let whole = async {
            let mut parts = content.read(request).await?.into_inner();
            let mut blob = Vec::new();
            while blob.len() <= LARGEST_JSON
                && let Some(part) = parts.message().await?
            {
                blob.extend_from_slice(&part.data);
            }
            Ok(Response::new(blob))
        };
        let blob = call("Content.Read", DEADLINE, whole).await?;
        if blob.len() > LARGEST_JSON {
            return Err(invalid(format!("blob {digest} has more than {LARGEST_JSON} bytes")));
        }
        Ok(blob)
    }
}

fn invalid(reason: String) -> RuntimeError {
    RuntimeError::Invalid { field: "image", reason }
}

pub(super) fn is_index(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json"
    )
}

/// Returns the digest of the manifest for this host. An index of one manifest need not name a
/// platform.
pub(super) fn for_this_host(index: &ImageIndex) -> Option<String> {
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
pub(super) fn chain_id(diff_ids: &[String]) -> String {
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
