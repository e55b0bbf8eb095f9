//! Errors of the supervisor and of the services as `Status` bodies.

use probelet_kube_wire::status::{FieldError, GroupResource, Status};
use tonic::Code;

use crate::domain::spec::SpecErrors;
use crate::node::NodeError;
use crate::service;
use crate::supervisor::SupervisorError;

/// Returns the status of a request about the object `name`. Texts that kubectl knows stay as they
/// are.
pub fn of_service(resource: &GroupResource, name: &str, error: service::Error) -> Status {
    if let service::Error::Supervisor(
        SupervisorError::NotFound(_) | SupervisorError::NoSuchContainer(_),
    ) = error
    {
        return Status::not_found(resource, name);
    }
    let status = tonic::Status::from(error);
    let message = status.message();
    match status.code() {
        Code::AlreadyExists => Status::already_exists(resource, name),
        Code::Unavailable => Status::unavailable(message, 1),
        Code::ResourceExhausted => Status::too_many_requests(message, 1),
        Code::DeadlineExceeded => Status::timeout(message, 1),
        Code::Internal | Code::Unknown => Status::internal(message),
        _ => Status::bad_request(message),
    }
}

/// 422 for a pod of this name.
pub fn invalid_pod(name: &str, errors: &[FieldError]) -> Status {
    Status::invalid(&GroupResource::new("", "Pod"), name, errors)
}

/// Returns the status of a write of the pod `name`.
pub fn of_supervisor(name: &str, error: SupervisorError) -> Status {
    let resource = GroupResource::new("", "pods");
    match error {
        SupervisorError::NotFound(_) => Status::not_found(&resource, name),
        SupervisorError::AlreadyExists(_) | SupervisorError::BeingCreated(_) => {
            Status::already_exists(&resource, name)
        }
        SupervisorError::Changed(_) => Status::modified(&resource, name),
        SupervisorError::BeingDeleted(_) => {
            Status::conflict(&resource, name, "object is being deleted")
        }
        SupervisorError::Invalid(SpecErrors(errors)) => {
            let errors = errors.iter().map(|it| FieldError::of_text(&*it.field, &it.reason));
            invalid_pod(name, &errors.collect::<Vec<_>>())
        }
        SupervisorError::Runtime(NodeError::Invalid { field, reason }) => {
            invalid_pod(name, &[FieldError::of_text(&*field, &reason)])
        }
        SupervisorError::Differs { fields, .. } => {
            let why = format!("a live pod cannot change {}", fields.join(", "));
            invalid_pod(name, &[FieldError::forbidden("spec", why)])
        }
        SupervisorError::DefinedByFile { file, .. } => {
            let why = format!("it is defined by {file}: change or remove that file");
            Status::forbidden(&resource, name, &why)
        }
        other => of_service(&resource, name, other.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pod_key::PodKey;

    #[test]
    fn only_a_missing_pod_is_not_found() {
        let pod = PodKey::new("default", "web");
        let pods = GroupResource::new("", "pods");
        let of = |error| of_service(&pods, "web", error);
        let missing = of(SupervisorError::NotFound(pod.clone()).into());
        assert_eq!((missing.code(), missing.message()), (404, "pods \"web\" not found"));
        let container = "web".to_owned();
        let previous =
            service::Error::NoPreviousInstance { container: container.clone(), pod: pod.clone() };
        let text = "previous terminated container \"web\" in pod \"web\" not found";
        assert_eq!((of(previous).code(), text), (400, text));
        assert_eq!(of(SupervisorError::NoContainer { container, pod }.into()).code(), 400);
    }
}
