//! What a pod's containers share as folders and files, and where each has it.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::{ContainerSpec, PodField, PodSpec, ResourceField, Source};
use crate::image::PullPolicy;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub name: String,
    pub source: VolumeSource,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeSource {
    EmptyDir {
        medium: Medium,
        /// Bytes.
        size_limit: Option<u64>,
    },
    HostPath {
        path: String,
        kind: HostPathType,
    },
    Files(Files),
    Image(VolumeImage),
}

/// What an image holds, read only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeImage {
    pub reference: String,
    pub pull_policy: Option<PullPolicy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Medium {
    Disk,
    Memory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostPathType {
    /// Whatever is there; nothing there becomes a folder, as containerd makes it.
    Unset,
    DirectoryOrCreate,
    Directory,
    FileOrCreate,
    File,
    Socket,
    CharDevice,
    BlockDevice,
}

impl HostPathType {
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

/// `configMap`, `secret`, `downwardAPI`, or `projected`: several of them in one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Otherwise it has one part.
    pub projected: bool,
    pub default_mode: u32,
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    Object {
        kind: ObjectKind,
        name: String,
        optional: bool,
        /// Every key where it is empty.
        items: Vec<Item>,
        /// What the object said when the pod was applied: a restart needs it, and the object
        /// itself is kept nowhere.
        data: BTreeMap<String, Content>,
    },
    DownwardApi(Vec<DownwardItem>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectKind {
    ConfigMap,
    Secret,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub key: String,
    pub path: String,
    pub mode: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownwardItem {
    pub path: String,
    pub mode: Option<u32>,
    pub field: DownwardField,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DownwardField {
    One(PodField),
    Labels,
    Annotations,
    Resource(ResourceField),
}

impl DownwardField {
    /// What a file may be; an entry of labels or annotations beside them.
    pub const PATHS: [&str; 5] = [
        "metadata.annotations",
        "metadata.labels",
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
    ];

    /// A `fieldPath`, as Kubernetes writes it.
    pub fn parse(path: &str) -> Option<Self> {
        match path {
            "metadata.labels" => Some(Self::Labels),
            "metadata.annotations" => Some(Self::Annotations),
            _ if path.starts_with("metadata.") => PodField::parse(path).map(Self::One),
            _ => None,
        }
    }

    pub fn path(&self) -> Option<String> {
        match self {
            Self::Labels => Some("metadata.labels".to_owned()),
            Self::Annotations => Some("metadata.annotations".to_owned()),
            Self::One(field) => Some(field.path()),
            Self::Resource(_) => None,
        }
    }
}

/// A file's bytes, readable in a record where they are text, and never in what is logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Encoded", try_from = "Encoded")]
pub struct Content(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
enum Encoded {
    Text(String),
    Base64(String),
}

impl From<Content> for Encoded {
    fn from(content: Content) -> Self {
        String::from_utf8(content.0)
            .map_or_else(|e| Self::Base64(BASE64_STANDARD.encode(e.as_bytes())), Self::Text)
    }
}

impl TryFrom<Encoded> for Content {
    type Error = base64::DecodeError;

    fn try_from(encoded: Encoded) -> Result<Self, Self::Error> {
        match encoded {
            Encoded::Text(text) => Ok(Self(text.into_bytes())),
            Encoded::Base64(text) => BASE64_STANDARD.decode(text).map(Self),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeMount {
    pub name: String,
    pub mount_path: String,
    pub sub_path: SubPath,
    pub read_only: bool,
    pub recursive_read_only: RecursiveReadOnly,
    pub propagation: Propagation,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubPath {
    None,
    Plain(String),
    /// With `$(VAR)` from the container's environment.
    Expr(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecursiveReadOnly {
    Disabled,
    IfPossible,
    Enabled,
}

impl RecursiveReadOnly {
    pub const ALL: [Self; 3] = [Self::Disabled, Self::Enabled, Self::IfPossible];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::IfPossible => "IfPossible",
            Self::Enabled => "Enabled",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    None,
    HostToContainer,
    Bidirectional,
}

impl Propagation {
    pub const ALL: [Self; 3] = [Self::Bidirectional, Self::HostToContainer, Self::None];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::HostToContainer => "HostToContainer",
            Self::Bidirectional => "Bidirectional",
        }
    }
}

impl Part {
    /// As the field is called that it comes from.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Object { kind: ObjectKind::ConfigMap, .. } => "configMap",
            Self::Object { kind: ObjectKind::Secret, .. } => "secret",
            Self::DownwardApi(_) => "downwardAPI",
        }
    }
}

impl PodSpec {
    /// All that it is made from, its volumes too.
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

    /// Of what volumes on a disk hold, in bytes. One in memory cannot be over its own.
    pub fn volume_limits(&self) -> impl Iterator<Item = (&str, u64)> {
        self.volumes.iter().filter_map(|volume| match volume.source {
            VolumeSource::EmptyDir { medium: Medium::Disk, size_limit: Some(limit) } => {
                Some((volume.name.as_str(), limit))
            }
            _ => None,
        })
    }

    /// The images that are volumes of this container, by the volumes' names.
    pub fn volume_images<'a>(
        &'a self,
        container: &'a ContainerSpec,
    ) -> impl Iterator<Item = (&'a str, &'a VolumeImage)> {
        let is_mounted = |volume: &&Volume| {
            container.volume_mounts.iter().any(|mount| mount.name == volume.name)
        };
        self.volumes.iter().filter(is_mounted).filter_map(|volume| match &volume.source {
            VolumeSource::Image(image) => Some((volume.name.as_str(), image)),
            _ => None,
        })
    }
}

impl Volume {
    /// Only what its files hold differs: that can change under a running container.
    pub fn differs_in_content_only(&self, new: &Self) -> bool {
        let shape = |volume: &Self| {
            let mut shape = volume.clone();
            if let VolumeSource::Files(files) = &mut shape.source {
                for part in &mut files.parts {
                    if let Part::Object { data, .. } = part {
                        data.clear();
                    }
                }
            }
            shape
        };
        shape(self) == shape(new)
    }
}

/// What is wrong with a path that must stay below a folder.
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
    fn content_survives_a_record_and_is_not_logged() {
        for bytes in [&b"plain"[..], &[0xff, 0, 1]] {
            let content = Content(bytes.to_vec());
            let text = serde_json::to_string(&content).unwrap();
            assert_eq!(serde_json::from_str::<Content>(&text).unwrap(), content, "{text}");
        }
        assert_eq!(format!("{:?}", Content(b"hunter2".to_vec())), "7 bytes");
    }

    #[test]
    fn a_field_path_reads_back() {
        for path in ["metadata.labels", "metadata.annotations", "metadata.labels['a']"] {
            assert_eq!(DownwardField::parse(path).unwrap().path().as_deref(), Some(path));
        }
        assert_eq!(DownwardField::parse("spec.nodeName"), None);
        assert_eq!(DownwardField::parse("status.podIP"), None);
    }
}
