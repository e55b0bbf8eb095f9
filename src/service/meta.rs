//! `probelet.v1.Meta`.

use std::sync::Arc;

use probelet_runtime::Runtime;
use tonic::{Request, Response, Status, async_trait};

use crate::{build_info, files, pb};

/// The checks of the host that a running daemon makes.
#[async_trait]
pub trait HostChecks: Send + Sync {
    /// Returns all findings, the good ones too.
    async fn findings(&self) -> Vec<pb::HostFinding>;
}

/// The service `Meta`. It needs no pods, so it answers before they are recovered.
#[derive(Clone)]
pub struct MetaApi {
    runtime: Arc<dyn Runtime>,
    checks: Arc<dyn HostChecks>,
}

impl MetaApi {
    /// The service of a daemon that uses this runtime.
    pub fn new(runtime: Arc<dyn Runtime>, checks: Arc<dyn HostChecks>) -> Self {
        Self { runtime, checks }
    }
}

#[async_trait]
impl pb::meta_server::Meta for MetaApi {
    async fn get_version(
        &self,
        _: Request<pb::GetVersionRequest>,
    ) -> Result<Response<pb::GetVersionResponse>, Status> {
        let kernel = files::read_kernel("/proc/sys/kernel/osrelease").unwrap_or_default();
        Ok(Response::new(pb::GetVersionResponse {
            version: build_info::VERSION.to_owned(),
            commit: build_info::COMMIT.to_owned(),
            build_date: build_info::date(),
            containerd_version: self.runtime.version().await.unwrap_or_default(),
            kernel_version: kernel.trim().to_owned(),
        }))
    }

    async fn check_host(
        &self,
        _: Request<pb::CheckHostRequest>,
    ) -> Result<Response<pb::CheckHostResponse>, Status> {
        Ok(Response::new(pb::CheckHostResponse { findings: self.checks.findings().await }))
    }
}

#[cfg(test)]
mod tests {
    use probelet_containerd::Containerd;

    use super::*;
    use crate::pb::meta_server::Meta;

    struct Unchecked;

    #[async_trait]
    impl HostChecks for Unchecked {
        async fn findings(&self) -> Vec<pb::HostFinding> {
            Vec::new()
        }
    }

    #[tokio::test]
    async fn the_version_is_told_also_while_containerd_is_away() {
        let (_, registries) = tokio::sync::watch::channel(Default::default());
        let runtime = Containerd::new("/nonexistent/s".into(), "overlayfs", registries).unwrap();
        let meta = MetaApi::new(Arc::new(runtime), Arc::new(Unchecked));
        let answer = meta.get_version(Request::new(pb::GetVersionRequest {})).await.unwrap();
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let answer = answer.into_inner();
        assert_eq!(answer.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(answer.containerd_version, "");
        assert_eq!(answer.kernel_version, kernel.trim());
    }
}
