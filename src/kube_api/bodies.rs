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
use probelet_kube_wire::strict::{Document, read_json};
use tokio::time::timeout;

use crate::manifest;

/// The time in which a body must arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Reads a body of at most [`MAX_BODY`] bytes.
pub async fn read<B>(mut body: B) -> Result<Bytes, Status>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let too_large = || protocol::too_large(&format!("limit is {MAX_BODY} bytes"));
    // A client that announces more is not waited for.
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > MAX_BODY {
        return Err(too_large());
    }
    let all = async {
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Status::bad_request(error.to_string()))?;
            // Trailers say nothing here.
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len().saturating_add(data.len()) > MAX_BODY {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.freeze())
    };
    let late = |_| Status::timeout("the body did not arrive in time", 1);
    timeout(ARRIVAL, all).await.map_err(late)?
}

/// Reads an object from a body of JSON, YAML or Kubernetes' protobuf. A body without a type is JSON.
pub fn document(headers: &HeaderMap, bytes: &[u8]) -> Result<Document, Status> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match body_type(content_type)? {
        BodyType::Protobuf => {
            let value = Decoded::read(bytes)?.into_object();
            Ok(Document { value, duplicates: Vec::new() })
        }
        BodyType::Json => json(bytes),
        BodyType::Yaml => yaml(bytes),
    }
}

/// Reads a body of JSON.
pub fn json(bytes: &[u8]) -> Result<Document, Status> {
    read_json(bytes).map_err(|error| invalid(&error))
}

/// Reads a body of YAML, which has one document. A field that is there twice makes it invalid.
pub fn yaml(bytes: &[u8]) -> Result<Document, Status> {
    let text = std::str::from_utf8(bytes).map_err(|error| invalid(&error))?;
    let mut documents = manifest::documents(text).map_err(|error| invalid(&error))?;
    match (documents.pop(), documents.is_empty()) {
        (Some(value), true) => Ok(Document { value, duplicates: Vec::new() }),
        _ => Err(invalid(&"it must have one document")),
    }
}

fn invalid(error: &dyn std::fmt::Display) -> Status {
    Status::bad_request(format!("the body is not valid: {error}"))
}
