//! gRPC probes of healthy, unhealthy and broken servers.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::server::NamedService;
use tonic_health::pb::HealthCheckResponse;
use tonic_health::pb::health_server::{Health, HealthServer};
use tower::Service;

use super::*;
use crate::tests::{AMPLE, Near, Server, TIMEOUT, assert_is, probe, probe_in_vain, refusing, run};
use crate::tls::tests::{secure, serve_h2, speaking};
use probelet_domain::spec::{Handler, PortRef};

/// Health server whose answer is the name of the service: a status, a number, or an error.
#[derive(Debug, Clone)]
struct Scripted;

#[tonic::async_trait]
impl Health for Scripted {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, Status> {
        let header = |key| request.metadata().get(key).and_then(|v| v.to_str().ok()).unwrap_or("");
        let agent = header("user-agent");
        if !agent.starts_with("kube-probe/1.36 ") || header("grpc-timeout").is_empty() {
            return Err(Status::internal(format!("{:?}", request.metadata())));
        }
        let service = request.get_ref().service.as_str();
        let status = match service {
            "" => ServingStatus::Serving.into(),
            "NotFound" => return Err(Status::not_found("unknown service")),
            "Unimplemented" => return Err(Status::unimplemented("unknown service")),
            "DeadlineExceeded" => return Err(Status::deadline_exceeded("late")),
            "Unavailable" => return Err(Status::unavailable("away")),
            "Cancelled" => return Err(Status::cancelled("stopped")),
            "hang" => std::future::pending().await,
            service => match ServingStatus::from_str_name(service) {
                Some(status) => status.into(),
                None => service.parse().unwrap(),
            },
        };
        Ok(tonic::Response::new(HealthCheckResponse { status }))
    }

    type WatchStream = tokio_stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("not probed"))
    }
}

async fn serve(stream: impl Stream) {
    serve_h2(stream, |request| {
        assert_eq!(request.uri().path(), format!("/{}/Check", HealthServer::<Scripted>::NAME));
        let mut server = HealthServer::new(Scripted);
        async move { server.call(request).await.unwrap() }
    })
    .await;
}

fn grpc(service: &str, tls: bool) -> Handler {
    Handler::Grpc(Grpc {
        port: PortRef::Name("web".into()),
        service: service.into(),
        tls,
        host: None,
    })
}

fn failure(text: impl Into<String>) -> Outcome {
    Outcome::Failure(text.into())
}

fn failed_to_connect(port: u16, text: &str) -> Outcome {
    failure(format!("error: failed to connect service at \"127.0.0.1:{port}\": {text}"))
}

fn not_in_time(port: u16) -> Outcome {
    failure(format!(
        "timeout: failed to connect service \"127.0.0.1:{port}\" within 200ms: context deadline exceeded"
    ))
}

#[tokio::test]
async fn the_servers_status_decides_the_outcome() {
    let plain = Server::raw(serve).await;
    let secret = secure(speaking(&["h2"]), serve).await;
    for (service, wanted) in [
        ("", Outcome::Success("service healthy".into())),
        ("NOT_SERVING", failure("service unhealthy (responded with \"NOT_SERVING\")")),
        ("UNKNOWN", failure("service unhealthy (responded with \"UNKNOWN\")")),
        ("SERVICE_UNKNOWN", failure("service unhealthy (responded with \"SERVICE_UNKNOWN\")")),
        ("7", failure("service unhealthy (responded with \"7\")")),
        (
            "NotFound",
            failure(
                "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service",
            ),
        ),
        (
            "Cancelled",
            failure("error: health rpc probe failed: rpc error: code = Canceled desc = stopped"),
        ),
        (
            "Unimplemented",
            failure(
                "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service",
            ),
        ),
        ("DeadlineExceeded", failure("timeout: health rpc did not complete within 20s")),
    ] {
        assert_eq!(probe(grpc(service, false), plain.port).await, wanted, "{service}");
        assert_eq!(probe(grpc(service, true), secret.port).await, wanted, "{service} by TLS");
    }
}

#[tokio::test]
async fn a_call_that_hangs_runs_into_the_timeout() {
    let text = "timeout: health rpc did not complete within 200ms";
    let plain = Server::raw(serve).await;
    assert_eq!(probe_in_vain(grpc("hang", false), plain.port).await, failure(text));
    let secret = secure(speaking(&["h2"]), serve).await;
    assert_eq!(probe_in_vain(grpc("hang", true), secret.port).await, failure(text));
}

#[tokio::test]
async fn a_refused_connection_fails_at_once() {
    let (_v4, _v6, port) = refusing();
    let text = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
    for tls in [false, true] {
        let attempt = run(Near::Here, grpc("", tls), port, AMPLE).await;
        assert_eq!(attempt.outcome, failed_to_connect(port, &text));
        assert!(attempt.latency < AMPLE / 2, "{attempt:?}");
    }
    let text = "no socket in the container's network namespace: no such process";
    let outcome = run(Near::Gone, grpc("", false), port, AMPLE).await.outcome;
    assert_eq!(outcome, Outcome::Error(text.into()));
}

#[tokio::test]
async fn a_server_that_sends_nothing_counts_as_not_connected() {
    let server = Server::stalling("").await;
    assert_eq!(probe_in_vain(grpc("", false), server.port).await, not_in_time(server.port));
    assert_eq!(probe_in_vain(grpc("", true), server.port).await, not_in_time(server.port));
    // The handshake succeeds, but the server sends no HTTP/2.
    let server = secure(speaking(&["h2"]), |stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    assert_eq!(probe_in_vain(grpc("", true), server.port).await, not_in_time(server.port));
}

#[tokio::test]
async fn a_server_of_another_protocol_is_a_failure() {
    let server = Server::saying("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
    let text = "connection error: desc = \"error reading server preface: http2: frame too large, note that the frame header looked like an HTTP/1.1 header\"";
    assert_eq!(probe(grpc("", false), server.port).await, failed_to_connect(server.port, text));

    let server = Server::raw(|mut stream| async move {
        stream.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let outcome = probe(grpc("", false), server.port).await;
    let start = "connection error: desc = \"error reading server preface: http2: ";
    assert!(outcome.output().contains(start), "{outcome:?}");

    let server = Server::raw(|mut stream| async move {
        stream.shutdown().await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let text = "connection error: desc = \"error reading server preface: EOF\"";
    assert_eq!(probe(grpc("", false), server.port).await, failed_to_connect(server.port, text));
    let text = "connection error: desc = \"transport: authentication handshake failed: EOF\"";
    assert_eq!(probe(grpc("", true), server.port).await, failed_to_connect(server.port, text));

    let server = Server::raw(serve).await;
    let outcome = probe(grpc("", true), server.port).await;
    let text = "connection error: desc = \"transport: authentication handshake failed: tls: first record does not look like a TLS handshake\"";
    assert_eq!(outcome, failed_to_connect(server.port, text));

    let server = secure(speaking(&["h2"]), serve).await;
    let outcome = probe(grpc("", false), server.port).await;
    assert!(outcome.output().starts_with("error: failed to connect service at"), "{outcome:?}");
}

#[tokio::test]
async fn a_connection_lost_during_the_call_is_unavailable() {
    let server = Server::raw(|stream| async move {
        let _ = tokio::time::timeout(TIMEOUT / 2, serve(stream)).await;
    })
    .await;
    let outcome = probe(grpc("hang", false), server.port).await;
    let start = "error: health rpc probe failed: rpc error: code = Unavailable desc = error reading from server: ";
    assert!(outcome.output().starts_with(start), "{outcome:?}");
}

#[tokio::test]
async fn http2_that_is_no_grpc_is_unimplemented() {
    let server = Server::raw(|stream| {
        serve_h2(stream, |_| async {
            let mut answer = http::Response::new(http_body_util::Empty::<bytes::Bytes>::new());
            *answer.status_mut() = http::StatusCode::NOT_FOUND;
            answer
        })
    })
    .await;
    let outcome = probe(grpc("", false), server.port).await;
    let start = "error: this server does not implement the grpc health protocol";
    assert!(outcome.output().starts_with(start), "{outcome:?}");
}

#[tokio::test]
async fn the_fallback_is_ipv6() {
    let listener = tokio::net::TcpListener::bind("[::1]:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = async { serve(listener.accept().await.unwrap().0).await };
    let (outcome, ()) = tokio::join!(probe(grpc("", false), port), serve);
    assert_eq!(outcome, Outcome::Success("service healthy".into()));
}

/// Runs one row of `handlers.jsonl`. In the kubelet, a refusal takes the timeout, which differs on
/// purpose.
pub async fn vector(row: &serde_json::Value) {
    if row["connect"] == "refused" {
        let (_v4, _v6, port) = refusing();
        return assert_is(&probe(grpc("", false), port).await, row);
    }
    let server = Server::raw(serve).await;
    let services = match (&row["serving"], &row["code"]) {
        (serde_json::Value::String(_), _) => vec![""],
        (serde_json::Value::Array(all), _) | (_, serde_json::Value::Array(all)) => {
            all.iter().map(|name| name.as_str().unwrap()).collect()
        }
        other => panic!("{other:?}"),
    };
    for service in services {
        assert_is(&probe(grpc(service, false), server.port).await, row);
    }
}
