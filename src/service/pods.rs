//! `probelet.v1.Pods`.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use tonic::{Request, Response, Status, async_trait};

use super::caller::caller;
use super::convert;
use super::error::status_of;
use super::{Api, Streaming, apply, conditions, waiting};
use crate::pb;
use crate::pb::pods_server::Pods;

#[async_trait]
impl Pods for Api {
    async fn apply_pod(
        &self,
        request: Request<pb::ApplyPodRequest>,
    ) -> Result<Response<pb::ApplyPodResponse>, Status> {
        let by = caller(&request);
        Ok(Response::new(apply::one(self, request.into_inner(), by).await?))
    }

    async fn apply_pods(
        &self,
        request: Request<pb::ApplyPodsRequest>,
    ) -> Result<Response<pb::ApplyPodsResponse>, Status> {
        let by = caller(&request);
        Ok(Response::new(apply::several(self, request.into_inner(), by).await?))
    }

    async fn validate_pod(
        &self,
        request: Request<pb::ValidatePodRequest>,
    ) -> Result<Response<pb::ValidatePodResponse>, Status> {
        Ok(Response::new(apply::validate(request.into_inner())))
    }

    async fn export_pod(
        &self,
        request: Request<pb::ExportPodRequest>,
    ) -> Result<Response<pb::ExportPodResponse>, Status> {
        Ok(Response::new(apply::export(self, &request.into_inner().name)?))
    }

    async fn get_pod(
        &self,
        request: Request<pb::GetPodRequest>,
    ) -> Result<Response<pb::Pod>, Status> {
        let view = self.supervisor.get(&request.into_inner().name).map_err(status_of)?;
        Ok(Response::new(convert::pod(&self.supervisor, &view)))
    }

    async fn list_pods(
        &self,
        _: Request<pb::ListPodsRequest>,
    ) -> Result<Response<pb::ListPodsResponse>, Status> {
        let views = self.supervisor.list();
        let pods = views.iter().map(|view| convert::pod(&self.supervisor, view)).collect();
        Ok(Response::new(pb::ListPodsResponse { pods }))
    }

    type WatchPodsStream = Streaming<pb::Pod>;

    async fn watch_pods(
        &self,
        _: Request<pb::ListPodsRequest>,
    ) -> Result<Response<Self::WatchPodsStream>, Status> {
        Ok(Response::new(self.stream(|api, sender| async move { api.send_changes(&sender).await })))
    }

    async fn wait_pod(
        &self,
        request: Request<pb::WaitPodRequest>,
    ) -> Result<Response<pb::WaitPodResponse>, Status> {
        Ok(Response::new(waiting::pod(self, request.into_inner()).await?))
    }

    async fn set_pod_condition(
        &self,
        request: Request<pb::SetPodConditionRequest>,
    ) -> Result<Response<pb::SetPodConditionResponse>, Status> {
        Ok(Response::new(conditions::set(self, request.into_inner()).await?))
    }

    async fn remove_pod(
        &self,
        request: Request<pb::RemovePodRequest>,
    ) -> Result<Response<pb::RemovePodResponse>, Status> {
        let by = caller(&request);
        let pb::RemovePodRequest { name, grace_period } = request.into_inner();
        self.remove(&name, grace_period, by).await?;
        Ok(Response::new(pb::RemovePodResponse {}))
    }
}

impl Api {
    /// Sends each pod whose generation moved; what happens between two looks is one change.
    async fn send_changes(&self, sender: &mpsc::Sender<Result<pb::Pod, Status>>) {
        let mut changes = self.supervisor.changes();
        type Sent = (u64, Option<String>);
        let mut sent: BTreeMap<(String, String), Sent> = BTreeMap::new();
        loop {
            changes.mark_unchanged();
            let views = self.supervisor.list();
            let mut now = BTreeMap::new();
            for view in &views {
                let key = (view.spec.name.clone(), view.spec.uid.clone());
                let level = (view.generation, view.manifest_error.clone());
                if sent.remove(&key).as_ref() != Some(&level)
                    && sender.send(Ok(convert::pod(&self.supervisor, view))).await.is_err()
                {
                    return;
                }
                now.insert(key, level);
            }
            for (name, uid) in std::mem::replace(&mut sent, now).into_keys() {
                let gone = pb::Pod { name, uid, removed: true, ..pb::Pod::default() };
                if sender.send(Ok(gone)).await.is_err() {
                    return;
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
