//! Plans a pod's volumes and the mounts of each container, as the kubelet does it (`pkg/volume`,
//! `pkg/kubelet/kubelet_pods.go`).

use std::collections::BTreeMap;

use super::downward::DownwardValues;
use super::node::NodeAddresses;
use super::spec::{
    ContainerSpec, DownwardField, Files, HostPathType, Medium, Part, PodSpec, Propagation,
    RecursiveReadOnly, SubPath, VolumeMount, VolumeSource, sub_path_flaw,
};

/// Modes of a folder, and of a folder that a group shares: files made in it have that group too.
const FOLDER: u32 = 0o777;
const SET_GID: u32 = 0o2000;
/// Least permissions of the group for a file on a read-only volume.
const GROUP_READ: u32 = 0o440;
/// Permissions of a token that has an owner or a group.
const TOKEN: u32 = 0o600;

/// Volumes of a pod, and the group that owns them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Volumes in the order of the spec.
    pub volumes: Vec<Made>,
    /// Group that owns the volumes that are made.
    pub group: Option<u32>,
}

/// Volume of a pod that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Name of the volume, unique in its pod.
    pub name: String,
    /// Kind of the volume, with what it is made from.
    pub kind: Kind,
}

/// Kind of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Folder on disk: Kubernetes' `emptyDir`.
    Folder {
        /// Permission bits of the folder, with set-group-ID if the pod has an `fsGroup`.
        mode: u32,
    },
    /// tmpfs: Kubernetes' `emptyDir` with the medium `Memory`.
    Memory {
        /// Permission bits of its root, the sticky bit included.
        mode: u32,
        /// Size limit in bytes.
        size: Option<u64>,
    },
    /// Files, by their paths.
    Files(BTreeMap<String, File>),
    /// Path on the host: Kubernetes' `hostPath`.
    Host {
        /// Absolute path on the host.
        path: String,
        /// Type that the path is checked for, or made as.
        kind: HostPathType,
    },
    /// A read-only view of an image.
    Image,
}

/// File of a volume, from a ConfigMap, a Secret, the downward API or a token.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// Permission bits.
    pub mode: u32,
    /// User that owns the file; root if unset.
    pub owner: Option<u32>,
    /// Content, which may be secret.
    pub bytes: Vec<u8>,
}

/// The content is not shown, since it may be secret.
impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:o}, {} bytes", self.mode, self.bytes.len())
    }
}

/// One mount of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted<'a> {
    /// Name of the volume.
    pub volume: &'a str,
    /// Path of the mounted part below the volume; the whole volume if unset.
    pub sub_path: Option<String>,
    /// Absolute path in the container.
    pub destination: String,
    /// True if the mount is read-only. Volumes of files and of images always are.
    pub read_only: bool,
    /// True if a read-only mount also makes the mounts below it read-only: Kubernetes'
    /// `recursiveReadOnly`.
    pub recursive: bool,
    /// True if nothing on the mount can be executed, as in the volumes of images.
    pub no_exec: bool,
    /// Kubernetes' `mountPropagation`.
    pub propagation: Propagation,
}

/// Plans the volumes of a pod. `at` has the node's addresses, for files of the downward API.
pub fn plan(pod: &PodSpec, at: &NodeAddresses) -> Plan {
    let group = pod.security.fs_group.and_then(|group| u32::try_from(group).ok());
    let mode = FOLDER | group.map_or(0, |_| SET_GID);
    let volumes = pod.volumes.iter().map(|volume| {
        let kind = match &volume.source {
            VolumeSource::EmptyDir { medium: Medium::Disk, .. } => Kind::Folder { mode },
            VolumeSource::EmptyDir { medium: Medium::Memory, size_limit } => {
                let size = size_limit.iter().copied().chain(memory_limit(pod)).min();
                // The sticky bit is set as by tmpfs by default, and by the kubelet.
                Kind::Memory { mode: mode | 0o1000, size }
            }
            VolumeSource::HostPath { path, kind } => Kind::Host { path: path.clone(), kind: *kind },
            VolumeSource::Files(files) => Kind::Files(files_of(pod, files, at)),
            VolumeSource::Image(_) => Kind::Image,
        };
        Made { name: volume.name.clone(), kind }
    });
    Plan { volumes: volumes.collect(), group }
}

/// Sum of the memory limits of all containers, if every container has one.
fn memory_limit(pod: &PodSpec) -> Option<u64> {
    let limits = pod.containers.iter().map(|container| container.resources.limits.memory);
    limits.sum::<Option<u64>>().filter(|sum| *sum > 0)
}

fn files_of(pod: &PodSpec, files: &Files, at: &NodeAddresses) -> BTreeMap<String, File> {
    let group = pod.security.fs_group.map_or(0, |_| GROUP_READ);
    let file = |mode: Option<u32>, bytes: Vec<u8>| File {
        mode: mode.unwrap_or(files.default_mode) | group,
        owner: None,
        bytes,
    };
    // As in the kubelet: others cannot read a token that has an owner, or the pod's group.
    let owner = pod.token_owner();
    let token_mode = (owner.is_some() || pod.security.fs_group.is_some()).then_some(TOKEN);
    let mut all = BTreeMap::new();
    for part in &files.parts {
        match part {
            Part::Object { items, data, .. } if items.is_empty() => {
                all.extend(data.iter().map(|(key, c)| (key.clone(), file(None, c.0.clone()))));
            }
            // A missing key of an optional object is left out.
            Part::Object { items, data, .. } => all.extend(items.iter().filter_map(|item| {
                let content = data.get(&item.key)?;
                Some((item.path.clone(), file(item.mode, content.0.clone())))
            })),
            Part::DownwardApi(items) => all.extend(items.iter().map(|item| {
                let text = downward(pod, &item.field, at);
                (item.path.clone(), file(item.mode, text.into_bytes()))
            })),
            Part::ServiceAccountToken(token) => all.extend(token.issued.iter().map(|issued| {
                let file = file(token_mode, issued.content.0.clone());
                (token.path.clone(), File { owner, ..file })
            })),
        }
    }
    all
}

fn downward(pod: &PodSpec, field: &DownwardField, at: &NodeAddresses) -> String {
    let list = |map: &BTreeMap<String, String>| {
        let lines = map.iter().map(|(key, value)| format!("{key}={value:?}"));
        lines.collect::<Vec<_>>().join("\n")
    };
    match field {
        DownwardField::Labels => list(&pod.labels),
        DownwardField::Annotations => list(&pod.annotations),
        DownwardField::One(field) => DownwardValues::new(pod, at).field(field),
        DownwardField::Resource(field) => DownwardValues::new(pod, at).resource(field, None),
    }
}

/// Returns the mounts of a container, in the order of the spec. `expand` replaces `$(VAR)`.
pub fn mounts<'a>(
    pod: &PodSpec,
    container: &'a ContainerSpec,
    expand: impl Fn(&str) -> Result<String, String>,
) -> Result<Vec<Mounted<'a>>, String> {
    let mount = |mount: &'a VolumeMount| {
        let failed = |why: String| {
            let (volume, container) = (&mount.name, &container.name);
            format!(
                "failed to expand subPathExpr for volumeMount {volume:?} of container \
                 {container:?}: {why}"
            )
        };
        let sub_path = match &mount.sub_path {
            SubPath::None => None,
            SubPath::Plain(path) => Some(path.clone()),
            SubPath::Expr(text) => {
                let path = expand(text).map_err(failed)?;
                match sub_path_flaw(&path) {
                    Some(why) => return Err(failed(format!("{path:?} {why}"))),
                    None => Some(path),
                }
            }
        };
        let volume = pod.volumes.iter().find(|volume| volume.name == mount.name);
        let (is_fixed, no_exec) = match volume.map(|volume| &volume.source) {
            Some(VolumeSource::Files(_)) => (true, false),
            Some(VolumeSource::Image(_)) => (true, true),
            Some(VolumeSource::EmptyDir { .. } | VolumeSource::HostPath { .. }) | None => {
                (false, false)
            }
        };
        Ok(Mounted {
            volume: &mount.name,
            sub_path: sub_path.filter(|path| !path.is_empty()),
            destination: destination(&mount.mount_path),
            read_only: mount.read_only || is_fixed,
            no_exec,
            recursive: mount.recursive_read_only != RecursiveReadOnly::Disabled,
            propagation: mount.propagation,
        })
    };
    container.volume_mounts.iter().map(mount).collect()
}

/// Returns the absolute path, without empty parts and parts of `.`.
fn destination(path: &str) -> String {
    let parts: Vec<_> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    format!("/{}", parts.join("/"))
}

/// Path in a volume on which another mount is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPoint {
    /// Index of the mount around it.
    pub outer: usize,
    /// Index of the mount that is made on it.
    pub inner: usize,
    /// Path below the outer mount.
    pub path: String,
}

/// The mount points among `destinations` that lie in a mount for which `is_fixed` holds: the
/// runtime cannot make them once the container has that mount, so they have to be there before.
pub fn mount_points(destinations: &[&str], is_fixed: impl Fn(usize) -> bool) -> Vec<MountPoint> {
    let below = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer.trim_end_matches('/'))?.strip_prefix('/')?;
        (!rest.is_empty()).then(|| rest.to_owned())
    };
    let point = |(inner, path): (usize, &&str)| {
        let around = destinations.iter().enumerate();
        let around = around.filter_map(|(outer, at)| Some((at.len(), outer, below(path, at)?)));
        let (_, outer, path) = around.max_by_key(|(length, ..)| *length)?;
        is_fixed(outer).then_some(MountPoint { outer, inner, path })
    };
    destinations.iter().enumerate().filter_map(point).collect()
}

/// Maximum number of volumes of an image: more than images declare, and few enough for a start.
const IMAGE_VOLUMES: usize = 128;

/// Returns the paths of the volumes that an image declares (`VOLUME`), without those at which a
/// volume of the pod is `mounted`.
pub fn image_volumes(declared: &[String], mounted: &[&str]) -> Result<Vec<String>, String> {
    let mut all: Vec<String> = declared.iter().map(|path| cleaned(path)).collect();
    all.sort_unstable();
    all.dedup();
    all.retain(|path| !mounted.contains(&path.as_str()));
    if all.iter().any(|path| path == "/") {
        return Err("the image declares its whole root as a volume".to_owned());
    }
    if all.len() > IMAGE_VOLUMES {
        return Err(format!("the image declares {} volumes, more than {IMAGE_VOLUMES}", all.len()));
    }
    Ok(all)
}

/// Returns the absolute path with each `..` resolved, as containerd does it.
fn cleaned(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests;
