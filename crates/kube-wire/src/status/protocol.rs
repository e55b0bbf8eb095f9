//! Statuses of the protocol: the request is wrong whatever resource it is about, or its resource
//! version cannot be served.

use super::{Cause, Reason, Status};

/// 404: the path names nothing that is served. Clients print "the server doesn't have a resource
/// type" or "could not find the requested resource".
pub fn path_not_found() -> Status {
    let message = "the server could not find the requested resource";
    Status { details: Some(Box::default()), ..Status::new(Reason::NotFound, message) }
}

/// 405: the path has no such HTTP method.
pub fn method_not_allowed() -> Status {
    let message = "the server does not allow this method on the requested resource";
    Status { details: Some(Box::default()), ..Status::new(Reason::MethodNotAllowed, message) }
}

/// 406: no media type that the client accepts can be produced.
pub fn not_acceptable(supported: &[&str]) -> Status {
    let supported = supported.join(", ");
    let message = format!("only the following media types are accepted: {supported}");
    Status::new(Reason::NotAcceptable, message)
}

/// 410: the resource version is older than what is remembered, so the client lists again.
pub fn expired(requested: u64, oldest: u64) -> Status {
    let message = format!("too old resource version: {requested} ({oldest})");
    Status::new(Reason::Expired, message)
}

/// 410: no state has had this resource version yet, so it is of another server's life. The client
/// lists again.
pub fn version_unknown(requested: u64, current: u64) -> Status {
    let message = format!("resource version {requested} is newer than the newest, {current}");
    Status::new(Reason::Expired, message)
}

/// 410: the list that a `continue` token goes on with is no longer there.
pub fn continue_expired() -> Status {
    let message = "The provided continue parameter is too old to display a consistent list result. \
                   You must start a new list without the continue parameter.";
    Status::new(Reason::Expired, message)
}

/// 413: the request is larger than allowed, such as `limit is 3145728`.
pub fn too_large(why: &str) -> Status {
    Status::new(Reason::RequestEntityTooLarge, format!("Request entity too large: {why}"))
}

/// 415: the body has a content type that is not read.
pub fn unsupported_media_type(supported: &[&str]) -> Status {
    let supported = supported.join(", ");
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: \
         {supported}"
    );
    Status::new(Reason::UnsupportedMediaType, message)
}

/// 504: a state of this resource version is still ahead.
pub fn version_too_large(requested: u64, current: u64) -> Status {
    let message = format!("Timeout: Too large resource version: {requested}, current: {current}");
    let mut status = Status::new(Reason::Timeout, message).retry_after(1);
    status.details.get_or_insert_default().causes =
        vec![Cause::new("ResourceVersionTooLarge", "Too large resource version", "")];
    status
}
