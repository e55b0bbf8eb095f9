//! A pod's volumes: created before a container starts, mounted by its spec, removed with the last
//! record.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::{Containerd, image_volumes, records, users};
use crate::domain::spec::{PodSpec, Propagation, VolumeSource, volume_images, volume_limits};
use crate::domain::volume::{self, Kind, Mounted, Plan};
use crate::runtime::{RuntimeError, StartRequest};
use crate::volumes::{SubPathOf, View, Volumes, not_shared};
use probelet_oci::{self as oci, VolumeBind};

/// How long an operation may take: a host path may be on a server that does not answer, and a
/// folder may be large.
const PATIENCE: Duration = Duration::from_secs(60);

impl Containerd {
    /// Returns the container's mounts; the error says why there are none.
    pub(super) fn binds(&self, creation: &StartRequest) -> Result<Vec<VolumeBind>, String> {
        let (plan, mounts) = self.mounted(creation)?;
        let bind = |(index, mount): (usize, Mounted<'_>)| {
            let source = self.source(creation, &plan, index, &mount);
            VolumeBind {
                destination: mount.destination,
                source,
                access: match (mount.read_only, mount.recursive) {
                    (false, _) => "rw",
                    (true, false) => "ro",
                    (true, true) => "rro",
                },
                no_exec: mount.no_exec,
                propagation: mount.propagation,
            }
        };
        Ok(mounts.into_iter().enumerate().map(bind).collect())
    }

    /// Creates all volumes of the pod, and the parts that only this container has.
    pub(super) async fn make_volumes(
        &self,
        creation: &StartRequest,
        image_volumes: Vec<String>,
    ) -> Result<(), RuntimeError> {
        if creation.pod.volumes.is_empty() {
            return Ok(());
        }
        let _turn = self.pod_turn(&creation.pod.uid).await;
        let views = self.views(creation).await?;
        let (this, creation) = (self.clone(), creation.clone());
        // A host path that hangs blocks only one thread, however often the start is retried.
        let key = format!("volumes/{}", creation.pod.uid);
        let alone = self.locks.lock(&key);
        let alone = tokio::time::timeout(PATIENCE, alone).await.map_err(|_| {
            RuntimeError::Config("the pod's volumes: an earlier try still hangs".to_owned())
        })?;
        let made = aside("the pod's volumes", move || {
            let _alone = alone;
            this.make_volumes_now(&creation, &views)?;
            this.make_mount_points(&creation, &image_volumes)
        });
        made.await?.map_err(RuntimeError::Config)
    }

    /// Creates the views of the container's image volumes. A folder on the disk is created first,
    /// so that the cleanup of the pod finds the views.
    async fn views(&self, creation: &StartRequest) -> Result<Vec<View>, RuntimeError> {
        let (uid, mut views) = (&creation.pod.uid, Vec::new());
        let Some(container) = creation.container() else { return Ok(views) };
        for (volume, image) in volume_images(&creation.pod, container) {
            self.volumes
                .claim(uid)
                .map_err(|error| RuntimeError::Config(format!("volume {volume:?}: {error}")))?;
            let (mounts, is_new) = self.client.view(uid, volume, &image.reference).await?;
            let layers = mounts.into_iter().map(users::layers).collect();
            views.push(View { volume: volume.to_owned(), layers, is_new });
        }
        Ok(views)
    }

    fn make_volumes_now(&self, creation: &StartRequest, views: &[View]) -> Result<(), String> {
        let (plan, mounts) = self.mounted(creation)?;
        let uid = &creation.pod.uid;
        self.volumes.make(uid, &plan)?;
        for view in views {
            self.volumes.mount(uid, view)?;
        }
        let container = creation.container().map(|c| c.name.as_str()).unwrap_or_default();
        for (index, mount) in mounts.iter().enumerate() {
            let root = self.place(creation, &plan, mount.volume);
            if let Some(path) = &mount.sub_path {
                let kind = plan.volumes.iter().find(|v| v.name == mount.volume).map(|v| &v.kind);
                let make = !matches!(kind, Some(Kind::Files(_) | Kind::Image));
                let place = self.sub_path_place(creation, index);
                let what = SubPathOf { root: &root, path, make };
                self.volumes.bind_sub_path(uid, &place, &what).map_err(|error| {
                    let volume = mount.volume;
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
    fn make_mount_points(
        &self,
        creation: &StartRequest,
        image_volumes: &[String],
    ) -> Result<(), String> {
        let Some(container) = creation.container() else { return Ok(()) };
        let (plan, mounts) = self.mounted(creation)?;
        let volume = |mount: &Mounted<'_>| plan.volumes.iter().find(|it| it.name == mount.volume);
        let folders = mounts.iter().map(|mount| mount.destination.as_str());
        let folders: Vec<_> = folders.chain(image_volumes.iter().map(String::as_str)).collect();
        let files: Vec<_> = image_volumes::files_of(container).collect();
        let is_fixed = |outer: usize| {
            let mount = mounts.get(outer).filter(|mount| mount.read_only);
            let kind = mount.and_then(volume).map(|volume| &volume.kind);
            matches!(kind, Some(Kind::Files(_) | Kind::Folder { .. } | Kind::Memory { .. }))
        };
        for point in volume::mount_points(&[&folders[..], &files[..]].concat(), is_fixed) {
            let Some(outer) = mounts.get(point.outer) else { continue };
            let Some(made) = volume(outer) else { continue };
            let is_folder = match mounts.get(point.inner) {
                Some(inner) => self.source(creation, &plan, point.inner, inner).is_dir(),
                None => point.inner < folders.len(),
            };
            let (uid, sub_path) = (&creation.pod.uid, outer.sub_path.as_deref());
            self.volumes.mount_point(uid, made, sub_path, &point.path, is_folder).map_err(
                |error| {
                    let (name, path) = (&made.name, &point.path);
                    format!("failed to make the mount point {path:?} in volume {name:?}: {error}")
                },
            )?;
        }
        Ok(())
    }

    /// Updates mounted files, such as new labels, without a restart. It runs in the background,
    /// since a slow volume must not block the caller.
    pub(super) fn renew_volumes(&self, pod: &PodSpec) {
        let holds_files =
            pod.volumes.iter().any(|volume| matches!(volume.source, VolumeSource::Files(_)));
        if !holds_files || !self.volumes.have_traces(&pod.uid) {
            return;
        }
        let (this, uid, plan) =
            (self.clone(), pod.uid.clone(), volume::plan(pod, &self.node_addresses(pod)));
        self.starts.spawn(async move {
            let _turn = this.pod_turn(&uid).await;
            let (volumes, its) = (this.volumes.clone(), uid.clone());
            let renewed = aside("the pod's volumes", move || volumes.renew(&its, &plan)).await;
            match renewed {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(uid, %error, "files of volumes stay as they are"),
                Err(error) => tracing::warn!(uid, %error, "files of volumes stay as they are"),
            }
        });
    }

    /// Measures the pod's limited volumes, one call at a time: a large volume may outlast the
    /// caller.
    pub(super) async fn measure_volumes(
        &self,
        pod: &PodSpec,
    ) -> Result<BTreeMap<String, u64>, RuntimeError> {
        let turn = self.locks.lock(&format!("measure/{}", pod.uid)).await;
        let (volumes, uid) = (self.volumes.clone(), pod.uid.clone());
        let names: Vec<_> = volume_limits(pod).map(|(name, _)| name.to_owned()).collect();
        let measured = aside("measuring volumes", move || {
            let _turn = turn;
            let used = |name: String| match volumes.used(&uid, &name) {
                Ok(bytes) => Ok((name, bytes)),
                Err(error) => Err(RuntimeError::Internal(format!("volume {name:?}: {error}"))),
            };
            names.into_iter().map(used).collect()
        });
        measured.await?
    }

    pub(super) async fn remove_volumes(&self, uid: &str) -> Result<(), RuntimeError> {
        // The folders on the disk go last: while they exist, the next try looks for views.
        self.remove_folders(uid, Volumes::remove_from_run).await?;
        self.client.remove_views(uid).await?;
        self.remove_folders(uid, Volumes::remove_from_data).await
    }

    async fn remove_folders(
        &self,
        uid: &str,
        remove: fn(&Volumes, &str) -> io::Result<()>,
    ) -> Result<(), RuntimeError> {
        if !self.volumes.have_traces(uid) {
            return Ok(());
        }
        let (volumes, uid) = (self.volumes.clone(), uid.to_owned());
        let removed = aside("removing volumes", move || {
            remove(&volumes, &uid).map_err(|error| format!("the volumes of pod {uid}: {error}"))
        });
        removed.await?.map_err(RuntimeError::Internal)
    }

    /// Cleans up pods whose records were deleted while no daemon ran. `seen` was read before
    /// `records`, so a new pod, which has a record first, is not among them.
    pub(super) async fn remove_strays(
        &self,
        seen: BTreeSet<String>,
        records: &[containerd_client::services::v1::Container],
    ) {
        let known = |uid: &String| {
            records.iter().any(|record| record.labels.get(records::POD_UID) == Some(uid))
        };
        for uid in seen.into_iter().filter(|uid| !known(uid)) {
            // The network is disconnected first, in the background.
            if self.networks.cni.has_traces(&uid) {
                continue;
            }
            let _turn = self.pod_turn(&uid).await;
            match self.remove_traces(&uid).await {
                Ok(()) => tracing::info!(uid, "removed what was left of a pod that is gone"),
                Err(error) => tracing::warn!(uid, %error, "traces of a pod that is gone stay"),
            }
        }
    }

    fn mounted<'a>(&self, creation: &'a StartRequest) -> Result<(Plan, Vec<Mounted<'a>>), String> {
        let Some(container) = creation.container() else {
            return Err(format!("{}: no container {}", creation.id, creation.index));
        };
        let at = self.node_addresses(&creation.pod);
        let env = oci::own_env(&creation.pod, container, &at).map_err(|error| error.to_string())?;
        let mounts = volume::mounts(&creation.pod, container, |text| oci::expand_all(text, &env))?;
        Ok((volume::plan(&creation.pod, &at), mounts))
    }

    fn source(
        &self,
        creation: &StartRequest,
        plan: &Plan,
        index: usize,
        mount: &Mounted<'_>,
    ) -> PathBuf {
        match &mount.sub_path {
            Some(_) => self.sub_path_place(creation, index),
            None => self.place(creation, plan, mount.volume),
        }
    }

    fn place(&self, creation: &StartRequest, plan: &Plan, name: &str) -> PathBuf {
        let volume = plan.volumes.iter().find(|volume| volume.name == name);
        volume.map(|volume| self.volumes.place(&creation.pod.uid, volume)).unwrap_or_default()
    }

    fn sub_path_place(&self, creation: &StartRequest, index: usize) -> PathBuf {
        let container = creation.container().map(|c| c.name.as_str()).unwrap_or_default();
        self.volumes.sub_path_place(&creation.pod.uid, container, index)
    }
}

pub(super) async fn aside<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RuntimeError> {
    let late = |_| RuntimeError::Config(format!("{what}: not within {} s", PATIENCE.as_secs()));
    let done = tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(work)).await;
    done.map_err(late)?.map_err(|error| RuntimeError::Internal(format!("{what}: {error}")))
}
