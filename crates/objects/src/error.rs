//! Errors of the folder.

use std::io;
use std::path::{Path, PathBuf};

use crate::name::BadName;

/// The largest object, in bytes of JSON, as in Kubernetes with the default of etcd. A Secret with
/// Kubernetes' limit of 1 MiB of data fits.
pub const LARGEST: usize = 3 << 19;

/// An operation on the folder failed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// Another process has the folder open.
    #[error("{}: is in use by another process", .0.display())]
    InUse(PathBuf),
    /// A name that no object may have.
    #[error(transparent)]
    Name(#[from] BadName),
    /// The object is larger than [`LARGEST`].
    #[error("the object has {0} bytes, more than {limit}", limit = LARGEST)]
    TooLarge(usize),
    /// A file or folder could not be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
}

impl ObjectsError {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }
}
