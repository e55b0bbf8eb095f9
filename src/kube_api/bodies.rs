//! Bodies of requests.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use hyper::body::Body;
use probelet_kube_wire::negotiate::{BodyType, MAX_BODY, body_type};
use probelet_kube_wire::protobuf::Decoded;
use probelet_kube_wire::status::{Status, protocol};
use serde_json::Value;
use tokio::time::timeout;

/// The time in which a body must arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Reads a body of at most [`MAX_BODY`] bytes.
pub async fn read<B>(mut body: B) -> Result<Bytes, Status>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let all = async {
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Status::bad_request(error.to_string()))?;
            // Trailers say nothing here.
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len().saturating_add(data.len()) > MAX_BODY {
                return Err(protocol::too_large(&format!("limit is {MAX_BODY} bytes")));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.freeze())
    };
    let late = |_| Status::timeout("the body did not arrive in time", 1);
    timeout(ARRIVAL, all).await.map_err(late)?
}

/// Reads an object from a body of JSON or of Kubernetes' protobuf.
pub fn object(headers: &HeaderMap, bytes: &[u8]) -> Result<Value, Status> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match body_type(content_type)? {
        BodyType::Protobuf => Ok(Decoded::read(bytes)?.into_object()),
        BodyType::Json => serde_json::from_slice(bytes).map_err(|error| invalid(&error)),
        BodyType::Yaml => serde_norway::from_slice(bytes).map_err(|error| invalid(&error)),
    }
}

fn invalid(error: &dyn std::fmt::Display) -> Status {
    Status::bad_request(format!("the body is not valid: {error}"))
}
