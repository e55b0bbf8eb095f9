//! The writes of the controllers.

use async_trait::async_trait;
use probelet_kube_wire::discovery::{Catalog, Served};
use probelet_kube_wire::feed::Key;
use probelet_kube_wire::status::Status;
use probelet_workload::Kind;
use serde_json::Value;

/// Writes by the way that clients' writes go. `by` names the controller and its object, such as
/// `deployment/web`, and becomes the cause of what the write ends. Each write has a deadline.
#[async_trait]
pub trait Api: Send + Sync {
    /// Creates an object, which has a name and a namespace.
    async fn create(&self, served: &'static Served, object: Value, by: &str) -> Result<(), Status>;

    /// Replaces an object, or only its status. It must have the version of the live one.
    async fn replace(
        &self,
        served: &'static Served,
        object: Value,
        part: Part,
        by: &str,
    ) -> Result<(), Status>;

    /// Deletes the object of this UID. `foreground` says that its dependents are deleted before it.
    async fn delete(
        &self,
        served: &'static Served,
        object: (&Key, &str),
        foreground: bool,
        by: &str,
    ) -> Result<(), Status>;
}

/// What a write replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything but the status.
    Object,
    /// `status`.
    Status,
}

/// The row of a kind of workloads; none if it is not served.
pub fn served(kind: Kind) -> Option<&'static Served> {
    Catalog::default().find(kind.group(), "v1", kind.plural())
}

/// The row of a resource of the core group.
pub fn core(plural: &str) -> Option<&'static Served> {
    Catalog::default().find("", "v1", plural)
}
