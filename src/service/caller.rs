//! Who is at the other end.

use tonic::Request;
use tonic::transport::server::UdsConnectInfo;

use crate::domain::exit::Caller;

/// By the kernel's word on the Unix socket's peer when it connected, or where a guest comes from.
pub(super) fn caller<T>(request: &Request<T>) -> Option<Caller> {
    if let Some(address) = request.remote_addr() {
        return Some(Caller::Remote(address));
    }
    let peer = request.extensions().get::<UdsConnectInfo>()?.peer_cred?;
    let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok());
    Some(Caller::Local { uid: peer.uid(), pid })
}
