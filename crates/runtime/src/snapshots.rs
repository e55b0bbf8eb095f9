//! Snapshots: the writable root filesystems of containers, and read-only views of images.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::{CallError, Image};

/// A mount, as the runtime describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mount {
    /// The type of the file system, such as `overlay`.
    pub kind: String,
    /// What is mounted.
    pub source: String,
    /// Where below the root filesystem it is mounted; empty for the root itself.
    pub target: String,
    /// The options of the mount.
    pub options: Vec<String>,
}

/// A read-only view to be created.
#[derive(Debug)]
pub struct View<'a> {
    /// The view's key.
    pub key: &'a str,
    /// The image that it shows.
    pub image: &'a Image,
    /// Labels of the view.
    pub labels: BTreeMap<String, String>,
    /// True if the runtime must keep the view until it is removed. Otherwise its garbage collector
    /// may remove it at any time.
    pub is_kept: bool,
}

/// The snapshots of one namespace.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// Prepares a writable snapshot of the image and returns its mounts. An existing one is used as
    /// it is, unless it is of another image.
    async fn prepare(&self, key: &str, image: &Image) -> Result<Vec<Mount>, CallError>;
    /// Returns the mounts of a snapshot of this snapshotter; the configured one if `None`.
    async fn mounts(&self, snapshotter: Option<&str>, key: &str) -> Result<Vec<Mount>, CallError>;
    /// Creates a view and returns its mounts.
    async fn view(&self, view: View<'_>) -> Result<Vec<Mount>, CallError>;
    /// Lists keys and labels of the snapshots with this label, of this value if there is one.
    async fn list(
        &self,
        label: &str,
        value: Option<&str>,
    ) -> Result<Vec<(String, BTreeMap<String, String>)>, CallError>;
    /// True if there is a snapshot of this key.
    async fn exists(&self, key: &str) -> Result<bool, CallError>;
    /// Checks that the image's layers are unpacked; [`CallError::NoImage`] if not.
    async fn check_unpacked(&self, image: &Image) -> Result<(), CallError>;
    /// Removes a snapshot.
    async fn remove(&self, key: &str) -> Result<(), CallError>;
}
