//! What the supervisor needs to know of containers that other clients created.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{FoundTask, RuntimeError};
use crate::domain::adopt::{Place, Stdio, Stranger};

/// News of strangers' containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The stream has begun: what happened before it may have been missed.
    Live,
    Changed(Place),
    /// Its task was deleted, by its owner or by containerd, not by this daemon.
    TaskDeleted(Place),
}

/// Containers that other clients created, in the watched namespaces.
#[async_trait]
pub trait Strangers: Send + Sync + 'static {
    fn is_watched(&self, namespace: &str) -> bool;
    /// Those that carry labels or a record of probelet's.
    async fn strangers(&self) -> Result<Vec<Stranger>, RuntimeError>;
    /// One of them, whatever it carries; `None` if there is no such container, or it is one of
    /// probelet's own.
    async fn stranger(&self, place: &Place) -> Result<Option<Stranger>, RuntimeError>;
    /// Its stop signal by its image's word, and its task as it is.
    async fn task_of(&self, place: &Place) -> Result<(Option<i32>, FoundTask), RuntimeError>;
    /// Where its task's output goes; `None` without a task.
    async fn output_of(&self, place: &Place) -> Result<Option<Stdio>, RuntimeError>;
    /// Writes that it was released under these labels.
    async fn released(
        &self,
        place: &Place,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), RuntimeError>;
    /// Reports changes until containerd goes away or the receiver is dropped.
    async fn follow(&self, tell: mpsc::Sender<News>) -> Result<(), RuntimeError>;
}
