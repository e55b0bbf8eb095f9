//! The interface between the supervisor and containers that other clients created.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::error::NodeError;
use super::task_trait::FoundTask;
use crate::domain::adopt::{ContainerRef, ForeignContainer, Stdio};

/// A change of a foreign container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The stream has begun. Earlier changes may have been missed.
    Live,
    Changed(ContainerRef),
    /// The container's task was deleted by its owner or by containerd, not by this daemon.
    TaskDeleted(ContainerRef),
}

/// Containers that other clients created, in the watched namespaces.
#[async_trait]
pub trait ForeignContainers: Send + Sync + 'static {
    fn is_watched(&self, namespace: &str) -> bool;
    /// Returns the containers that have labels or a record of probelet's.
    async fn foreign_containers(&self) -> Result<Vec<ForeignContainer>, NodeError>;
    /// Returns one container, even without labels or a record. `None` if it does not exist, or if
    /// probelet created it.
    async fn foreign_container(
        &self,
        place: &ContainerRef,
    ) -> Result<Option<ForeignContainer>, NodeError>;
    /// Returns the stop signal that the container's image sets, and the current state of its task.
    async fn task_of(&self, place: &ContainerRef) -> Result<(Option<i32>, FoundTask), NodeError>;
    /// Returns the destination of the task's output; `None` without a task.
    async fn output_of(&self, place: &ContainerRef) -> Result<Option<Stdio>, NodeError>;
    /// Writes to the record that the container was released under these labels.
    async fn released(
        &self,
        place: &ContainerRef,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), NodeError>;
    /// Reports changes until containerd goes away or the receiver is dropped.
    async fn follow(&self, tell: mpsc::Sender<News>) -> Result<(), NodeError>;
}
