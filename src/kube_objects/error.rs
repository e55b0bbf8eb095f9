//! Errors of writes.

use std::path::PathBuf;

use probelet_objects::{BadName, ObjectsError};

/// A write that changed nothing that reads can see.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("an object of this name exists")]
    AlreadyExists,
    #[error("there is no object of this name")]
    NotFound,
    /// The object has another version or UID than the caller has read.
    #[error("the object has been modified")]
    Modified,
    /// The object has no name, or one that no object may have.
    #[error(transparent)]
    Name(#[from] BadName),
    #[error("the object has no name")]
    NoName,
    /// All objects together would be too many or too large.
    #[error("the store is full: {0}")]
    Full(String),
    #[error("the object cannot be stored: {0}")]
    Folder(#[from] ObjectsError),
    #[error("the object cannot be stored: {path}: {why}", path = path.display())]
    Parent { path: PathBuf, why: std::io::Error },
    /// The write goes on; a read finds its result.
    #[error("the write does not end in time")]
    Late,
    #[error("the write failed: {0}")]
    Panicked(String),
}
