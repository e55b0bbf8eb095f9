//! `probelet.v1.Containers`.

use std::time::Duration;

use tonic::{Code, Request, Response, Status, async_trait};

use super::caller::caller;
use super::convert;
use super::error::{field, invalid, refuse, status_of};
use super::probes::duration;
use super::{Api, MARGIN, START, Streaming, adopt, evidence, exec, logs, probing, usage, waiting};
use crate::domain::container::{Event, Wanted};
use crate::domain::exit::Caller;
use crate::domain::signal;
use crate::domain::status::{ContainerState, ContainerStatus, Stage};
use crate::pb::containers_server::Containers;
use crate::pb::{self, wait_container_request::Condition};
use crate::supervisor::PodView;

impl Api {
    /// For calls that mean the pod as a whole.
    fn first(&self, view: &PodView) -> Result<Response<pb::Container>, Status> {
        let status = view.status.containers.first();
        let status = status.ok_or_else(|| refuse(Code::Internal, "a pod without containers"))?;
        Ok(Response::new(convert::container(&self.supervisor, view, status)))
    }

    fn one(&self, view: &PodView, container: &str) -> Result<Response<pb::Container>, Status> {
        let status = convert::status_of_container(view, container).map_err(status_of)?;
        Ok(Response::new(convert::container(&self.supervisor, view, status)))
    }

    /// Answers with the first container that reaches it.
    async fn until(
        &self,
        name: &str,
        condition: &'static str,
        timeout: Duration,
        reached: impl Fn(&ContainerStatus) -> bool + Send,
    ) -> Result<Response<pb::Container>, Status> {
        let waited =
            self.supervisor.wait(name, condition, timeout, |view| view.status.all().any(&reached));
        let view = waited.await.map_err(status_of)?;
        match view.status.all().find(|status| reached(status)) {
            Some(status) => self.one(&view, &status.name),
            None => self.first(&view),
        }
    }

    async fn one_until(
        &self,
        (name, container): (&str, &str),
        condition: &'static str,
        timeout: Duration,
        reached: impl Fn(&ContainerStatus) -> bool + Send,
    ) -> Result<Response<pb::Container>, Status> {
        let view = self.supervisor.get(name).map_err(status_of)?;
        let container = convert::status_of_container(&view, container).map_err(status_of)?;
        let is_reached = |view: &PodView| view.status.of(&container.name).is_some_and(&reached);
        let waited = self.supervisor.wait(name, condition, timeout, is_reached);
        self.one(&waited.await.map_err(status_of)?, &container.name)
    }

    fn grace_of(&self, name: &str, grace: Option<Duration>) -> Result<Duration, Status> {
        let view = self.supervisor.get(name).map_err(status_of)?;
        Ok(grace.unwrap_or(view.spec.termination_grace))
    }

    /// Stops and forgets a pod; shared by both services.
    pub(super) async fn remove(
        &self,
        name: &str,
        grace: Option<prost_types::Duration>,
        by: Option<Caller>,
    ) -> Result<(), Status> {
        let grace = duration("gracePeriod", grace).map_err(|e| invalid(vec![e]))?;
        let bound = self.grace_of(name, grace)?.saturating_add(MARGIN);
        self.supervisor.want(name, Wanted::Removed, grace, by).map_err(status_of)?;
        self.supervisor.wait_gone(name, bound).await.map_err(status_of)
    }
}

#[async_trait]
impl Containers for Api {
    async fn create_container(
        &self,
        request: Request<pb::CreateContainerRequest>,
    ) -> Result<Response<pb::Container>, Status> {
        let request = request.into_inner();
        let wanted = if request.start { Wanted::Running } else { Wanted::Stopped };
        let uid = uuid::Uuid::new_v4().to_string();
        let spec = convert::pod_of_one(request, uid).map_err(|e| invalid(vec![e]))?;
        let name = spec.name.clone();
        let spec = spec.validate().map_err(|e| invalid(convert::of_the_request(e.0)))?;
        let applied = self.supervisor.apply(spec, wanted).await;
        let (view, applied) = applied.map_err(|e| status_of(convert::error_of_the_request(e)))?;
        if applied == crate::supervisor::Applied::Unchanged {
            return Err(refuse(Code::AlreadyExists, format!("containers {name:?} already exists")));
        }
        if wanted == Wanted::Running {
            return self.until(&name, "start", START, has_settled).await;
        }
        self.first(&view)
    }

    async fn start_container(
        &self,
        request: Request<pb::StartContainerRequest>,
    ) -> Result<Response<pb::Container>, Status> {
        let by = caller(&request);
        let name = request.into_inner().name;
        let before = self.supervisor.get(&name).map_err(status_of)?;
        self.supervisor.want(&name, Wanted::Running, None, by).map_err(status_of)?;
        // The ending that was there before is not this start's.
        self.until(&name, "start", START, |status| {
            let ended = before.status.of(&status.name).and_then(ended_attempt);
            has_settled(status) && (ended.is_none() || ended_attempt(status) != ended)
        })
        .await
    }

    async fn stop_container(
        &self,
        request: Request<pb::StopContainerRequest>,
    ) -> Result<Response<pb::Container>, Status> {
        let by = caller(&request);
        let pb::StopContainerRequest { name, grace_period } = request.into_inner();
        let grace = duration("gracePeriod", grace_period).map_err(|e| invalid(vec![e]))?;
        let bound = self.grace_of(&name, grace)?.saturating_add(MARGIN);
        self.supervisor.want(&name, Wanted::Stopped, grace, by).map_err(status_of)?;
        let has_stopped = |view: &PodView| {
            view.status.all().all(|s| s.pid.is_none() && s.stage != Stage::Starting)
        };
        let stopped = self.supervisor.wait(&name, "stop", bound, has_stopped);
        self.first(&stopped.await.map_err(status_of)?)
    }

    async fn kill_container(
        &self,
        request: Request<pb::KillContainerRequest>,
    ) -> Result<Response<pb::Container>, Status> {
        let by = caller(&request);
        let pb::KillContainerRequest { name, container, signal } = request.into_inner();
        let signal = signal::parse(if signal.is_empty() { "SIGKILL" } else { &signal })
            .ok_or_else(|| {
                let reason = format!("Unsupported value: {signal:?}: not a signal");
                invalid(vec![field("signal", reason)])
            })?;
        let view = self.supervisor.get(&name).map_err(status_of)?;
        let status = convert::status_of_container(&view, &container).map_err(status_of)?;
        if status.pid.is_none() {
            let name = &status.name;
            return Err(refuse(
                Code::FailedPrecondition,
                format!("container {name:?} is not running"),
            ));
        }
        let event = Event::Kill { signal };
        self.supervisor.request(&name, &container, event, by).map_err(status_of)?;
        self.one(&view, &container)
    }

    async fn restart_container(
        &self,
        request: Request<pb::RestartContainerRequest>,
    ) -> Result<Response<pb::Container>, Status> {
        let by = caller(&request);
        let pb::RestartContainerRequest { name, container, grace_period } = request.into_inner();
        let grace = duration("gracePeriod", grace_period).map_err(|e| invalid(vec![e]))?;
        let bound = self.grace_of(&name, grace)?.saturating_add(MARGIN).saturating_add(START);
        let before = self.supervisor.get(&name).map_err(status_of)?;
        let status = convert::status_of_container(&before, &container).map_err(status_of)?;
        let attempt = status.attempt;
        // An instance that is only starting is new enough.
        let starting = matches!(status.stage, Stage::Starting | Stage::Queued);
        let event = Event::Restart { grace };
        self.supervisor.request(&name, &container, event, by).map_err(status_of)?;
        self.one_until((&name, &status.name), "restart", bound, |status| {
            let newer = status.attempt > attempt;
            (newer || starting && status.attempt == attempt) && has_settled(status)
        })
        .await
    }

    async fn remove_container(
        &self,
        request: Request<pb::RemoveContainerRequest>,
    ) -> Result<Response<pb::RemoveContainerResponse>, Status> {
        let by = caller(&request);
        let pb::RemoveContainerRequest { name, grace_period } = request.into_inner();
        self.remove(&name, grace_period, by).await?;
        Ok(Response::new(pb::RemoveContainerResponse {}))
    }

    async fn get_container(
        &self,
        request: Request<pb::GetContainerRequest>,
    ) -> Result<Response<pb::Container>, Status> {
        let pb::GetContainerRequest { name, container } = request.into_inner();
        let view = self.supervisor.get(&name).map_err(status_of)?;
        self.one(&view, &container)
    }

    async fn list_containers(
        &self,
        _: Request<pb::ListContainersRequest>,
    ) -> Result<Response<pb::ListContainersResponse>, Status> {
        let views = self.supervisor.list();
        let containers = views
            .iter()
            .flat_map(|view| view.status.all().map(move |status| (view, status)))
            .map(|(view, status)| convert::container(&self.supervisor, view, status))
            .collect();
        Ok(Response::new(pb::ListContainersResponse { containers }))
    }

    async fn wait_container(
        &self,
        request: Request<pb::WaitContainerRequest>,
    ) -> Result<Response<pb::Container>, Status> {
        let pb::WaitContainerRequest { name, container, condition, timeout } = request.into_inner();
        let one = (name.as_str(), container.as_str());
        let timeout = waiting::bound(timeout)?;
        match condition {
            Some(Condition::Running(wanted)) => {
                self.one_until(one, "running", timeout, |s| s.pid.is_some() == wanted).await
            }
            Some(Condition::Ready(wanted)) => {
                self.one_until(one, "ready", timeout, |s| s.ready == wanted).await
            }
            Some(Condition::Exited(wanted)) => {
                self.one_until(one, "exited", timeout, |s| ended_attempt(s).is_some() == wanted)
                    .await
            }
            Some(Condition::Restarts(count)) => {
                self.one_until(one, "restarts", timeout, |s| s.restart_count >= count).await
            }
            None => Err(invalid(vec![field("condition", "Required value")])),
        }
    }

    async fn update_probes(
        &self,
        request: Request<pb::UpdateProbesRequest>,
    ) -> Result<Response<pb::Container>, Status> {
        probing::update(self, request.into_inner()).await
    }

    async fn run_probe(
        &self,
        request: Request<pb::RunProbeRequest>,
    ) -> Result<Response<pb::RunProbeResponse>, Status> {
        probing::run(self, request.into_inner()).await
    }

    async fn pause_probes(
        &self,
        request: Request<pb::PauseProbesRequest>,
    ) -> Result<Response<pb::Container>, Status> {
        probing::pause(self, request.into_inner()).await
    }

    async fn resume_probes(
        &self,
        request: Request<pb::ResumeProbesRequest>,
    ) -> Result<Response<pb::Container>, Status> {
        probing::resume(self, request.into_inner()).await
    }

    async fn get_evidence(
        &self,
        request: Request<pb::GetEvidenceRequest>,
    ) -> Result<Response<pb::GetEvidenceResponse>, Status> {
        evidence::get(self, request.into_inner()).await
    }

    async fn get_usage(
        &self,
        request: Request<pb::GetUsageRequest>,
    ) -> Result<Response<pb::GetUsageResponse>, Status> {
        usage::get(self, request.into_inner()).await
    }

    async fn adopt_container(
        &self,
        request: Request<pb::AdoptContainerRequest>,
    ) -> Result<Response<pb::Container>, Status> {
        let view = adopt::adopt(self, request.into_inner()).await?;
        self.first(&view)
    }

    async fn release_container(
        &self,
        request: Request<pb::ReleaseContainerRequest>,
    ) -> Result<Response<pb::ReleaseContainerResponse>, Status> {
        adopt::release(self, request.into_inner()).await
    }

    async fn exec_sync(
        &self,
        request: Request<pb::ExecSyncRequest>,
    ) -> Result<Response<pb::ExecSyncResponse>, Status> {
        let by = caller(&request);
        exec::sync(self, by, request.into_inner()).await
    }

    type ExecStream = Streaming<pb::ExecResponse>;

    async fn exec(
        &self,
        request: Request<tonic::Streaming<pb::ExecRequest>>,
    ) -> Result<Response<Self::ExecStream>, Status> {
        let by = caller(&request);
        exec::stream(self, by, request.into_inner()).await
    }

    type GetLogsStream = Streaming<pb::LogChunk>;

    async fn get_logs(
        &self,
        request: Request<pb::GetLogsRequest>,
    ) -> Result<Response<Self::GetLogsStream>, Status> {
        logs::read(self, request.into_inner()).await
    }
}

/// A start has an outcome: it runs, waits for its next try, or is over.
fn has_settled(status: &ContainerStatus) -> bool {
    matches!(status.stage, Stage::Running | Stage::Waiting | Stage::Over)
}

/// Of a container that nothing follows in by itself.
fn ended_attempt(status: &ContainerStatus) -> Option<crate::domain::Incarnation> {
    match &status.state {
        ContainerState::Terminated(ended) if !status.stage.goes_on() => Some(ended.attempt),
        _ => None,
    }
}
