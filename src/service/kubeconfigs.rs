//! `probelet.v1.Kubeconfigs`.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Request, Response, Status, async_trait};

use super::caller::caller;
use super::error::{Error, Result, answer, field};
use super::probes::duration;
use crate::domain::exit::{Caller, Operator};
use crate::kube_authority::{Authority, CredentialKind, Grant, Role};
use crate::pb;
use crate::supervisor::now;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The service `Kubeconfigs`. It needs no pods, so it answers before they are recovered.
#[derive(Clone)]
pub struct KubeconfigsApi {
    authority: Option<Arc<Authority>>,
}

impl KubeconfigsApi {
    /// `None` if no Kubernetes API is served.
    pub fn new(authority: Option<Arc<Authority>>) -> Self {
        Self { authority }
    }

    fn authority(&self) -> Result<Arc<Authority>> {
        self.authority.clone().ok_or(Error::NoKubernetesApi)
    }

    async fn create(
        &self,
        by: Option<Caller>,
        request: pb::CreateKubeconfigRequest,
    ) -> Result<pb::CreateKubeconfigResponse> {
        let authority = self.authority()?;
        let pb::CreateKubeconfigRequest { name, role, ttl, server, token } = request;
        let role = match pb::KubernetesRole::try_from(role) {
            Ok(pb::KubernetesRole::Admin) => Role::Admin,
            Ok(pb::KubernetesRole::View) => Role::View,
            Ok(pb::KubernetesRole::Unspecified) => {
                return Err(field("role", "Required value").into());
            }
            Err(_) => return Err(field("role", format!("Unsupported value: {role}")).into()),
        };
        let kind = if token { CredentialKind::Token } else { CredentialKind::Certificate };
        let ttl = duration("ttl", ttl)?.unwrap_or(YEAR);
        let server = Some(server).filter(|server| !server.is_empty());
        let grant = Grant { name, role, kind, ttl, server };
        let name = grant.name.clone();
        let issue = move || authority.issue(&grant, now().wall);
        let kubeconfig = tokio::task::spawn_blocking(issue).await??;
        let by = Operator::new("kubeconfig", by);
        let group = role.group();
        tracing::info!(user = name, group, operator = %by, "a credential of the Kubernetes API is issued");
        Ok(pb::CreateKubeconfigResponse { kubeconfig })
    }

    async fn revoke(
        &self,
        by: Option<Caller>,
        request: pb::RevokeKubeconfigRequest,
    ) -> Result<pb::RevokeKubeconfigResponse> {
        let authority = self.authority()?;
        let user = request.name.clone();
        tokio::task::spawn_blocking(move || authority.revoke(&request.name)).await??;
        let by = Operator::new("kubeconfig revoke", by);
        tracing::info!(user, operator = %by, "credentials of the Kubernetes API are revoked");
        Ok(pb::RevokeKubeconfigResponse {})
    }
}

#[async_trait]
impl pb::kubeconfigs_server::Kubeconfigs for KubeconfigsApi {
    async fn create_kubeconfig(
        &self,
        request: Request<pb::CreateKubeconfigRequest>,
    ) -> std::result::Result<Response<pb::CreateKubeconfigResponse>, Status> {
        let by = caller(&request);
        answer(self.create(by, request.into_inner()).await)
    }

    async fn revoke_kubeconfig(
        &self,
        request: Request<pb::RevokeKubeconfigRequest>,
    ) -> std::result::Result<Response<pb::RevokeKubeconfigResponse>, Status> {
        let by = caller(&request);
        answer(self.revoke(by, request.into_inner()).await)
    }
}
