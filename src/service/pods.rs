//! `probelet.v1.Pods`. Each call is forwarded to the type that does the work.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};

use super::apply::Manifests;
use super::caller::caller;
use super::conditions::Conditions;
use super::control::ContainerControl;
use super::error::answer;
use super::pod_queries::PodQueries;
use super::port_forward::PortForwards;
use super::streams::{Streaming, Streams};
use crate::pb;
use crate::pb::pods_server::Pods;
use crate::supervisor::Supervisor;

type Answer<T> = Result<Response<T>, Status>;

/// The service `Pods`.
#[derive(Clone)]
pub struct PodsApi {
    manifests: Manifests,
    queries: PodQueries,
    conditions: Conditions,
    control: ContainerControl,
    forwards: PortForwards,
}

impl PodsApi {
    pub fn new(supervisor: &Arc<Supervisor>, streams: &Streams) -> Self {
        Self {
            manifests: Manifests::new(supervisor.clone()),
            queries: PodQueries::new(supervisor.clone(), streams.clone()),
            conditions: Conditions::new(supervisor.clone()),
            control: ContainerControl::new(supervisor.clone()),
            forwards: PortForwards::new(supervisor.clone(), streams.clone()),
        }
    }
}

#[async_trait]
impl Pods for PodsApi {
    type PortForwardStream = Streaming<pb::PortForwardResponse>;
    type WatchPodsStream = Streaming<pb::Pod>;

    async fn apply_pod(
        &self,
        request: Request<pb::ApplyPodRequest>,
    ) -> Answer<pb::ApplyPodResponse> {
        answer(self.manifests.apply_one(caller(&request), request.into_inner()).await)
    }

    async fn apply_pods(
        &self,
        request: Request<pb::ApplyPodsRequest>,
    ) -> Answer<pb::ApplyPodsResponse> {
        answer(self.manifests.apply(caller(&request), request.into_inner()).await)
    }

    async fn validate_pod(
        &self,
        request: Request<pb::ValidatePodRequest>,
    ) -> Answer<pb::ValidatePodResponse> {
        answer(Ok(self.manifests.validate(request.into_inner())))
    }

    async fn export_pod(
        &self,
        request: Request<pb::ExportPodRequest>,
    ) -> Answer<pb::ExportPodResponse> {
        answer(self.manifests.export(&request.into_inner()))
    }

    async fn get_pod(&self, request: Request<pb::GetPodRequest>) -> Answer<pb::Pod> {
        answer(self.queries.get(&request.into_inner()))
    }

    async fn list_pods(
        &self,
        request: Request<pb::ListPodsRequest>,
    ) -> Answer<pb::ListPodsResponse> {
        answer(Ok(self.queries.list(&request.into_inner())))
    }

    async fn watch_pods(
        &self,
        request: Request<pb::ListPodsRequest>,
    ) -> Answer<Self::WatchPodsStream> {
        answer(Ok(self.queries.watch(request.into_inner())))
    }

    async fn wait_pod(&self, request: Request<pb::WaitPodRequest>) -> Answer<pb::WaitPodResponse> {
        answer(self.queries.wait(request.into_inner()).await)
    }

    async fn port_forward(
        &self,
        request: Request<tonic::Streaming<pb::PortForwardRequest>>,
    ) -> Answer<Self::PortForwardStream> {
        answer(self.forwards.open(caller(&request), request.into_inner()).await)
    }

    async fn set_pod_condition(
        &self,
        request: Request<pb::SetPodConditionRequest>,
    ) -> Answer<pb::SetPodConditionResponse> {
        answer(self.conditions.set(request.into_inner()).await)
    }

    async fn remove_pod(
        &self,
        request: Request<pb::RemovePodRequest>,
    ) -> Answer<pb::RemovePodResponse> {
        let by = caller(&request);
        let pb::RemovePodRequest { namespace, name, grace_period, no_wait } = request.into_inner();
        let removed = self.control.remove(by, (&namespace, &name), grace_period, !no_wait).await;
        answer(removed.map(|()| pb::RemovePodResponse {}))
    }
}
