//! The plan of an attempt: its spec, and whether it may be started.

use super::{Containerd, devices, image_volumes, profiles, shared};
use crate::domain::spec::Source;
use crate::domain::user;
use crate::runtime::{AttemptId, RuntimeError, StartRequest};
use probelet_oci::{self as oci, Host};

/// The parts of an attempt, read from its image or bundle.
#[derive(Default)]
pub(super) struct Plan {
    /// The image's name in containerd's store and its unpacked layers; `None` for a bundle.
    pub(super) image: Option<(String, String)>,
    pub(super) spec: Vec<u8>,
    /// Paths of the image's volumes in the container.
    pub(super) image_volumes: Vec<String>,
    /// Why the attempt must not be started, if so.
    pub(super) refused: Option<String>,
}

impl Containerd {
    pub(super) async fn plan(
        &self,
        creation: &StartRequest,
        has_log: bool,
    ) -> Result<Plan, RuntimeError> {
        let container = creation.container().ok_or_else(|| {
            RuntimeError::Internal(format!("{}: no container {}", creation.id, creation.index))
        })?;
        let cgroups_path = self.cgroups_path(&creation.id);
        match &container.source {
            Source::Image(name) => {
                let image = self.client.image(name).await?;
                let pod = &creation.pod;
                let binds = self.binds(creation);
                let mounted = binds.clone().unwrap_or_default();
                let own = image_volumes::of(&image, container, &mounted);
                let image_volumes = own.clone().unwrap_or_default();
                let own_binds = self.image_volume_binds(creation, &image_volumes);
                let host = Host {
                    facts: self.facts.clone(),
                    node_addresses: self.node_addresses(pod),
                    cgroups_path,
                    shared: self.shared_namespaces(pod),
                    message_path: has_log.then(|| self.message_file(creation)),
                    files: self.files.folder(&pod.uid),
                    shm: shared::shares_shm(pod).then(|| self.files.shm(&pod.uid)),
                    users: self.users(&image).await?,
                    devices: devices::of(container)?,
                    seccomp: profiles::seccomp(pod, container, &self.seccomp_dir)?,
                    app_armor: profiles::app_armor(pod, container)?,
                    volumes: [mounted, own_binds].concat(),
                };
                let refused = user::check_non_root(pod, container, &host.users).err();
                let refused = refused.or(binds.err()).or(own.err());
                let spec = oci::from_image(&image.content.config, pod, container, &host)?;
                let image = Some((image.name, image.content.chain_id.clone()));
                Ok(Plan { image, spec, image_volumes, refused })
            }
            Source::Bundle { oci_spec, rootfs } => {
                let spec = oci::from_bundle(oci_spec, rootfs, &cgroups_path)?;
                Ok(Plan { spec, ..Plan::default() })
            }
            Source::Adopted(_) => Err(not_made(&creation.id)),
        }
    }
}

pub(super) fn not_made(id: &AttemptId) -> RuntimeError {
    RuntimeError::Internal(format!("{id} was made by somebody else"))
}
