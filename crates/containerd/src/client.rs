//! The channel to containerd: its namespace, a deadline for every call, its errors as [`CallError`].

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use containerd_client::services::v1::containers_client::ContainersClient;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::namespaces_client::NamespacesClient;
use containerd_client::services::v1::snapshots::snapshots_client::SnapshotsClient;
use containerd_client::services::v1::tasks_client::TasksClient;
use containerd_client::services::v1::{CreateNamespaceRequest, Namespace};
use hyper_util::rt::TokioIo;
use probelet_runtime::{CallError, Cause, FailedCalls, Refused};
use tokio::net::UnixStream;
use tokio::sync::OnceCell;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};

use crate::failures::Failures;
use crate::refusals;

pub const DEADLINE: Duration = Duration::from_secs(10);
/// Deadline of calls that run runc.
pub const SLOW_DEADLINE: Duration = Duration::from_secs(60);
/// Limit of one response, in bytes: all records come in one message, and tonic's default is 4 MB.
const LARGEST_ANSWER: usize = 64 << 20;
/// The beginnings of the client library's errors for an answer that cannot be read. They have no type
/// of their own.
const UNREADABLE: [&str; 4] = [
    "failed to decode Protobuf message",
    "Unexpected EOF decoding stream",
    "Missing response message",
    "protocol error: received message",
];
/// The namespace of calls that concern none.
const ANY: &str = "default";

/// A client of containerd in one of its namespaces.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    header: MetadataValue<Ascii>,
    namespace: Arc<str>,
    is_made: Arc<OnceCell<()>>,
    failures: Failures,
}

impl Client {
    pub fn new(socket: PathBuf) -> Result<Self, CallError> {
        let connector = tower::service_fn(move |_| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        // The connector ignores the endpoint, which only has to be a valid URI.
        let endpoint = Endpoint::try_from("http://containerd");
        let endpoint = endpoint.map_err(|error| CallError::failed(error.to_string()))?;
        Ok(Self {
            channel: endpoint.connect_with_connector_lazy(connector),
            header: MetadataValue::from_static(ANY),
            namespace: ANY.into(),
            is_made: Arc::default(),
            failures: Failures::default(),
        })
    }

    pub fn in_namespace(&self, namespace: &str) -> Result<Self, CallError> {
        let invalid = |_| CallError::failed(format!("namespace {namespace:?}: not a name"));
        Ok(Self {
            header: namespace.parse().map_err(invalid)?,
            namespace: namespace.into(),
            is_made: Arc::default(),
            ..self.clone()
        })
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("containerd-namespace", self.header.clone());
        request
    }

    /// Runs one call with a deadline; `name` is the call's name in errors.
    pub async fn call<T>(
        &self,
        name: &'static str,
        deadline: Duration,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CallError> {
        match tokio::time::timeout(deadline, answer).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(error(name, deadline, status)),
            Err(_) => Err(CallError::Timeout { call: name, seconds: deadline.as_secs() }),
        }
        .inspect_err(|error| self.failures.count(name, error))
    }

    /// Creates the namespace, once.
    pub async fn make_namespace(&self) -> Result<(), CallError> {
        let make = || async {
            let namespace = Namespace { name: self.namespace.to_string(), ..Namespace::default() };
            let request = self.request(CreateNamespaceRequest { namespace: Some(namespace) });
            let made = async { self.namespaces().create(request).await };
            match self.call("Namespaces.Create", DEADLINE, made).await {
                Ok(_) | Err(CallError::AlreadyExists(_)) => Ok(()),
                Err(error) => Err(error),
            }
        };
        self.is_made.get_or_try_init(make).await.copied()
    }

    pub fn failed_calls(&self) -> FailedCalls {
        self.failures.get()
    }

    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub fn containers(&self) -> ContainersClient<Channel> {
        ContainersClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    pub fn content(&self) -> ContentClient<Channel> {
        ContentClient::new(self.channel.clone())
    }

    pub fn images(&self) -> ImagesClient<Channel> {
        ImagesClient::new(self.channel.clone())
    }

    pub fn namespaces(&self) -> NamespacesClient<Channel> {
        NamespacesClient::new(self.channel.clone())
    }

    pub fn snapshots(&self) -> SnapshotsClient<Channel> {
        SnapshotsClient::new(self.channel.clone())
    }

    pub fn tasks(&self) -> TasksClient<Channel> {
        TasksClient::new(self.channel.clone())
    }
}

/// The only place that reads containerd's codes. Most of its failures, runc's too, are `Unknown`.
pub fn error(call: &'static str, deadline: Duration, status: Status) -> CallError {
    let (code, is_broken, text) = (status.code(), broken(&status), with_cause(&status));
    let refusal = refusals::of(&text);
    let cause = Cause::new(text, status);
    match code {
        Code::NotFound => CallError::NotFound(cause),
        Code::AlreadyExists => CallError::AlreadyExists(cause),
        Code::DeadlineExceeded => CallError::Timeout { call, seconds: deadline.as_secs() },
        Code::Unavailable => CallError::Unavailable(cause),
        // The error is the connection's, not containerd's: it broke during the call.
        Code::Unknown | Code::Internal | Code::Cancelled if is_broken => {
            CallError::Unavailable(cause)
        }
        _ => match refusal {
            Some(refusal) => CallError::Refused(Refused { refusal, cause }),
            None => CallError::Failed(cause),
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

/// True if the connection or the answer broke. containerd may have carried the call out.
fn broken(status: &Status) -> bool {
    let is_unreadable = || UNREADABLE.iter().any(|begin| status.message().starts_with(begin));
    std::error::Error::source(status).is_some()
        || (status.code() == Code::Internal && is_unreadable())
        || status.message().contains("transport error")
        || status.message().contains("h2 protocol error")
}

#[cfg(test)]
mod tests {
    use super::*;
    use probelet_runtime::Refusal;

    #[test]
    fn codes_become_errors() {
        let shim_died = Refused { refusal: Refusal::ShimDied, cause: "ttrpc: closed".into() };
        for (status, expected) in [
            (Status::not_found("a"), CallError::NotFound("a".into())),
            (Status::already_exists("a"), CallError::AlreadyExists("a".into())),
            (Status::unavailable("a"), CallError::Unavailable("a".into())),
            (Status::unknown("transport error"), CallError::Unavailable("transport error".into())),
            (Status::internal(UNREADABLE[1]), CallError::Unavailable(UNREADABLE[1].into())),
            (Status::internal("a"), CallError::Failed("a".into())),
            (Status::unknown("runc"), CallError::Failed("runc".into())),
            (Status::failed_precondition("ttrpc: closed"), CallError::Refused(shim_died)),
            (Status::deadline_exceeded("a"), CallError::Timeout { call: "x", seconds: 10 }),
        ] {
            assert_eq!(error("x", DEADLINE, status), expected);
        }
    }

    #[test]
    fn the_status_is_the_source() {
        let error = error("x", DEADLINE, Status::unknown("runc"));
        let source = std::error::Error::source(&error).and_then(|it| it.downcast_ref::<Status>());
        assert_eq!(source.map(Status::code), Some(Code::Unknown));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_bounded_and_counted() {
        let client = Client::new("/nonexistent/sock".into()).unwrap();
        let never = std::future::pending();
        let error = client.call::<()>("Tasks.Get", DEADLINE, never).await.unwrap_err();
        assert_eq!(error.to_string(), "Tasks.Get took longer than 10 s");
        let failed = client.in_namespace("other").unwrap().failed_calls();
        assert_eq!(failed.into_iter().collect::<Vec<_>>(), [(("Tasks.Get", "timeout"), 1)]);
    }
}
