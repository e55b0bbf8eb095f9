//! What a kind of objects does in a write.

use std::sync::Arc;

use async_trait::async_trait;
use probelet_kube_wire::feed::Key;
use probelet_kube_wire::options::DeleteOptions;
use probelet_kube_wire::patch::Applied;
use probelet_kube_wire::status::Status;
use serde_json::Value;

use super::super::identity::Identity;

/// A live object, with its `resourceVersion`, and what its managers applied last.
#[derive(Debug, Clone)]
pub struct Live {
    pub object: Arc<Value>,
    pub applied: Applied,
}

/// An object that is to be created, or that is to replace the live one. It has its defaults, its
/// name and namespace, and the fields that the server sets.
pub struct Change<'a> {
    pub object: Value,
    pub applied: Applied,
    /// The subresource, such as `status`: only this part of the object may differ.
    pub subresource: Option<&'a str>,
    /// True if all checks are made and nothing is stored.
    pub dry_run: bool,
    pub by: &'a Identity,
}

/// A deletion whose preconditions hold.
pub struct Deletion<'a> {
    pub options: &'a DeleteOptions,
    pub by: &'a Identity,
}

/// The object as it is after the write.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub object: Arc<Value>,
    /// Texts for people, which clients print.
    pub warnings: Vec<String>,
}

/// A kind of objects that clients write. The pipeline calls it for one object at a time: no other
/// write of the same object is in progress.
#[async_trait]
pub trait Kind: Send + Sync {
    /// Sets the fields that the object does not have to their defaults.
    fn default(&self, object: &mut Value);

    /// Returns the live object; `None` if there is none. It has all that earlier writes did.
    async fn live(&self, key: &Key) -> Result<Option<Live>, Status>;

    /// Checks a new object by itself, as [`Self::create`] does before it stores the object: 422 if it
    /// breaks a rule.
    fn check_new(&self, object: &Value) -> Result<(), Status>;

    /// Checks and stores a new object. It returns when reads and watches have the object.
    async fn create(&self, change: Change<'_>) -> Result<Outcome, Status>;

    /// Checks an object against the live one, and stores it. It returns when reads and watches have
    /// the object. Without a difference nothing changes.
    async fn update(&self, live: &Live, change: Change<'_>) -> Result<Outcome, Status>;

    /// Deletes an object, or begins to. Returns the object as it is then; the `Status` of the
    /// deletion if nothing is left of it.
    async fn delete(&self, live: &Live, deletion: Deletion<'_>) -> Result<Arc<Value>, Status>;

    /// Answers the creation of a subresource of an object, such as `eviction`.
    async fn create_subresource(
        &self,
        live: &Live,
        subresource: &str,
        body: &Value,
        by: &Identity,
    ) -> Result<Value, Status>;
}
