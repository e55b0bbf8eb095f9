//! Volumes of a pod, and their mounts in its containers.

use std::collections::BTreeMap;
use std::fmt;

use super::{AccountToken, ContainerSpec, PodField, PodSpec, ResourceField, Source};
use crate::image::PullPolicy;

/// A volume of a pod, which any of its containers can mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Name that mounts refer to: an RFC 1123 label, unique in the pod.
    pub name: String,
    /// Source of the volume's content.
    pub source: VolumeSource,
}

/// Origin of a volume's content. A manifest with none of Kubernetes' sources makes an `emptyDir`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSource {
    /// Kubernetes' `emptyDir`: a folder that is empty at first and lasts as long as the pod.
    EmptyDir {
        /// Where the folder is stored.
        medium: Medium,
        /// Maximum size in bytes; no limit if unset.
        size_limit: Option<u64>,
    },
    /// Kubernetes' `hostPath`: a file or folder of the host.
    HostPath {
        /// Absolute path on the host, without `..`.
        path: String,
        /// Check of the path before a container starts.
        kind: HostPathType,
    },
    /// Files from ConfigMaps, Secrets and the downward API; always mounted read-only.
    Files(Files),
    /// Kubernetes' `image`: the files of an OCI image; always mounted read-only and `noexec`.
    Image(VolumeImage),
}

/// An image whose files are the content of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeImage {
    /// Image reference; must not be empty.
    pub reference: String,
    /// When the image is pulled; Kubernetes' default for its tag if unset.
    pub pull_policy: Option<PullPolicy>,
}

/// Kubernetes' `medium` of an `emptyDir`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// A folder on the host's disk; the default. A pod that exceeds its size limit is evicted.
    Disk,
    /// A tmpfs. Its size is at most the size limit and, if every container has a memory limit, the
    /// sum of those.
    Memory,
}

/// Kubernetes' `type` of a `hostPath`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPathType {
    /// No check; a folder with mode 0755 is made if nothing exists at the path, as in containerd.
    Unset,
    /// A folder; made with mode 0755 if nothing exists at the path.
    DirectoryOrCreate,
    /// An existing folder.
    Directory,
    /// A file; made empty with mode 0644 if nothing exists at the path.
    FileOrCreate,
    /// An existing regular file.
    File,
    /// An existing Unix socket.
    Socket,
    /// An existing character device.
    CharDevice,
    /// An existing block device.
    BlockDevice,
}

impl HostPathType {
    /// All types, in the order in which an error lists them.
    pub const ALL: [Self; 8] = [
        Self::Unset,
        Self::DirectoryOrCreate,
        Self::Directory,
        Self::FileOrCreate,
        Self::File,
        Self::Socket,
        Self::CharDevice,
        Self::BlockDevice,
    ];

    /// The type as Kubernetes writes it; empty for `Unset`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "",
            Self::DirectoryOrCreate => "DirectoryOrCreate",
            Self::Directory => "Directory",
            Self::FileOrCreate => "FileOrCreate",
            Self::File => "File",
            Self::Socket => "Socket",
            Self::CharDevice => "CharDevice",
            Self::BlockDevice => "BlockDevice",
        }
    }
}

/// Files of a `configMap`, `secret` or `downwardAPI` volume, or of a `projected` one, which
/// combines several sources in one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Whether the volume is `projected`; any other volume has one part.
    pub projected: bool,
    /// Permission bits of files without a mode; 0644 by default in manifests, at most 0777.
    pub default_mode: u32,
    /// Sources of the files; no two files may have the same path.
    pub parts: Vec<Part>,
}

/// One source of a volume's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A ConfigMap or Secret.
    Object {
        /// Whether it is a ConfigMap or a Secret.
        kind: ObjectKind,
        /// Name of the object, in the pod's namespace.
        name: String,
        /// Whether a missing object or key is left out instead of reported as an error.
        optional: bool,
        /// Keys that become files; every key if empty.
        items: Vec<Item>,
        /// Data of the object when the pod was applied. It is stored because a restart needs it and
        /// the object itself is not stored.
        data: BTreeMap<String, Content>,
    },
    /// Files with values of the pod, from Kubernetes' `downwardAPI`.
    DownwardApi(Vec<DownwardItem>),
    /// A token of the pod's ServiceAccount, from Kubernetes' `serviceAccountToken`.
    ServiceAccountToken(AccountToken),
}

/// Kind of the object that files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

/// One key of a ConfigMap or Secret and the file it becomes; Kubernetes' `KeyToPath`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Key of the object's data.
    pub key: String,
    /// Path of the file relative to the volume, without `..`.
    pub path: String,
    /// Permission bits of the file, at most 0777; the volume's default mode if unset.
    pub mode: Option<u32>,
}

/// One file of the downward API; Kubernetes' `DownwardAPIVolumeFile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownwardItem {
    /// Path of the file relative to the volume, without `..`.
    pub path: String,
    /// Permission bits of the file, at most 0777; the volume's default mode if unset.
    pub mode: Option<u32>,
    /// Value that the file contains.
    pub field: DownwardField,
}

/// Value that a file of the downward API contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownwardField {
    /// A single field of the pod, one whose path begins with `metadata.`.
    One(PodField),
    /// All labels of the pod, one `KEY="VALUE"` a line.
    Labels,
    /// All annotations of the pod, one `KEY="VALUE"` a line.
    Annotations,
    /// A resource request or limit of a named container.
    Resource(ResourceField),
}

impl DownwardField {
    /// Field paths that a file may have, besides single labels and annotations.
    pub const PATHS: [&str; 5] = [
        "metadata.annotations",
        "metadata.labels",
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
    ];

    /// Reads a `fieldPath` as Kubernetes writes it; `None` for an unknown one or one that a file
    /// cannot have.
    pub fn parse(path: &str) -> Option<Self> {
        match path {
            "metadata.labels" => Some(Self::Labels),
            "metadata.annotations" => Some(Self::Annotations),
            _ if path.starts_with("metadata.") => PodField::parse(path).map(Self::One),
            _ => None,
        }
    }

    /// Returns the `fieldPath` as Kubernetes writes it; `None` for a resource.
    pub fn path(&self) -> Option<String> {
        match self {
            Self::Labels => Some("metadata.labels".to_owned()),
            Self::Annotations => Some("metadata.annotations".to_owned()),
            Self::One(field) => Some(field.path()),
            Self::Resource(_) => None,
        }
    }
}

/// Content of a file. `Debug` prints only its size, so that it is not logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Content(pub Vec<u8>);

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A mount of one of the pod's volumes in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeMount {
    /// Name of the volume.
    pub name: String,
    /// Path in the container, unique among its mounts; neither the root nor with `..`.
    pub mount_path: String,
    /// Part of the volume to mount; the whole volume for `SubPath::None`.
    pub sub_path: SubPath,
    /// Whether the mount is read-only; files and images always are.
    pub read_only: bool,
    /// Whether mounts below this one are read-only too.
    pub recursive_read_only: RecursiveReadOnly,
    /// Propagation of mounts between the host and the container.
    pub propagation: Propagation,
}

/// The part of a volume that is mounted: Kubernetes' `subPath` or `subPathExpr`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubPath {
    /// The whole volume.
    None,
    /// Kubernetes' `subPath`: a relative path without `..`.
    Plain(String),
    /// Kubernetes' `subPathExpr`: a relative path without `..`, with `$(VAR)` from the container's
    /// environment.
    Expr(String),
}

/// Kubernetes' `recursiveReadOnly`. Only a read-only mount without propagation may set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecursiveReadOnly {
    /// Mounts below this one keep their access; the default.
    Disabled,
    /// In Kubernetes, recursive where the node supports it; here the same as `Enabled`.
    IfPossible,
    /// Mounts below this one are read-only too; the OCI mount option `rro`.
    Enabled,
}

impl RecursiveReadOnly {
    /// All values, in the order in which an error lists them.
    pub const ALL: [Self; 3] = [Self::Disabled, Self::Enabled, Self::IfPossible];

    /// The value as Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::IfPossible => "IfPossible",
            Self::Enabled => "Enabled",
        }
    }
}

/// Kubernetes' `mountPropagation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// Mounts that are made later stay on their side; the mount option `rprivate`. The default.
    None,
    /// Later mounts of the host appear in the container; the mount option `rslave`.
    HostToContainer,
    /// Later mounts appear on both sides (`rshared`); only for privileged containers.
    Bidirectional,
}

impl Propagation {
    /// All values, in the order in which an error lists them.
    pub const ALL: [Self; 3] = [Self::Bidirectional, Self::HostToContainer, Self::None];

    /// The value as Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::HostToContainer => "HostToContainer",
            Self::Bidirectional => "Bidirectional",
        }
    }
}

impl Part {
    /// Name of the part's field in Kubernetes: `configMap`, `secret`, `downwardAPI` or
    /// `serviceAccountToken`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Object { kind: ObjectKind::ConfigMap, .. } => "configMap",
            Self::Object { kind: ObjectKind::Secret, .. } => "secret",
            Self::DownwardApi(_) => "downwardAPI",
            Self::ServiceAccountToken(_) => "serviceAccountToken",
        }
    }
}

impl PodSpec {
    /// Returns the images of the pod's containers and volumes.
    pub fn images(&self) -> impl Iterator<Item = &String> {
        let own = self.all().filter_map(|container| match &container.source {
            Source::Image(name) => Some(name),
            Source::Bundle { .. } | Source::Adopted(_) => None,
        });
        let volumes = self.volumes.iter().filter_map(|volume| match &volume.source {
            VolumeSource::Image(image) => Some(&image.reference),
            _ => None,
        });
        own.chain(volumes)
    }
}

/// Returns name and size limit in bytes of a pod's `emptyDir` volumes on a disk. A volume in memory
/// is limited by the kernel instead.
pub fn volume_limits(pod: &PodSpec) -> impl Iterator<Item = (&str, u64)> {
    pod.volumes.iter().filter_map(|volume| match volume.source {
        VolumeSource::EmptyDir { medium: Medium::Disk, size_limit: Some(limit) } => {
            Some((volume.name.as_str(), limit))
        }
        _ => None,
    })
}

/// Returns the images that are mounted as volumes in a container of the pod, with the names of the
/// volumes.
pub fn volume_images<'a>(
    pod: &'a PodSpec,
    container: &'a ContainerSpec,
) -> impl Iterator<Item = (&'a str, &'a VolumeImage)> {
    let is_mounted =
        |volume: &&Volume| container.volume_mounts.iter().any(|mount| mount.name == volume.name);
    pod.volumes.iter().filter(is_mounted).filter_map(|volume| match &volume.source {
        VolumeSource::Image(image) => Some((volume.name.as_str(), image)),
        _ => None,
    })
}

impl Volume {
    /// Returns whether both volumes are equal apart from the content of files, which can change
    /// while a container runs.
    pub fn differs_in_content_only(&self, new: &Self) -> bool {
        let shape = |volume: &Self| {
            let mut shape = volume.clone();
            if let VolumeSource::Files(files) = &mut shape.source {
                for part in &mut files.parts {
                    match part {
                        Part::Object { data, .. } => data.clear(),
                        Part::ServiceAccountToken(token) => token.issued = None,
                        Part::DownwardApi(_) => {}
                    }
                }
            }
            shape
        };
        shape(self) == shape(new)
    }
}

/// Returns the flaw of a path that must stay below a folder; `None` if it is valid.
pub fn sub_path_flaw(path: &str) -> Option<&'static str> {
    if path.starts_with('/') {
        Some("must be a relative path")
    } else if path.split('/').any(|part| part == "..") {
        Some("must not contain '..'")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_not_logged() {
        assert_eq!(format!("{:?}", Content(b"hunter2".to_vec())), "7 bytes");
    }

    #[test]
    fn a_field_path_survives_a_round_trip() {
        for path in ["metadata.labels", "metadata.annotations", "metadata.labels['a']"] {
            assert_eq!(DownwardField::parse(path).unwrap().path().as_deref(), Some(path));
        }
        assert_eq!(DownwardField::parse("spec.nodeName"), None);
        assert_eq!(DownwardField::parse("status.podIP"), None);
    }
}
