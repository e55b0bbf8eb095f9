//! `kind: Status`: the body of every refusal, with its HTTP code and Kubernetes' text.
//!
//! Clients decide by `reason` and `details`, not by the message: client-go's `IsNotFound`,
//! `kubectl apply` (404 → create), `kubectl create` (409 `AlreadyExists`), `kubectl edit` (409
//! `Conflict` → retry), watches (410 `Expired` → list again), and `kubectl` prints each cause of an
//! `Invalid` as "FIELD: MESSAGE".

use serde::Serialize;
use serde_json::{Value, json};

mod field_error;
pub mod protocol;
mod reason;

pub use field_error::{FieldError, FieldErrorKind};
pub use reason::Reason;

#[cfg(test)]
mod tests;

/// A resource or kind with its group, written `pods` or `deployments.apps`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupResource {
    group: String,
    resource: String,
}

impl GroupResource {
    /// The group is empty for the core group.
    pub fn new(group: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { group: group.into(), resource: resource.into() }
    }

    /// The API group; empty for the core group.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The plural name of the resource, or a kind.
    pub fn resource(&self) -> &str {
        &self.resource
    }
}

impl std::fmt::Display for GroupResource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// One of several reasons of a status, as `details.causes` lists them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    #[serde(rename = "reason", skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    field: String,
}

impl Cause {
    /// A cause of a kind such as `FieldManagerConflict`; kind and field may be empty.
    pub fn new(
        kind: impl Into<String>,
        message: impl Into<String>,
        field: impl Into<String>,
    ) -> Self {
        Self { kind: kind.into(), message: message.into(), field: field.into() }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    uid: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<Cause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u32>,
}

/// A failure as the API reports it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    reason: Reason,
    message: String,
    details: Option<Box<Details>>,
}

impl Status {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), details: None }
    }

    fn of(reason: Reason, resource: &GroupResource, name: &str, message: String) -> Self {
        let details = Details {
            name: name.to_owned(),
            group: resource.group.clone(),
            kind: resource.resource.clone(),
            ..Details::default()
        };
        Self { reason, message, details: Some(Box::new(details)) }
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.details.get_or_insert_default().retry_after_seconds = Some(seconds);
        self
    }

    /// 404: there is no object of this name.
    pub fn not_found(resource: &GroupResource, name: &str) -> Self {
        let message = format!("{resource} {name:?} not found");
        Self::of(Reason::NotFound, resource, name, message)
    }

    /// 409: an object of this name exists.
    pub fn already_exists(resource: &GroupResource, name: &str) -> Self {
        let message = format!("{resource} {name:?} already exists");
        Self::of(Reason::AlreadyExists, resource, name, message)
    }

    /// 409: an update of an object that has changed since, or whose precondition does not hold.
    pub fn conflict(resource: &GroupResource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} {name:?}: {why}");
        Self::of(Reason::Conflict, resource, name, message)
    }

    /// 409: `resourceVersion` of the update is older than the object's.
    pub fn modified(resource: &GroupResource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version \
                   and try again";
        Self::conflict(resource, name, why)
    }

    /// 409: a server-side apply wants fields that other managers have applied.
    pub fn apply_conflict(message: impl Into<String>, causes: Vec<Cause>) -> Self {
        let details = Some(Box::new(Details { causes, ..Details::default() }));
        Self { details, ..Self::new(Reason::Conflict, message) }
    }

    /// 422: the object of this kind breaks rules, one error a field.
    pub fn invalid(kind: &GroupResource, name: &str, errors: &[FieldError]) -> Self {
        let mut message = format!("{kind} {name:?} is invalid");
        let texts = distinct(errors.iter().map(FieldError::to_string));
        match texts.as_slice() {
            [] => {}
            [only] => message.push_str(&format!(": {only}")),
            several => message.push_str(&format!(": [{}]", several.join(", "))),
        }
        let mut status = Self::of(Reason::Invalid, kind, name, message);
        status.details.get_or_insert_default().causes =
            errors.iter().map(FieldError::cause).collect();
        status
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Reason::BadRequest, message)
    }

    /// 401: the caller showed no identity, or none that is accepted.
    pub fn unauthorized() -> Self {
        Self::new(Reason::Unauthorized, "Unauthorized")
    }

    /// 403: the caller has no right to do this. `name` may be empty.
    pub fn forbidden(resource: &GroupResource, name: &str, why: &str) -> Self {
        let message = match (resource.resource.as_str(), name) {
            ("", _) => format!("forbidden: {why}"),
            (_, "") => format!("{resource} is forbidden: {why}"),
            _ => format!("{resource} {name:?} is forbidden: {why}"),
        };
        Self::of(Reason::Forbidden, resource, name, message)
    }

    /// 405: the resource exists, but not this verb of it.
    pub fn method_not_supported(resource: &GroupResource, verb: &str) -> Self {
        let message = format!("{verb} is not supported on resources of kind \"{resource}\"");
        Self::of(Reason::MethodNotAllowed, resource, "", message)
    }

    /// 410: the endpoint existed once.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::new(Reason::Gone, message)
    }

    /// 422: the request is understood and cannot be carried out, such as a patch that does not fit.
    pub fn unprocessable(why: impl std::fmt::Display) -> Self {
        let message =
            format!("the server rejected our request due to an error in our request: {why}");
        Self { details: Some(Box::default()), ..Self::new(Reason::Invalid, message) }
    }

    /// 429: the caller has too many requests open.
    pub fn too_many_requests(message: impl Into<String>, retry_after: u32) -> Self {
        Self::new(Reason::TooManyRequests, message).retry_after(retry_after)
    }

    /// 500: a fault of the server.
    pub fn internal(why: &str) -> Self {
        let message = format!("Internal error occurred: {why}");
        let causes = vec![Cause::new("", why, "")];
        let details = Some(Box::new(Details { causes, ..Details::default() }));
        Self { details, ..Self::new(Reason::InternalError, message) }
    }

    /// 503: the server cannot answer now, for example because containerd is away.
    pub fn unavailable(message: impl Into<String>, retry_after: u32) -> Self {
        Self::new(Reason::ServiceUnavailable, message).retry_after(retry_after)
    }

    /// 504: the operation did not end in time.
    pub fn timeout(message: &str, retry_after: u32) -> Self {
        Self::new(Reason::Timeout, format!("Timeout: {message}")).retry_after(retry_after)
    }

    /// Adds a cause.
    #[must_use]
    pub fn with_cause(mut self, cause: Cause) -> Self {
        self.details.get_or_insert_default().causes.push(cause);
        self
    }

    /// The machine-readable reason.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The HTTP status code.
    pub fn code(&self) -> u16 {
        self.reason.code()
    }

    /// The text for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The value of the header `Retry-After` in seconds, if the response has one.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.details.as_ref().and_then(|details| details.retry_after_seconds)
    }

    /// The body of the response, and the object of a watch's `ERROR` event.
    pub fn to_value(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason.as_str(), "code": self.code(),
        });
        if let (Some(details), Some(body)) = (&self.details, body.as_object_mut()) {
            body.insert("details".to_owned(), json!(details));
        }
        body
    }
}

/// The body of a deletion that is complete: `kubectl delete` waits for the object of this `uid` to
/// be gone.
pub fn deleted(resource: &GroupResource, name: &str, uid: &str) -> Value {
    let details = Details {
        name: name.to_owned(),
        group: resource.group.clone(),
        kind: resource.resource.clone(),
        uid: uid.to_owned(),
        ..Details::default()
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details,
    })
}

fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut distinct = Vec::new();
    texts.for_each(|text| {
        if !distinct.contains(&text) {
            distinct.push(text);
        }
    });
    distinct
}
