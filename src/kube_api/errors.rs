//! Errors of the supervisor and of the services as `Status` bodies.

use probelet_kube_wire::status::{GroupResource, Status};
use tonic::Code;

use crate::service;

/// Returns the status of a request about the object `name`. Texts that kubectl knows stay as they
/// are.
pub fn of_service(resource: &GroupResource, name: &str, error: service::Error) -> Status {
    let status = tonic::Status::from(error);
    let message = status.message();
    match status.code() {
        Code::NotFound if message.contains(&format!("{name:?} not found")) => {
            Status::not_found(resource, name)
        }
        Code::AlreadyExists => Status::already_exists(resource, name),
        Code::Unavailable => Status::unavailable(message, 1),
        Code::ResourceExhausted => Status::too_many_requests(message, 1),
        Code::DeadlineExceeded => Status::timeout(message, 1),
        Code::Internal | Code::Unknown => Status::internal(message),
        _ => Status::bad_request(message),
    }
}
