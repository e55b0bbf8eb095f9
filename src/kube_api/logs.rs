//! `GET pods/NAME/log`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use http::Response;
use probelet_kube_wire::options::{LogOptions, LogStream};
use probelet_kube_wire::path::ResourceRequest;
use probelet_kube_wire::query::Query;
use probelet_kube_wire::status::Status;

use super::answer::{self, Body};
use super::errors;
use super::identity::Identity;
use crate::pb;
use crate::service::Logs;

const TEXT: &str = "text/plain; charset=utf-8";

/// Answers with the log, which continues for `follow=true`.
pub async fn read(
    logs: &Logs,
    request: &ResourceRequest,
    query: &Query,
    user: Identity,
) -> Result<Response<Body>, Status> {
    let options = LogOptions::parse(query)?;
    if options.stream != LogStream::All {
        let text = "stream: the log has both streams in one; only All is supported";
        return Err(Status::bad_request(text));
    }
    let name = request.name.clone().unwrap_or_default();
    let wanted = pb::GetLogsRequest {
        namespace: request.namespace.clone().unwrap_or_default(),
        name: name.clone(),
        container: options.container.clone().unwrap_or_default(),
        previous: options.previous,
        follow: options.follow,
        tail: options.tail_lines.map(|lines| u32::try_from(lines).unwrap_or(u32::MAX)),
        since: options
            .since_seconds
            .and_then(|seconds| prost_types::Duration::try_from(Duration::from_secs(seconds)).ok()),
        since_time: options.since_time.map(|time| since(time.micros()).into()),
        timestamps: options.timestamps,
        limit_bytes: options.limit_bytes,
    };
    let chunks = logs.read(&wanted).await;
    let chunks =
        chunks.map_err(|error| errors::of_service(&request.group_resource(), &name, error))?;
    let ended = async move { user.ended().await };
    // A log that ends early ends the body: the status was sent with the first part.
    let parts = chunks.filter_map(|chunk| async { chunk.ok().map(|chunk| chunk.data.into()) });
    let parts = parts.take_until(Box::pin(ended));
    Ok(answer::stream(TEXT, parts))
}

fn since(micros: i64) -> SystemTime {
    let since = Duration::from_micros(u64::try_from(micros).unwrap_or_default());
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}
