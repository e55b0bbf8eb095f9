//! Images in containerd's store: name → manifest → config → the chain of its layers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use containerd_client::services::v1::{GetImageRequest, Image as Stored, ReadContentRequest};
use containerd_client::types::Descriptor;
use oci_spec::image::{Arch, ImageConfiguration, ImageIndex, ImageManifest, Os};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use tonic::Response;

use super::client::{Client, DEADLINE, call};
use crate::runtime::RuntimeError;

pub(super) struct Image {
    /// As containerd's store has it.
    pub(super) name: String,
    /// Name without the tag, at the manifest's digest.
    pub(super) id: String,
    pub(super) content: Arc<Content>,
}

/// What an image's digest stands for.
#[derive(Debug)]
pub(super) struct Content {
    /// Of the manifest for this host.
    digest: String,
    pub(super) config: ImageConfiguration,
    /// Name of the snapshot of all its layers; empty for an image without one.
    pub(super) chain_id: String,
    /// `/etc/passwd` and `/etc/group`, once they were needed.
    pub(super) users: OnceCell<(String, String)>,
}

/// Content by the digest that names it, which can't change: three calls less for a restart.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(Arc<Mutex<HashMap<String, Arc<Content>>>>);

/// Images that come and go must not fill the memory.
const MOST_KNOWN: usize = 256;

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
                self.known_images.put(target.digest, &content);
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
        let chain_id = chain_id(config.rootfs().diff_ids());
        Ok(Content { digest, chain_id, config, users: OnceCell::new() })
    }

    /// By the name as given, else as Docker would complete it.
    async fn find_image(&self, wanted: &str) -> Result<Stored, RuntimeError> {
        let normal = normalise(wanted);
        let names = if normal == wanted { vec![normal] } else { vec![wanted.to_owned(), normal] };
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
        Err(invalid(format!(
            "image {wanted:?} is not in containerd's store (namespace {namespace}); import it \
             with: ctr -n {namespace} images import FILE"
        )))
    }

    async fn read_json<T: DeserializeOwned>(
        &self,
        image: &str,
        digest: &str,
    ) -> Result<T, RuntimeError> {
        let blob = match self.read_blob(digest).await {
            Err(RuntimeError::NotFound(text)) => {
                return Err(invalid(format!("image {image:?} is not complete: {text}")));
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
            while let Some(part) = parts.message().await? {
                blob.extend_from_slice(&part.data);
            }
            Ok(Response::new(blob))
        };
        call("Content.Read", DEADLINE, whole).await
    }
}

fn invalid(reason: String) -> RuntimeError {
    RuntimeError::Invalid { field: "image", reason }
}

fn is_index(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json"
    )
}

/// An index of one manifest need not say for whom it is.
fn for_this_host(index: &ImageIndex) -> Option<String> {
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

/// `busybox` → `docker.io/library/busybox:latest`, as Docker reads a name.
fn normalise(name: &str) -> String {
    let mut full = match name.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
        None => format!("docker.io/library/{name}"),
    };
    if repository(&full) == full {
        full.push_str(":latest");
    }
    full
}

/// A name without its tag and digest.
fn repository(name: &str) -> &str {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

/// The image spec's chain ID.
fn chain_id(diff_ids: &[String]) -> String {
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
    fn names_are_completed_as_docker_does() {
        for (name, full) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36"),
            ("luksa/kubia-unhealthy", "docker.io/luksa/kubia-unhealthy:latest"),
            ("localhost/a", "localhost/a:latest"),
            ("localhost:5000/a", "localhost:5000/a:latest"),
            ("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"),
            ("a@sha256:00", "docker.io/library/a@sha256:00"),
        ] {
            assert_eq!(normalise(name), full);
        }
    }

    #[test]
    fn a_repository_is_a_name_without_tag_and_digest() {
        for (name, expected) in [
            ("docker.io/library/a:1", "docker.io/library/a"),
            ("localhost:5000/a", "localhost:5000/a"),
            ("localhost:5000/a:1@sha256:00", "localhost:5000/a"),
            ("a@sha256:00", "a"),
        ] {
            assert_eq!(repository(name), expected);
        }
    }

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
