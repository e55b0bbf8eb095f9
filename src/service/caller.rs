//! The caller of a request.

use tonic::Request;
use tonic::transport::server::UdsConnectInfo;

use crate::domain::exit::Caller;

/// The address of a caller over TCP, or the credentials that the kernel recorded when the peer of the
/// Unix socket connected.
pub fn caller<T>(request: &Request<T>) -> Option<Caller> {
    if let Some(address) = request.remote_addr() {
        return Some(Caller::Remote(address));
    }
    let peer = request.extensions().get::<UdsConnectInfo>()?.peer_cred?;
    let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok());
    Some(Caller::Local { uid: peer.uid(), pid })
}
