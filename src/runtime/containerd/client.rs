//! The channel to containerd: its namespace, a deadline for every call, its errors as
//! `RuntimeError`.

use std::fmt::Debug;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use containerd_client::services::v1::containers_client::ContainersClient;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::namespaces_client::NamespacesClient;
use containerd_client::services::v1::snapshots::snapshots_client::SnapshotsClient;
use containerd_client::services::v1::tasks_client::TasksClient;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::sync::OnceCell;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};

use super::failures;
use super::images::Known;
use super::pull::{Ingests, Leases};
use super::refusals;
use super::task_outcomes::TaskOutcomes;
use crate::runtime::RuntimeError;

pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// Deadline of calls that run runc.
pub(super) const SLOW_DEADLINE: Duration = Duration::from_secs(60);
/// Limit of one response, in bytes: all records come in one message, and tonic's default is 4 MB.
const LARGEST_ANSWER: usize = 64 << 20;

#[derive(Debug, Clone)]
pub(super) struct Client {
    channel: Channel,
    namespace: MetadataValue<Ascii>,
    namespace_name: Arc<str>,
    pub(super) address: Arc<Path>,
    pub(super) namespace_made: Arc<OnceCell<()>>,
    pub(super) snapshotter: Arc<str>,
    pub(super) known_images: Known,
    pub(super) leases: Leases,
    pub(super) ingests: Ingests,
    /// Receives how the tasks of foreign containers end.
    pub(super) task_outcomes: Option<TaskOutcomes>,
}

impl Client {
    pub(super) fn with_fates(self, task_outcomes: TaskOutcomes) -> Self {
        Self { task_outcomes: Some(task_outcomes), ..self }
    }

    pub(super) fn new(
        address: PathBuf,
        namespace: &str,
        snapshotter: String,
    ) -> Result<Self, RuntimeError> {
        let internal = |error: &dyn std::fmt::Display| RuntimeError::Internal(error.to_string());
        let socket = Arc::from(address.as_path());
        let connector = tower::service_fn(move |_| {
            let address = address.clone();
            async move { UnixStream::connect(address).await.map(TokioIo::new) }
        });
        // The connector ignores the endpoint, which only has to be a valid URI.
        let endpoint = Endpoint::try_from("http://containerd").map_err(|error| internal(&error))?;
        Ok(Self {
            channel: endpoint.connect_with_connector_lazy(connector),
            namespace: namespace.parse().map_err(|error| internal(&error))?,
            namespace_name: namespace.into(),
            address: socket,
            namespace_made: Arc::default(),
            snapshotter: snapshotter.into(),
            known_images: Known::default(),
            leases: Leases::default(),
            ingests: Ingests::default(),
            task_outcomes: None,
        })
    }

    pub(super) fn in_namespace(&self, namespace: &str) -> Result<Self, RuntimeError> {
        let name = namespace.parse();
        let invalid = |_| RuntimeError::Internal(format!("namespace {namespace:?}: not a name"));
        Ok(Self {
            namespace: name.map_err(invalid)?,
            namespace_name: namespace.into(),
            namespace_made: Arc::default(),
            ..self.clone()
        })
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace_name
    }

    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("containerd-namespace", self.namespace.clone());
        request
    }

    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(super) fn containers(&self) -> ContainersClient<Channel> {
        ContainersClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    pub(super) fn content(&self) -> ContentClient<Channel> {
        ContentClient::new(self.channel.clone())
    }

    pub(super) fn images(&self) -> ImagesClient<Channel> {
        ImagesClient::new(self.channel.clone())
    }

    pub(super) fn namespaces(&self) -> NamespacesClient<Channel> {
        NamespacesClient::new(self.channel.clone())
    }

    pub(super) fn snapshots(&self) -> SnapshotsClient<Channel> {
        SnapshotsClient::new(self.channel.clone())
    }

    pub(super) fn tasks(&self) -> TasksClient<Channel> {
        TasksClient::new(self.channel.clone())
    }
}

/// Runs one call with a deadline; `name` is the call's name in errors.
pub(super) async fn call<T>(
    name: &'static str,
    deadline: Duration,
    answer: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, RuntimeError> {
    match tokio::time::timeout(deadline, answer).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(error(name, deadline, &status)),
        Err(_) => Err(RuntimeError::Timeout { call: name, seconds: deadline.as_secs() }),
    }
    .inspect_err(|error| failures::count(name, error))
}

/// The only place that reads containerd's codes. Most of its failures, runc's too, are `Unknown`.
pub(super) fn error(call: &'static str, deadline: Duration, status: &Status) -> RuntimeError {
    let text = with_cause(status);
    match status.code() {
        Code::NotFound => RuntimeError::NotFound(text),
        Code::AlreadyExists => RuntimeError::AlreadyExists(text),
        Code::DeadlineExceeded => RuntimeError::Timeout { call, seconds: deadline.as_secs() },
        Code::Unavailable => RuntimeError::Unavailable(text),
        // The error is the connection's, not containerd's: it broke during the call.
        Code::Unknown | Code::Internal | Code::Cancelled if broken(status) => {
            RuntimeError::Unavailable(text)
        }
        _ => match refusals::of(&text) {
            Some(refusal) => RuntimeError::Refused { refusal, text },
            None => RuntimeError::Internal(text),
        },
    }
}

/// The text of a connection error with its root cause, which is at the end of the source chain.
fn with_cause(status: &Status) -> String {
    let text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(next) = cause.and_then(std::error::Error::source) {
        cause = Some(next);
    }
    match cause.map(ToString::to_string) {
        Some(cause) if !text.contains(&cause) => format!("{text}: {cause}"),
        _ => text,
    }
}

fn broken(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
        || status.message().contains("transport error")
        || status.message().contains("h2 protocol error")
}

pub(super) fn missing_is_fine<T: Debug>(
    result: Result<T, RuntimeError>,
) -> Result<(), RuntimeError> {
    match result {
        Ok(_) | Err(RuntimeError::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Refusal;

    #[test]
    fn codes_become_errors() {
        for (status, expected) in [
            (Status::not_found("a"), RuntimeError::NotFound("a".into())),
            (Status::already_exists("a"), RuntimeError::AlreadyExists("a".into())),
            (Status::unavailable("a"), RuntimeError::Unavailable("a".into())),
            (
                Status::unknown("transport error"),
                RuntimeError::Unavailable("transport error".into()),
            ),
            (Status::unknown("runc"), RuntimeError::Internal("runc".into())),
            (
                Status::failed_precondition("ttrpc: closed"),
                RuntimeError::Refused { refusal: Refusal::ShimDied, text: "ttrpc: closed".into() },
            ),
            (Status::deadline_exceeded("a"), RuntimeError::Timeout { call: "x", seconds: 10 }),
        ] {
            assert_eq!(error("x", DEADLINE, &status), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_bounded() {
        let error = call::<()>("Tasks.Get", DEADLINE, std::future::pending()).await.unwrap_err();
        assert_eq!(error.to_string(), "Tasks.Get took longer than 10 s");
    }

    #[tokio::test]
    async fn containerd_may_be_away() {
        let client =
            Client::new("/nonexistent/sock".into(), "probelet", "overlayfs".into()).unwrap();
        let error = client.get_record("x").await.unwrap_err();
        assert!(matches!(error, RuntimeError::Unavailable(_)), "{error:?}");
    }
}
