//! `probelet.v1.Meta`.

use tonic::{Request, Response, Status, async_trait};

use crate::pb;

/// The service `Meta`. It needs no pods, so it answers before they are recovered.
#[derive(Debug, Clone, Copy)]
pub struct MetaApi;

#[async_trait]
impl pb::meta_server::Meta for MetaApi {
    async fn get_version(
        &self,
        _: Request<pb::GetVersionRequest>,
    ) -> Result<Response<pb::GetVersionResponse>, Status> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Ok(Response::new(pb::GetVersionResponse { version }))
    }
}
