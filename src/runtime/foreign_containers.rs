//! What the supervisor needs to know of containers that other clients created.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{FoundTask, RuntimeError};
use crate::domain::adopt::{ContainerRef, ForeignContainer, Stdio};

/// News of foreign containers' containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The stream has begun: what happened before it may have been missed.
    Live,
    Changed(ContainerRef),
    /// Its task was deleted, by its owner or by containerd, not by this daemon.
    TaskDeleted(ContainerRef),
}

/// Containers that other clients created, in the watched namespaces.
#[async_trait]
pub trait ForeignContainers: Send + Sync + 'static {
    fn is_watched(&self, namespace: &str) -> bool;
    /// Those that carry labels or a record of probelet's.
    async fn foreign_containers(&self) -> Result<Vec<ForeignContainer>, RuntimeError>;
    /// One of them, whatever it carries; `None` if there is no such container, or it is one of
    /// probelet's own.
    async fn foreign_container(
        &self,
        place: &ContainerRef,
    ) -> Result<Option<ForeignContainer>, RuntimeError>;
    /// Its stop signal by its image's word, and its task as it is.
    async fn task_of(&self, place: &ContainerRef)
    -> Result<(Option<i32>, FoundTask), RuntimeError>;
    /// Where its task's output goes; `None` without a task.
    async fn output_of(&self, place: &ContainerRef) -> Result<Option<Stdio>, RuntimeError>;
    /// Writes that it was released under these labels.
    async fn released(
        &self,
        place: &ContainerRef,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), RuntimeError>;
    /// Reports changes until containerd goes away or the receiver is dropped.
    async fn follow(&self, tell: mpsc::Sender<News>) -> Result<(), RuntimeError>;
}
