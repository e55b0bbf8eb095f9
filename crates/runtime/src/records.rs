//! Records of containers. They exist with or without a task.

use std::collections::BTreeMap;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::CallError;

/// A value that a client stores in a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extension {
    /// The type of the value.
    pub type_url: String,
    /// The encoded value.
    pub value: Vec<u8>,
}

/// A container's record.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The container's id.
    pub id: String,
    /// Labels, by key.
    pub labels: BTreeMap<String, String>,
    /// The image's name; empty if the container has none.
    pub image: String,
    /// The snapshotter that has the container's snapshot.
    pub snapshotter: String,
    /// The snapshot's key; empty if the container has none.
    pub snapshot_key: String,
    /// The OCI runtime spec, as JSON; empty if the record has none.
    pub spec: Vec<u8>,
    /// Values of clients, by key.
    pub extensions: BTreeMap<String, Extension>,
    /// When the record was created, if that is recorded.
    pub created_at: Option<SystemTime>,
}

/// What a container is created from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The image's name in the store. `None` for a bundle, which has no snapshot either.
    pub image: Option<String>,
    /// The OCI runtime spec, as JSON.
    pub spec: Vec<u8>,
}

/// A record to be created. Its snapshot has the record's id as its key.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// The container's id.
    pub id: String,
    /// Labels, by key.
    pub labels: BTreeMap<String, String>,
    /// Image and spec.
    pub source: Source,
    /// The key of the client's value, and the value.
    pub extension: (&'static str, Extension),
}

/// A change of a record. What is not in it stays.
#[derive(Debug, Clone)]
pub struct RecordUpdate {
    /// The key of the client's value, and the value.
    pub extension: (&'static str, Extension),
    /// A new image and spec.
    pub source: Option<Source>,
}

/// Which records are listed.
#[derive(Debug, Clone, Copy)]
pub enum Filter<'a> {
    /// All records of the namespace.
    All,
    /// Records with this label.
    Label(&'a str),
    /// Records with this label of this value.
    LabelIs(&'a str, &'a str),
    /// Records that name this image.
    Image(&'a str),
}

/// The records of one namespace.
#[async_trait]
pub trait Records: Send + Sync {
    /// Creates the record, and the namespace if needed.
    async fn create(&self, record: NewRecord) -> Result<(), CallError>;
    /// Returns one record.
    async fn get(&self, id: &str) -> Result<Record, CallError>;
    /// Lists records, those of other clients too.
    async fn list(&self, filter: Filter<'_>) -> Result<Vec<Record>, CallError>;
    /// Changes a record.
    async fn update(&self, id: &str, update: RecordUpdate) -> Result<(), CallError>;
    /// Deletes a record, whose task must have been deleted before.
    async fn delete(&self, id: &str) -> Result<(), CallError>;
}
