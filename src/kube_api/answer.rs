//! Answers over HTTP.

use std::convert::Infallible;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use probelet_kube_wire::status::Status;
use serde::Serialize;
use serde_json::Value;

/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

const JSON: &str = "application/json";
const WARN: HeaderName = http::header::WARNING;
/// Warnings of one answer.
const WARNINGS: usize = 64;
/// Characters of a warning.
const WARNING: usize = 256;

/// Returns an answer with a JSON document.
pub fn json(content_type: &'static str, document: &impl Serialize, pretty: bool) -> Response<Body> {
    let bytes = match pretty {
        true => serde_json::to_vec_pretty(document),
        false => serde_json::to_vec(document),
    };
    match bytes {
        Ok(bytes) => whole(StatusCode::OK, content_type, bytes.into()),
        Err(error) => status(&Status::internal(&error.to_string())),
    }
}

/// Returns an answer with a created object.
pub fn created(document: &Value) -> Response<Body> {
    let mut response = json(JSON, document, false);
    *response.status_mut() = StatusCode::CREATED;
    response
}

/// Adds texts for people, which kubectl prints.
pub fn warn(response: &mut Response<Body>, warnings: &[String]) {
    for warning in warnings.iter().take(WARNINGS) {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        let is_shown = |letter: &char| !letter.is_control() && letter.is_ascii();
        let text: String = quoted.chars().filter(is_shown).take(WARNING).collect();
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            response.headers_mut().append(WARN, value);
        }
    }
}

pub fn text(content_type: &'static str, text: impl Into<Bytes>) -> Response<Body> {
    whole(StatusCode::OK, content_type, text.into())
}

/// Returns the answer of a failed request.
pub fn status(status: &Status) -> Response<Body> {
    let code = StatusCode::from_u16(status.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = whole(code, JSON, status.to_value().to_string().into());
    if let Some(seconds) = status.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Returns an answer whose body is sent as it is made.
pub fn stream(
    content_type: &'static str,
    parts: impl Stream<Item = Bytes> + Send + 'static,
) -> Response<Body> {
    use futures_util::StreamExt;
    let frames: Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>> =
        Box::pin(parts.map(|part| Ok(Frame::data(part))));
    response(StatusCode::OK, content_type, StreamBody::new(frames).boxed_unsync())
}

fn whole(code: StatusCode, content_type: &'static str, bytes: Bytes) -> Response<Body> {
    response(code, content_type, Full::new(bytes).boxed_unsync())
}

fn response(code: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}
