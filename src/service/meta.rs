//! `probelet.v1.Meta`.

use tonic::{Request, Response, Status, async_trait};

use crate::pb;

/// Knows nothing of pods, so it can answer before they are known.
#[derive(Debug, Clone, Copy)]
pub struct Meta;

#[async_trait]
impl pb::meta_server::Meta for Meta {
    async fn get_version(
        &self,
        _: Request<pb::GetVersionRequest>,
    ) -> Result<Response<pb::GetVersionResponse>, Status> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Ok(Response::new(pb::GetVersionResponse { version }))
    }
}
