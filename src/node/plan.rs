//! The plan of an attempt: its OCI spec, and whether it may be started.

use std::path::PathBuf;

use probelet_runtime::{Image, Namespace, Source as RecordSource};

use super::attempt::{AttemptId, StartRequest};
use super::environment::PodEnvironment;
use super::error::NodeError;
use super::image_reader::ImageReader;
use super::{devices, image_volumes, profiles};
use crate::domain::image::normalise;
use crate::domain::spec::{ContainerSpec, Source};
use crate::domain::user;
use probelet_oci::{self as oci, Facts, Host};

/// The parts of an attempt, read from its image or bundle.
#[derive(Debug, Default)]
pub struct Plan {
    /// `None` for a bundle, and while the image is missing.
    pub(super) image: Option<Image>,
    /// Image and spec, as the record has them.
    pub(super) source: RecordSource,
    /// Paths of the image's volumes in the container.
    pub(super) image_volumes: Vec<String>,
    /// Why the attempt must not be started, if so.
    pub(super) refused: Option<String>,
}

impl Plan {
    /// Returns the plan of a container whose image is missing. The start completes the record.
    pub fn without_image(container: &ContainerSpec) -> Self {
        let image = Some(normalise(&container.image()));
        let source = RecordSource { image, spec: b"{}".to_vec() };
        Self { source, ..Self::default() }
    }
}

#[derive(Debug, Clone)]
pub struct Planner {
    facts: Facts,
    seccomp_dir: PathBuf,
    namespace: Namespace,
    images: ImageReader,
    environment: PodEnvironment,
}

impl Planner {
    pub fn new(
        facts: Facts,
        seccomp_dir: PathBuf,
        namespace: Namespace,
        images: ImageReader,
        environment: PodEnvironment,
    ) -> Self {
        Self { facts, seccomp_dir, namespace, images, environment }
    }

    /// Returns the path of the attempt's cgroup below each hierarchy.
    pub fn cgroup(&self, id: &AttemptId) -> String {
        format!("/{}/{id}", self.namespace.name)
    }

    /// Plans an attempt. Without a log it has no termination message either.
    pub async fn plan(&self, creation: &StartRequest, has_log: bool) -> Result<Plan, NodeError> {
        let container = creation.container().ok_or_else(|| {
            NodeError::Internal(format!("{}: no container {}", creation.id, creation.index))
        })?;
        match &container.source {
            Source::Image(name) => {
                let image = self.namespace.images.get(name).await?;
                self.plan_image(creation, container, image, has_log).await
            }
            Source::Bundle { oci_spec, rootfs } => {
                let spec = oci::from_bundle(oci_spec, rootfs, &self.cgroup(&creation.id))?;
                let source = RecordSource { image: None, spec };
                Ok(Plan { source, ..Plan::default() })
            }
            Source::Adopted(_) => Err(foreign(&creation.id)),
        }
    }

    async fn plan_image(
        &self,
        creation: &StartRequest,
        container: &ContainerSpec,
        image: Image,
        has_log: bool,
    ) -> Result<Plan, NodeError> {
        let (pod, environment) = (&creation.pod, &self.environment);
        let node_addresses = environment.node_addresses(pod);
        let binds = environment.volumes().binds(creation, &node_addresses);
        let mounted = binds.clone().unwrap_or_default();
        let declared = image_volumes::declared(&image, container, &mounted);
        let image_volumes = declared.clone().unwrap_or_default();
        let own_binds = environment.image_volumes().binds(&pod.uid, &creation.id, &image_volumes);
        let files = environment.files();
        let host = Host {
            facts: self.facts.clone(),
            node_addresses,
            cgroups_path: self.cgroup(&creation.id),
            shared: environment.shared_namespaces(pod),
            message_path: has_log.then(|| files.message(&pod.uid, &creation.id)),
            files: files.folder(&pod.uid),
            shm: files.shm(pod),
            users: self.images.users(&image).await?,
            devices: devices::of(container)?,
            seccomp: profiles::seccomp(pod, container, &self.seccomp_dir)?,
            app_armor: profiles::app_armor(pod, container)?,
            volumes: [mounted, own_binds].concat(),
        };
        let refused = pod.missing_reference(&container.name);
        let refused = refused.or(user::check_non_root(pod, container, &host.users).err());
        let refused = refused.or(binds.err()).or(declared.err());
        let spec = oci::from_image(&image.content.config, pod, container, &host)?;
        let source = RecordSource { image: Some(image.name.clone()), spec };
        Ok(Plan { image: Some(image), source, image_volumes, refused })
    }
}

/// Returns the error for a container that another client created.
pub fn foreign(id: &AttemptId) -> NodeError {
    NodeError::Internal(format!("another client created container {id}"))
}
