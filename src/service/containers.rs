//! `probelet.v1.Containers`. Each call is forwarded to the type that does the work.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};

use super::adoption::Adoption;
use super::attachment::Attachments;
use super::caller::caller;
use super::commands::Commands;
use super::container_queries::ContainerQueries;
use super::control::ContainerControl;
use super::error::answer;
use super::evidence::EvidenceQueries;
use super::logs::Logs;
use super::probe_requests::ProbeRequests;
use super::streams::{Streaming, Streams};
use super::usage::UsageQueries;
use crate::pb;
use crate::pb::containers_server::Containers;
use crate::supervisor::{Adopter, Supervisor};

type Answer<T> = Result<Response<T>, Status>;

/// The service `Containers`.
#[derive(Clone)]
pub struct ContainersApi {
    control: ContainerControl,
    queries: ContainerQueries,
    probes: ProbeRequests,
    evidence: EvidenceQueries,
    usage: UsageQueries,
    adoption: Adoption,
    commands: Commands,
    attachments: Attachments,
    logs: Logs,
}

impl ContainersApi {
    pub fn new(supervisor: &Arc<Supervisor>, adopter: &Arc<Adopter>, streams: &Streams) -> Self {
        let logs = Logs::new(supervisor.clone(), adopter.clone(), streams.clone());
        Self {
            control: ContainerControl::new(supervisor.clone()),
            queries: ContainerQueries::new(supervisor.clone()),
            probes: ProbeRequests::new(supervisor.clone()),
            evidence: EvidenceQueries::new(supervisor.clone()),
            usage: UsageQueries::new(supervisor.clone()),
            adoption: Adoption::new(supervisor.clone(), adopter.clone()),
            commands: Commands::new(supervisor.clone(), streams.clone()),
            attachments: Attachments::new(supervisor.clone(), logs.clone(), streams.clone()),
            logs,
        }
    }
}

#[async_trait]
impl Containers for ContainersApi {
    type AttachStream = Streaming<pb::AttachResponse>;
    type ExecStream = Streaming<pb::ExecResponse>;
    type GetLogsStream = Streaming<pb::LogChunk>;

    async fn create_container(
        &self,
        request: Request<pb::CreateContainerRequest>,
    ) -> Answer<pb::Container> {
        answer(self.control.create(request.into_inner()).await)
    }

    async fn start_container(
        &self,
        request: Request<pb::StartContainerRequest>,
    ) -> Answer<pb::Container> {
        answer(self.control.start(caller(&request), request.into_inner()).await)
    }

    async fn stop_container(
        &self,
        request: Request<pb::StopContainerRequest>,
    ) -> Answer<pb::Container> {
        answer(self.control.stop(caller(&request), request.into_inner()).await)
    }

    async fn kill_container(
        &self,
        request: Request<pb::KillContainerRequest>,
    ) -> Answer<pb::Container> {
        answer(self.control.kill(caller(&request), request.into_inner()).await)
    }

    async fn restart_container(
        &self,
        request: Request<pb::RestartContainerRequest>,
    ) -> Answer<pb::Container> {
        answer(self.control.restart(caller(&request), request.into_inner()).await)
    }

    async fn remove_container(
        &self,
        request: Request<pb::RemoveContainerRequest>,
    ) -> Answer<pb::RemoveContainerResponse> {
        let by = caller(&request);
        let pb::RemoveContainerRequest { namespace, name, grace_period } = request.into_inner();
        let removed = self.control.remove(by, (&namespace, &name), grace_period, true).await;
        answer(removed.map(|()| pb::RemoveContainerResponse {}))
    }

    async fn get_container(
        &self,
        request: Request<pb::GetContainerRequest>,
    ) -> Answer<pb::Container> {
        answer(self.queries.get(&request.into_inner()))
    }

    async fn list_containers(
        &self,
        request: Request<pb::ListContainersRequest>,
    ) -> Answer<pb::ListContainersResponse> {
        answer(Ok(self.queries.list(&request.into_inner())))
    }

    async fn wait_container(
        &self,
        request: Request<pb::WaitContainerRequest>,
    ) -> Answer<pb::Container> {
        answer(self.queries.wait(request.into_inner()).await)
    }

    async fn update_probes(
        &self,
        request: Request<pb::UpdateProbesRequest>,
    ) -> Answer<pb::Container> {
        answer(self.probes.update(request.into_inner()).await)
    }

    async fn run_probe(
        &self,
        request: Request<pb::RunProbeRequest>,
    ) -> Answer<pb::RunProbeResponse> {
        answer(self.probes.run(request.into_inner()).await)
    }

    async fn pause_probes(
        &self,
        request: Request<pb::PauseProbesRequest>,
    ) -> Answer<pb::Container> {
        answer(self.probes.pause(request.into_inner()).await)
    }

    async fn resume_probes(
        &self,
        request: Request<pb::ResumeProbesRequest>,
    ) -> Answer<pb::Container> {
        answer(self.probes.resume(request.into_inner()).await)
    }

    async fn get_evidence(
        &self,
        request: Request<pb::GetEvidenceRequest>,
    ) -> Answer<pb::GetEvidenceResponse> {
        answer(self.evidence.get(&request.into_inner()).await)
    }

    async fn get_usage(
        &self,
        request: Request<pb::GetUsageRequest>,
    ) -> Answer<pb::GetUsageResponse> {
        answer(self.usage.get(&request.into_inner()).await)
    }

    async fn adopt_container(
        &self,
        request: Request<pb::AdoptContainerRequest>,
    ) -> Answer<pb::Container> {
        answer(self.adoption.adopt(request.into_inner()).await)
    }

    async fn release_container(
        &self,
        request: Request<pb::ReleaseContainerRequest>,
    ) -> Answer<pb::ReleaseContainerResponse> {
        answer(self.adoption.release(&request.into_inner()).await)
    }

    async fn exec_sync(
        &self,
        request: Request<pb::ExecSyncRequest>,
    ) -> Answer<pb::ExecSyncResponse> {
        answer(self.commands.run(caller(&request), request.into_inner()).await)
    }

    async fn exec(
        &self,
        request: Request<tonic::Streaming<pb::ExecRequest>>,
    ) -> Answer<Self::ExecStream> {
        answer(self.commands.open(caller(&request), request.into_inner()).await)
    }

    async fn attach(
        &self,
        request: Request<tonic::Streaming<pb::AttachRequest>>,
    ) -> Answer<Self::AttachStream> {
        answer(self.attachments.open(caller(&request), request.into_inner()).await)
    }

    async fn get_logs(&self, request: Request<pb::GetLogsRequest>) -> Answer<Self::GetLogsStream> {
        answer(self.logs.read(&request.into_inner()).await)
    }
}
