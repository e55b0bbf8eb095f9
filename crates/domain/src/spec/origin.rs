//! The file of the manifest directory that keeps a pod.

use serde::{Deserialize, Serialize};

/// Where a pod's manifest is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The file's whole path.
    pub file: String,
    /// The directory's inode: an empty one with another is no evidence that a file was removed.
    pub directory: u64,
}
