//! The gRPC handler: calls `grpc.health.v1.Health/Check`, with the texts of the kubelet and of
//! grpc-go.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use http::uri::{Scheme, Uri};
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::dial::{DialError, Host};
use super::executor::{Jobs, beside};
use super::tls::{self, Protocols};
use super::wire::{Ends, Stream, cause};
use crate::{Target, deadline_in};
use probelet_domain::probe::Outcome;
use probelet_domain::spec::Grpc;
use probelet_domain::text::go_duration;

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("kube-probe/1.36 probelet/", env!("CARGO_PKG_VERSION")));

/// Flow-control window in bytes, the default of HTTP/2.
const WINDOW: u32 = 65_535;
/// Maximum size in bytes of the answer, which has one number.
const LARGEST_MESSAGE: usize = 16 << 10;

/// Makes an attempt. The connection and the call share one deadline.
pub async fn attempt(task: &Arc<dyn Target>, grpc: &Grpc, port: u16, timeout: Duration) -> Outcome {
    let deadline = deadline_in(timeout);
    let host = Host::new(grpc.host.as_deref());
    let connected = match timeout_at(deadline, host.resolve(task)).await {
        Ok(Ok(destination)) => destination.connect(task.as_ref(), port, deadline).await,
        Ok(Err(error)) => Err(error),
        Err(_) => return unconnected_in_time(format!("{}:{port}", host.hostname()), timeout),
    };
    let (stream, peer) = match connected {
        Ok(connected) => connected,
        Err(DialError::TimedOut(peer)) => return unconnected_in_time(peer, timeout),
        Err(DialError::Connect(peer, error)) => {
            return DialError::Connect(peer, error).outcome(|text| failed_to_connect(peer, &text));
        }
        Err(error) => return error.outcome(|text| text),
    };
    let mut speaks = None;
    let called = timeout_at(deadline, call(stream, peer, grpc, timeout, &mut speaks)).await;
    match called {
        Ok(Ok(status)) => judge(status),
        Ok(Err(Failed::Connection(text))) => Outcome::Failure(failed_to_connect(peer, &text)),
        Ok(Err(Failed::Call(status))) => refused(&status, timeout),
        // As in Go, the connection exists once the server has sent its HTTP/2 settings.
        Err(_) if speaks.is_some_and(|ends| ends.speaks_http2()) => uncompleted_in_time(timeout),
        Err(_) => unconnected_in_time(peer, timeout),
    }
}

fn unconnected_in_time(peer: impl std::fmt::Display, timeout: Duration) -> Outcome {
    Outcome::Failure(format!(
        "timeout: failed to connect service \"{peer}\" within {}: context deadline exceeded",
        go_duration(timeout)
    ))
}

fn uncompleted_in_time(timeout: Duration) -> Outcome {
    let within = go_duration(timeout);
    Outcome::Failure(format!("timeout: health rpc did not complete within {within}"))
}

fn failed_to_connect(peer: SocketAddr, text: &str) -> String {
    format!("error: failed to connect service at \"{peer}\": {text}")
}

fn judge(status: i32) -> Outcome {
    let name = match ServingStatus::try_from(status) {
        Ok(ServingStatus::Serving) => return Outcome::Success("service healthy".to_owned()),
        Ok(status) => status.as_str_name().to_owned(),
        Err(_) => status.to_string(),
    };
    Outcome::Failure(format!("service unhealthy (responded with {name:?})"))
}

fn refused(status: &Status, timeout: Duration) -> Outcome {
    let message = status.message();
    Outcome::Failure(match status.code() {
        Code::DeadlineExceeded => return uncompleted_in_time(timeout),
        Code::Unimplemented => format!(
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {message}"
        ),
        // Go spells only this name differently.
        Code::Cancelled => rpc_error("Canceled", message),
        code => rpc_error(&format!("{code:?}"), message),
    })
}

fn rpc_error(code: &str, message: &str) -> String {
    format!("error: health rpc probe failed: rpc error: code = {code} desc = {message}")
}

enum Failed {
    /// No HTTP/2 connection was made; the text is that of grpc-go.
    Connection(String),
    /// The call failed with this status.
    Call(Status),
}

/// Calls the service. `speaks` gets the connection's data, which stay available after a timeout.
async fn call(
    stream: TcpStream,
    peer: SocketAddr,
    grpc: &Grpc,
    timeout: Duration,
    speaks: &mut Option<Ends>,
) -> Result<i32, Failed> {
    let (stream, ends) = Ends::watch(stream, peer);
    if !grpc.tls {
        *speaks = Some(ends.clone());
        return check(stream, &ends, origin(Scheme::HTTP, peer)?, &grpc.service, timeout).await;
    }
    let shaken = tls::connect(stream, &peer.ip().to_string(), peer, Protocols::Grpc).await;
    let stream = shaken.map_err(|error| {
        let text = format!("transport: authentication handshake failed: {}", ends.io(&error));
        Failed::Connection(format!("connection error: desc = {text:?}"))
    })?;
    let (stream, ends) = ends.inside(stream);
    *speaks = Some(ends.clone());
    check(stream, &ends, origin(Scheme::HTTPS, peer)?, &grpc.service, timeout).await
}

fn origin(scheme: Scheme, peer: SocketAddr) -> Result<Uri, Failed> {
    let uri = Uri::builder().scheme(scheme).authority(peer.to_string()).path_and_query("/");
    uri.build().map_err(|error| Failed::Connection(error.to_string()))
}

/// Makes the call over `stream`. The connection is driven by this future and dropped with it.
async fn check(
    stream: impl Stream,
    ends: &Ends,
    origin: Uri,
    service: &str,
    timeout: Duration,
) -> Result<i32, Failed> {
    let jobs = Jobs::default();
    let handshake = http2::Builder::new(jobs.spawner())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .handshake(TokioIo::new(stream))
        .await;
    let (mut sender, connection) = handshake.map_err(|error| unpeered(ends, &error))?;
    let send = tower::service_fn(move |mut request: http::Request<tonic::body::Body>| {
        request.headers_mut().insert(USER_AGENT, AGENT);
        sender.send_request(request)
    });
    let mut client =
        HealthClient::with_origin(send, origin).max_decoding_message_size(LARGEST_MESSAGE);
    let mut request = Request::new(HealthCheckRequest { service: service.to_owned() });
    request.set_timeout(timeout);
    let answer = beside(client.check(request), jobs.drive(connection)).await;
    match answer {
        Ok(answer) => Ok(answer.into_inner().status),
        Err(status) => Err(match cause::<hyper::Error>(&status) {
            Some(error) if !ends.speaks_http2() => unpeered(ends, error),
            Some(error) if ends.is_exhausted() || cause::<io::Error>(error).is_some() => {
                let text = format!("error reading from server: {}", ends.lost(error));
                Failed::Call(Status::unavailable(text))
            }
            _ => Failed::Call(status),
        }),
    }
}

fn unpeered(ends: &Ends, error: &hyper::Error) -> Failed {
    let why = if ends.speaks_plain_http() {
        "http2: frame too large, note that the frame header looked like an HTTP/1.1 header"
            .to_owned()
    } else {
        ends.lost(error)
    };
    let text = format!("error reading server preface: {why}");
    Failed::Connection(format!("connection error: desc = {text:?}"))
}

#[cfg(test)]
pub mod tests;
