//! Manifest file that a pod was created from.

use serde::{Deserialize, Serialize};

/// Location of a pod's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Complete path of the file.
    pub file: String,
    /// Inode of the manifest directory. An empty directory with another inode may be a missing
    /// mount, so the pod is not removed for it.
    pub directory: u64,
}
