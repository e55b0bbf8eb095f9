//! Answers that are one container of a pod: its state now, or once it meets a condition.

use std::sync::Arc;
use std::time::Duration;

use super::convert;
use super::error::{Error, Result};
use crate::domain::Incarnation;
use crate::domain::pod_key::PodKey;
use crate::domain::status::{ContainerState, ContainerStatus, Stage};
use crate::pb;
use crate::supervisor::{PodView, Supervisor};

/// Reads and waits for containers of the supervisor.
#[derive(Clone)]
pub struct ContainerAnswers {
    supervisor: Arc<Supervisor>,
}

impl ContainerAnswers {
    pub fn new(supervisor: Arc<Supervisor>) -> Self {
        Self { supervisor }
    }

    /// The first container, for calls that mean the pod as a whole.
    pub fn first(&self, view: &PodView) -> Result<pb::Container> {
        let status = view.status.containers.first().ok_or(Error::NoContainers)?;
        Ok(convert::container(&self.supervisor, view, status))
    }

    pub fn named(&self, view: &PodView, container: &str) -> Result<pb::Container> {
        let status = convert::status_of_container(view, container)?;
        Ok(convert::container(&self.supervisor, view, status))
    }

    /// Waits for any container of the pod, and returns the first one that meets the condition.
    pub async fn any_when(
        &self,
        pod: &PodKey,
        condition: &'static str,
        timeout: Duration,
        is_met: impl Fn(&ContainerStatus) -> bool + Send,
    ) -> Result<pb::Container> {
        let any = |view: &PodView| view.status.all().any(&is_met);
        let view = self.supervisor.wait(pod, condition, timeout, any).await?;
        match view.status.all().find(|status| is_met(status)) {
            Some(status) => self.named(&view, &status.name),
            None => self.first(&view),
        }
    }

    /// Waits for one container of the pod.
    pub async fn named_when(
        &self,
        (pod, container): (&PodKey, &str),
        condition: &'static str,
        timeout: Duration,
        is_met: impl Fn(&ContainerStatus) -> bool + Send,
    ) -> Result<pb::Container> {
        let view = self.supervisor.get(pod)?;
        let container = convert::status_of_container(&view, container)?;
        let named = |view: &PodView| view.status.of(&container.name).is_some_and(&is_met);
        let view = self.supervisor.wait(pod, condition, timeout, named).await?;
        self.named(&view, &container.name)
    }
}

/// True if a start has its result: the container runs, waits for its next try, or is over.
pub fn has_settled(status: &ContainerStatus) -> bool {
    matches!(status.stage, Stage::Running | Stage::Waiting | Stage::Over)
}

/// The attempt that has ended, if no other one follows without a request.
pub fn ended_attempt(status: &ContainerStatus) -> Option<Incarnation> {
    match &status.state {
        ContainerState::Terminated(ended) if !status.stage.goes_on() => Some(ended.attempt),
        _ => None,
    }
}
