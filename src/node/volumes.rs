//! A pod's volumes: created before a container starts, mounted by its spec, removed with the last
//! record.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use probelet_runtime::CallError;
use tokio_util::task::TaskTracker;

use super::attempt::StartRequest;
use super::blocking::{PATIENCE, aside};
use super::error::NodeError;
use super::image_reader::layers;
use super::image_views::ImageViews;
use super::image_volumes;
use super::locks::Locks;
use crate::domain::node::NodeAddresses;
use crate::domain::spec::{PodSpec, Propagation, VolumeSource, volume_images, volume_limits};
use crate::domain::volume::{self, Kind, Mounted, Plan};
use crate::volumes::{SubPathOf, View, Volumes, not_shared};
use probelet_oci::{self as oci, VolumeBind};

/// The volumes of pods.
#[derive(Debug, Clone)]
pub struct PodVolumes {
    volumes: Volumes,
    views: ImageViews,
    locks: Locks,
    /// Work that continues when its caller stops waiting.
    background: TaskTracker,
}

/// One container's mounts, and where the pod's volumes are on the host.
struct Mounts<'a> {
    volumes: &'a Volumes,
    creation: &'a StartRequest,
    plan: Plan,
    mounts: Vec<Mounted<'a>>,
}

impl<'a> Mounts<'a> {
    fn of(
        volumes: &'a Volumes,
        creation: &'a StartRequest,
        node: &NodeAddresses,
    ) -> Result<Self, String> {
        let Some(container) = creation.container() else {
            return Err(format!("{}: no container {}", creation.id, creation.index));
        };
        let env = oci::own_env(&creation.pod, container, node);
        let env = env.map_err(|error| error.to_string())?;
        let mounts = volume::mounts(&creation.pod, container, |text| oci::expand_all(text, &env))?;
        Ok(Self { volumes, creation, plan: volume::plan(&creation.pod, node), mounts })
    }

    fn volume(&self, mount: &Mounted<'_>) -> Option<&volume::Made> {
        self.plan.volumes.iter().find(|volume| volume.name == mount.volume)
    }

    /// Returns the folder or file on the host that the mount shows.
    fn source(&self, index: usize, mount: &Mounted<'_>) -> PathBuf {
        match &mount.sub_path {
            Some(_) => self.sub_path(index),
            None => self.root(mount),
        }
    }

    fn root(&self, mount: &Mounted<'_>) -> PathBuf {
        let uid = &self.creation.pod.uid;
        self.volume(mount).map(|volume| self.volumes.place(uid, volume)).unwrap_or_default()
    }

    fn sub_path(&self, index: usize) -> PathBuf {
        self.volumes.sub_path_place(&self.creation.pod.uid, self.container(), index)
    }

    fn container(&self) -> &str {
        self.creation.container().map(|container| container.name.as_str()).unwrap_or_default()
    }

    fn binds(&self) -> Vec<VolumeBind> {
        let bind = |(index, mount): (usize, &Mounted<'_>)| VolumeBind {
            destination: mount.destination.clone(),
            source: self.source(index, mount),
            access: match (mount.read_only, mount.recursive) {
                (false, _) => "rw",
                (true, false) => "ro",
                (true, true) => "rro",
            },
            no_exec: mount.no_exec,
            propagation: mount.propagation,
        };
        self.mounts.iter().enumerate().map(bind).collect()
    }

    /// Creates all volumes of the pod, and the parts that only this container has. Blocks.
    fn make(&self, views: &[View]) -> Result<(), String> {
        let uid = &self.creation.pod.uid;
        self.volumes.make(uid, &self.plan)?;
        for view in views {
            self.volumes.mount(uid, view)?;
        }
        for (index, mount) in self.mounts.iter().enumerate() {
            let root = self.root(mount);
            if let Some(path) = &mount.sub_path {
                let kind = self.volume(mount).map(|volume| &volume.kind);
                let make = !matches!(kind, Some(Kind::Files(_) | Kind::Image));
                let what = SubPathOf { root: &root, path, make };
                let made = self.volumes.bind_sub_path(uid, &self.sub_path(index), &what);
                made.map_err(|error| {
                    let (volume, container) = (mount.volume, self.container());
                    format!(
                        "failed to prepare subPath for volumeMount {volume:?} of container \
                         {container:?}: {path}: {error}"
                    )
                })?;
            }
            if mount.propagation != Propagation::None {
                let both_ways = mount.propagation == Propagation::Bidirectional;
                match not_shared(&root, both_ways) {
                    Ok(None) => {}
                    Ok(Some(why)) => return Err(why),
                    Err(error) => return Err(format!("{}: {error}", root.display())),
                }
            }
        }
        Ok(())
    }

    /// Creates mount points in volumes that the container mounts read-only, for mounts below them.
    /// Blocks.
    fn make_mount_points(&self, image_volumes: &[String]) -> Result<(), String> {
        let Some(container) = self.creation.container() else { return Ok(()) };
        let folders = self.mounts.iter().map(|mount| mount.destination.as_str());
        let folders: Vec<_> = folders.chain(image_volumes.iter().map(String::as_str)).collect();
        let files: Vec<_> = image_volumes::files_of(container).collect();
        let is_fixed = |outer: usize| {
            let mount = self.mounts.get(outer).filter(|mount| mount.read_only);
            let kind = mount.and_then(|mount| self.volume(mount)).map(|volume| &volume.kind);
            matches!(kind, Some(Kind::Files(_) | Kind::Folder { .. } | Kind::Memory { .. }))
        };
        for point in volume::mount_points(&[&folders[..], &files[..]].concat(), is_fixed) {
            let Some(outer) = self.mounts.get(point.outer) else { continue };
            let Some(volume) = self.volume(outer) else { continue };
            let is_folder = match self.mounts.get(point.inner) {
                Some(inner) => self.source(point.inner, inner).is_dir(),
                None => point.inner < folders.len(),
            };
            let (uid, sub_path) = (&self.creation.pod.uid, outer.sub_path.as_deref());
            let made = self.volumes.mount_point(uid, volume, sub_path, &point.path, is_folder);
            made.map_err(|error| {
                let (name, path) = (&volume.name, &point.path);
                format!("failed to make the mount point {path:?} in volume {name:?}: {error}")
            })?;
        }
        Ok(())
    }
}

impl PodVolumes {
    pub fn new(volumes: Volumes, views: ImageViews, locks: Locks, background: TaskTracker) -> Self {
        Self { volumes, views, locks, background }
    }

    /// Returns the container's mounts; the error says why there are none.
    pub fn binds(
        &self,
        creation: &StartRequest,
        node: &NodeAddresses,
    ) -> Result<Vec<VolumeBind>, String> {
        Mounts::of(&self.volumes, creation, node).map(|mounts| mounts.binds())
    }

    /// Creates all volumes of the pod, and the parts that only this container has.
    pub async fn make(
        &self,
        creation: &StartRequest,
        node: NodeAddresses,
        image_volumes: Vec<String>,
    ) -> Result<(), NodeError> {
        if creation.pod.volumes.is_empty() {
            return Ok(());
        }
        let _lock = self.locks.lock_pod(&creation.pod.uid).await;
        let views = self.view(creation).await?;
        let (volumes, creation) = (self.volumes.clone(), creation.clone());
        // A host path that hangs blocks only one thread, however often the start is retried.
        let key = format!("volumes/{}", creation.pod.uid);
        let alone = self.locks.lock(&key);
        let alone = tokio::time::timeout(PATIENCE, alone).await.map_err(|_| {
            NodeError::Config("the pod's volumes: an earlier try still hangs".to_owned())
        })?;
        let made = aside("the pod's volumes", move || {
            let _alone = alone;
            let mounts = Mounts::of(&volumes, &creation, &node)?;
            mounts.make(&views)?;
            mounts.make_mount_points(&image_volumes)
        });
        made.await?.map_err(NodeError::Config)
    }

    /// Creates the views of the container's image volumes. A folder on the disk is created first,
    /// so that the cleanup of the pod finds the views.
    async fn view(&self, creation: &StartRequest) -> Result<Vec<View>, NodeError> {
        let (uid, mut views) = (&creation.pod.uid, Vec::new());
        let Some(container) = creation.container() else { return Ok(views) };
        for (volume, image) in volume_images(&creation.pod, container) {
            self.volumes
                .claim(uid)
                .map_err(|error| NodeError::Config(format!("volume {volume:?}: {error}")))?;
            let (mounts, is_new) = self.views.view(uid, volume, &image.reference).await?;
            let layers = mounts.into_iter().map(layers).collect();
            views.push(View { volume: volume.to_owned(), layers, is_new });
        }
        Ok(views)
    }

    /// Updates mounted files, such as new labels, without a restart. It runs in the background,
    /// since a slow volume must not block the caller.
    pub fn renew(&self, pod: &PodSpec, node: &NodeAddresses) {
        let (this, uid, plan) = (self.clone(), pod.uid.clone(), volume::plan(pod, node));
        self.background.spawn(async move {
            let _lock = this.locks.lock_pod(&uid).await;
            let (volumes, its) = (this.volumes.clone(), uid.clone());
            let renewed = aside("the pod's volumes", move || volumes.renew(&its, &plan)).await;
            match renewed {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(uid, %error, "files of volumes stay as they are"),
                Err(error) => tracing::warn!(uid, %error, "files of volumes stay as they are"),
            }
        });
    }

    /// True if the pod has volumes on this host whose files may change.
    pub fn have_files(&self, pod: &PodSpec) -> bool {
        pod.volumes.iter().any(|volume| matches!(volume.source, VolumeSource::Files(_)))
            && self.volumes.have_traces(&pod.uid)
    }

    /// Measures the pod's limited volumes, one call at a time: a large volume may outlast the
    /// caller.
    pub async fn measure(&self, pod: &PodSpec) -> Result<BTreeMap<String, u64>, NodeError> {
        let lock = self.locks.lock(&format!("measure/{}", pod.uid)).await;
        let (volumes, uid) = (self.volumes.clone(), pod.uid.clone());
        let names: Vec<_> = volume_limits(pod).map(|(name, _)| name.to_owned()).collect();
        let measured = aside("measuring volumes", move || {
            let _lock = lock;
            let used = |name: String| match volumes.used(&uid, &name) {
                Ok(bytes) => Ok((name, bytes)),
                Err(error) => Err(NodeError::Internal(format!("volume {name:?}: {error}"))),
            };
            names.into_iter().map(used).collect()
        });
        measured.await?
    }

    pub fn have_traces(&self, uid: &str) -> bool {
        self.volumes.have_traces(uid)
    }

    /// Returns the uids of the pods that have volumes or views.
    pub async fn pods(&self) -> Result<Vec<String>, CallError> {
        let viewers = self.views.pods().await?;
        Ok(self.volumes.pods().into_iter().chain(viewers).collect())
    }

    /// Removes the pod's volumes. The caller holds the pod's lock.
    pub async fn remove(&self, uid: &str) -> Result<(), NodeError> {
        // The folders on the disk go last: while they exist, the next try looks for views.
        self.remove_folders(uid, Volumes::remove_from_run).await?;
        self.views.remove(uid).await?;
        self.remove_folders(uid, Volumes::remove_from_data).await
    }

    async fn remove_folders(
        &self,
        uid: &str,
        remove: fn(&Volumes, &str) -> io::Result<()>,
    ) -> Result<(), NodeError> {
        if !self.volumes.have_traces(uid) {
            return Ok(());
        }
        let (volumes, uid) = (self.volumes.clone(), uid.to_owned());
        let removed = aside("removing volumes", move || {
            remove(&volumes, &uid).map_err(|error| format!("the volumes of pod {uid}: {error}"))
        });
        removed.await?.map_err(NodeError::Internal)
    }
}
