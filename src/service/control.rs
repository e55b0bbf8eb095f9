//! Calls that create, start, stop, signal, restart and remove containers.

use std::sync::Arc;
use std::time::Duration;

use super::container_answers::{ContainerAnswers, ended_attempt, has_settled};
use super::error::{Error, Result, field};
use super::probes::duration;
use super::timeouts::{MARGIN, START};
use super::{convert, creation};
use crate::domain::container::{Event, Wanted};
use crate::domain::exit::Caller;
use crate::domain::pod_key::PodKey;
use crate::domain::signal;
use crate::domain::status::{ContainerStatus, Stage};
use crate::pb;
use crate::supervisor::{Applied, PodView, Supervisor};

/// Calls that change which containers run.
#[derive(Clone)]
pub struct ContainerControl {
    supervisor: Arc<Supervisor>,
    answers: ContainerAnswers,
}

impl ContainerControl {
    pub fn new(supervisor: Arc<Supervisor>) -> Self {
        Self { answers: ContainerAnswers::new(supervisor.clone()), supervisor }
    }

    pub async fn create(&self, request: pb::CreateContainerRequest) -> Result<pb::Container> {
        let wanted = if request.start { Wanted::Running } else { Wanted::Stopped };
        let uid = uuid::Uuid::new_v4().to_string();
        let spec = creation::pod_of_one(request, uid)?;
        let pod = spec.key();
        let applied = self.supervisor.apply(spec, wanted).await;
        let (view, applied) = applied.map_err(convert::error_of_the_request)?;
        if applied == Applied::Unchanged {
            return Err(Error::ContainerExists(pod));
        }
        if wanted == Wanted::Running {
            return self.answers.any_when(&pod, "start", START, has_settled).await;
        }
        self.answers.first(&view)
    }

    pub async fn start(
        &self,
        by: Option<Caller>,
        request: pb::StartContainerRequest,
    ) -> Result<pb::Container> {
        let pod = self.supervisor.find_recovered(&request.namespace, &request.name).await?;
        let before = self.supervisor.get(&pod)?;
        self.supervisor.requests().want(&pod, Wanted::Running, None, by)?;
        // An end that was there before the start is not the result of the start.
        let started = |status: &ContainerStatus| {
            let ended = before.status.of(&status.name).and_then(ended_attempt);
            has_settled(status) && (ended.is_none() || ended_attempt(status) != ended)
        };
        self.answers.any_when(&pod, "start", START, started).await
    }

    pub async fn stop(
        &self,
        by: Option<Caller>,
        request: pb::StopContainerRequest,
    ) -> Result<pb::Container> {
        let pb::StopContainerRequest { namespace, name, grace_period } = request;
        let pod = self.supervisor.find_recovered(&namespace, &name).await?;
        let grace = duration("gracePeriod", grace_period)?;
        let timeout = self.grace_of(&pod, grace)?.saturating_add(MARGIN);
        self.supervisor.requests().want(&pod, Wanted::Stopped, grace, by)?;
        let has_stopped = |view: &PodView| {
            view.status.all().all(|s| s.pid.is_none() && s.stage != Stage::Starting)
        };
        let view = self.supervisor.wait(&pod, "stop", timeout, has_stopped).await?;
        self.answers.first(&view)
    }

    pub async fn kill(
        &self,
        by: Option<Caller>,
        request: pb::KillContainerRequest,
    ) -> Result<pb::Container> {
        let pb::KillContainerRequest { namespace, name, container, signal } = request;
        let pod = self.supervisor.find_recovered(&namespace, &name).await?;
        let signal = signal::parse(if signal.is_empty() { "SIGKILL" } else { &signal })
            .ok_or_else(|| {
                field("signal", format!("Unsupported value: {signal:?}: not a signal"))
            })?;
        let view = self.supervisor.get(&pod)?;
        let status = convert::status_of_container(&view, &container)?;
        if status.pid.is_none() {
            return Err(Error::NotRunning(status.name.clone()));
        }
        self.supervisor.requests().request(&pod, &container, Event::Kill { signal }, by)?;
        self.answers.named(&view, &container)
    }

    pub async fn restart(
        &self,
        by: Option<Caller>,
        request: pb::RestartContainerRequest,
    ) -> Result<pb::Container> {
        let pb::RestartContainerRequest { namespace, name, container, grace_period } = request;
        let pod = self.supervisor.find_recovered(&namespace, &name).await?;
        let grace = duration("gracePeriod", grace_period)?;
        let timeout = self.grace_of(&pod, grace)?.saturating_add(MARGIN).saturating_add(START);
        let before = self.supervisor.get(&pod)?;
        let status = convert::status_of_container(&before, &container)?;
        let attempt = status.attempt;
        // An instance that is being started is new, so it need not be replaced.
        let starting = matches!(status.stage, Stage::Starting | Stage::Queued);
        self.supervisor.requests().request(&pod, &container, Event::Restart { grace }, by)?;
        let restarted = |status: &ContainerStatus| {
            let newer = status.attempt > attempt;
            (newer || starting && status.attempt == attempt) && has_settled(status)
        };
        self.answers.named_when((&pod, &status.name), "restart", timeout, restarted).await
    }

    /// Stops and deletes a pod, and waits for its end if `is_awaited`.
    pub async fn remove(
        &self,
        by: Option<Caller>,
        (namespace, name): (&str, &str),
        grace: Option<prost_types::Duration>,
        is_awaited: bool,
    ) -> Result<()> {
        let pod = &self.supervisor.find_recovered(namespace, name).await?;
        let grace = duration("gracePeriod", grace)?;
        let timeout = self.grace_of(pod, grace)?.saturating_add(MARGIN);
        self.supervisor.requests().want(pod, Wanted::Removed, grace, by)?;
        if is_awaited {
            self.supervisor.wait_gone(pod, timeout).await?;
        }
        Ok(())
    }

    /// The given grace period, or the pod's own.
    fn grace_of(&self, pod: &PodKey, grace: Option<Duration>) -> Result<Duration> {
        let view = self.supervisor.get(pod)?;
        Ok(grace.unwrap_or(view.spec.termination_grace))
    }
}
