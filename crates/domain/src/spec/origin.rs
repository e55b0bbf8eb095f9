//! Manifest file that a pod was created from.

/// Location of a pod's manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Complete path of the file.
    pub file: String,
    /// Inode of the manifest directory. An empty directory with another inode may be a missing
    /// mount, so the pod is not removed for it.
    pub directory: u64,
}
