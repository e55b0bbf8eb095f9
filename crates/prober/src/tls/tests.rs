//! HTTPS with certificates that cannot be trusted.

use std::net::Ipv4Addr;
use std::sync::Mutex;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::{TlsAcceptor, server};

use super::*;
use crate::executor::Jobs;
use crate::tests::{Server, get, probe, probe_in_vain, refusing};
use probelet_domain::probe::Outcome;
use probelet_domain::spec::{Handler, Header, HttpGet, Scheme};

pub type Secured = server::TlsStream<TcpStream>;

/// Makes a certificate that is self-signed, expired and of another name.
fn certificate() -> (CertificateDer<'static>, PrivatePkcs8KeyDer<'static>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["other.example".into()]).unwrap();
    params.not_before = rcgen::date_time_ymd(1999, 1, 1);
    params.not_after = rcgen::date_time_ymd(2000, 1, 1);
    let certificate = params.self_signed(&key).unwrap().der().clone();
    (certificate, key.serialize_der().into())
}

fn config(versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> ServerConfig {
    let (certificate, key) = certificate();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

pub fn speaking(alpn: &[&str]) -> ServerConfig {
    config(&[&version::TLS13, &version::TLS12], alpn)
}

/// Makes a server that passes every connection to `script` after the handshake.
pub async fn secure<F>(
    config: ServerConfig,
    script: impl Fn(Secured) -> F + Send + Sync + 'static,
) -> Server
where
    F: Future<Output = ()> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let script = Arc::new(script);
    Server::raw(move |stream| {
        let (acceptor, script) = (acceptor.clone(), script.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                script(stream).await;
            }
        }
    })
    .await
}

/// Serves one HTTP/2 connection.
pub async fn serve_h2<F, B>(
    stream: impl Stream,
    answer: impl Fn(Request<Incoming>) -> F + Send + 'static,
) where
    F: Future<Output = Response<B>> + Send + 'static,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let jobs = Jobs::default();
    let service = service_fn(move |request| {
        let answer = answer(request);
        async move { Ok::<_, std::convert::Infallible>(answer.await) }
    });
    let connection = hyper::server::conn::http2::Builder::new(jobs.spawner())
        .serve_connection(TokioIo::new(stream), service);
    // The server's task ends with the connection.
    let (ended, over) = tokio::sync::oneshot::channel();
    let connection = async move {
        let _ = connection.await;
        let _ = ended.send(());
    };
    tokio::select! {
        never = jobs.drive(connection) => match never {},
        _ = over => {}
    }
}

/// Reads the head of a request and sends `answer`.
async fn say(mut stream: Secured, answer: &str) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

fn https(path: &str) -> Handler {
    Handler::HttpGet(HttpGet { scheme: Scheme::Https, ..get(path) })
}

fn failure(port: u16, text: &str) -> Outcome {
    Outcome::Failure(format!("Get \"https://127.0.0.1:{port}/\": {text}"))
}

#[tokio::test]
async fn every_certificate_is_accepted() {
    for versions in [[&version::TLS12], [&version::TLS13]] {
        for alpn in [&["http/1.1"][..], &[]] {
            let server = secure(config(&versions, alpn), |mut stream| async move {
                assert_eq!(stream.get_ref().1.server_name(), None, "an address told by SNI");
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap().into());
                }
                let answer = format!("HTTP/1.0 200 OK\r\n\r\n{head}");
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            })
            .await;
            let wanted = format!(
                "GET /x HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUser-Agent: kube-probe/1.36\r\n\
                 Accept: */*\r\nConnection: close\r\n\r\n",
                server.port
            );
            assert_eq!(probe(https("/x"), server.port).await, Outcome::Success(wanted));
        }
    }
}

/// Resolver with an invalid certificate, which stands for X.509 v1 that webpki cannot parse.
#[derive(Debug)]
struct Garbage(Arc<CertifiedKey>);

impl ResolvesServerCert for Garbage {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

#[tokio::test]
async fn certificates_are_not_even_parsed() {
    let key = ring::sign::any_supported_type(&certificate().1.into()).unwrap();
    let garbage = CertifiedKey::new(vec![CertificateDer::from(b"v1".to_vec())], key);
    for version in [&version::TLS12, &version::TLS13] {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Garbage(Arc::new(garbage.clone()))));
        let server = secure(config, |stream| say(stream, "HTTP/1.1 204 Fine\r\n\r\n")).await;
        assert_eq!(probe(https("/"), server.port).await, Outcome::Success(String::new()));
    }
}

#[tokio::test]
async fn http2_is_used_if_the_server_supports_it() {
    let server = secure(speaking(&["h2", "http/1.1"]), |stream| {
        serve_h2(stream, |request| {
            let (head, _) = request.into_parts();
            let mut seen = vec![format!("{:?} {} {}", head.version, head.method, head.uri)];
            seen.extend(head.headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())));
            seen[1..].sort();
            async move { Response::new(Full::from(seen.join("\n"))) }
        })
    })
    .await;
    let sent = async |headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|(n, v)| Header { name: (*n).into(), value: (*v).into() });
        let get = HttpGet { scheme: Scheme::Https, headers: headers.collect(), ..get("/x?y") };
        let outcome = probe(Handler::HttpGet(get), server.port).await;
        outcome.output().replace(&server.port.to_string(), "PORT")
    };
    let wanted =
        "HTTP/2.0 GET https://127.0.0.1:PORT/x?y\naccept: */*\nuser-agent: kube-probe/1.36";
    assert_eq!(sent(&[]).await, wanted);
    let wanted =
        "HTTP/2.0 GET https://mine.example/x?y\naccept: */*\nuser-agent: kube-probe/1.36\nx-a: b";
    let given = [("Host", "mine.example"), ("X-A", "b"), ("Connection", "keep-alive")];
    assert_eq!(sent(&given).await, wanted);
    let text = "Get \"https://127.0.0.1:PORT/x?y\": http2: invalid Host header";
    assert_eq!(sent(&[("Host", "a b")]).await, text);
}

#[tokio::test]
async fn failures_of_http2_have_gos_texts() {
    let server = secure(speaking(&["h2"]), |stream| {
        serve_h2(stream, |_| async {
            let mut answer = Response::new(Full::from("secret"));
            *answer.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            answer
        })
    })
    .await;
    let text = "HTTP probe failed with statuscode: 503";
    assert_eq!(probe(https("/"), server.port).await, Outcome::Failure(text.into()));

    let server = secure(speaking(&["h2"]), |stream| async move {
        drop(stream);
    })
    .await;
    let outcome = probe(https("/"), server.port).await;
    let text = outcome.output();
    assert!(text.ends_with(": EOF") || text.ends_with("connection reset by peer"), "{outcome:?}");

    let server =
        secure(speaking(&["h2"]), |stream| serve_h2(stream, |_| hang::<Full<Bytes>>())).await;
    let text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    assert_eq!(probe_in_vain(https("/"), server.port).await, failure(server.port, text));

    let server = secure(speaking(&["h2"]), |stream| {
        serve_h2(stream, |_| async {
            // A body that never has any data.
            let never = tokio_stream::pending::<Result<hyper::body::Frame<Bytes>, io::Error>>();
            Response::new(http_body_util::StreamBody::new(never))
        })
    })
    .await;
    let text =
        "context deadline exceeded (Client.Timeout or context cancellation while reading body)";
    assert_eq!(probe_in_vain(https("/"), server.port).await, Outcome::Failure(text.into()));
}

async fn hang<B>() -> Response<B> {
    std::future::pending().await
}

#[tokio::test]
async fn http_decides_on_an_end_without_close_notify() {
    for (said, wanted) in [
        ("HTTP/1.0 200 OK\r\n\r\nwhole", Outcome::Success("whole".into())),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
            Outcome::Error("unexpected EOF".into()),
        ),
        ("HTTP/1.1 200 OK\r\n", Outcome::Failure("EOF".into())),
    ] {
        // The stream is dropped without `close_notify`.
        let server = secure(speaking(&[]), move |stream| say(stream, said)).await;
        let wanted = match wanted {
            Outcome::Failure(text) => failure(server.port, &text),
            wanted => wanted,
        };
        assert_eq!(probe(https("/"), server.port).await, wanted, "{said}");
    }
}

#[tokio::test]
async fn a_server_without_tls_has_gos_texts() {
    let server = Server::raw(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
    })
    .await;
    let text = "http: server gave HTTP response to HTTPS client";
    assert_eq!(probe(https("/"), server.port).await, failure(server.port, text));

    let server = Server::raw(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        drop(stream.write_all(b"220 mail.example ESMTP\r\n").await);
    })
    .await;
    let text = "tls: first record does not look like a TLS handshake";
    assert_eq!(probe(https("/"), server.port).await, failure(server.port, text));

    let server = Server::raw(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    assert_eq!(probe(https("/"), server.port).await, failure(server.port, "EOF"));

    let server = Server::raw(|stream| async move { stream.set_zero_linger().unwrap() }).await;
    let outcome = probe(https("/"), server.port).await;
    let text = outcome.output();
    let end = format!("->127.0.0.1:{}: read: connection reset by peer", server.port);
    assert!(text.contains("\": read tcp 127.0.0.1:") && text.ends_with(&end), "{text}");

    let (_v4, _v6, port) = refusing();
    let text = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
    assert_eq!(probe(https("/"), port).await, failure(port, &text));
}

#[tokio::test]
async fn a_handshake_that_is_never_answered_runs_into_the_timeout() {
    let server = Server::raw(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let text = "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)";
    assert_eq!(probe_in_vain(https("/"), server.port).await, failure(server.port, text));
}

#[tokio::test]
async fn alerts_read_as_gos() {
    let server = secure(speaking(&["ftp"]), |_| async {}).await;
    let text = "remote error: tls: no application protocol";
    assert_eq!(probe(https("/"), server.port).await, failure(server.port, text));

    // With TLS 1.3, the alert about a missing client certificate comes after the handshake.
    let (certificate, key) = certificate();
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    let text = "remote error: tls: certificate required";
    for alpn in ["h2", "http/1.1"] {
        let mut config = config.clone();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let server = secure(config, |_| async {}).await;
        assert_eq!(probe(https("/"), server.port).await, failure(server.port, text), "{alpn}");
    }
    assert_eq!(alert_text(AlertDescription::Unknown(200)), "alert(200)");
}

#[tokio::test]
async fn plain_http_to_a_tls_port_is_a_failure() {
    let server = secure(speaking(&[]), |_| async {}).await;
    let outcome = probe(Handler::HttpGet(get("/")), server.port).await;
    assert!(
        matches!(&outcome, Outcome::Failure(text) if text.contains("malformed HTTP response")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn redirects_cross_schemes() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = heads.clone();
    let plain = Server::new(move |_, mut stream, head| {
        seen.lock().unwrap().push(head);
        async move { drop(stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nplain").await) }
    })
    .await;
    let back = format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{}/b\r\n\r\n", plain.port);
    let secret = secure(speaking(&[]), move |stream| {
        let back = back.clone();
        async move { say(stream, &back).await }
    })
    .await;
    let there =
        format!("HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:{}/a\r\n\r\n", secret.port);
    let first = Server::saying(there).await;
    let outcome = probe(Handler::HttpGet(get("/")), first.port).await;
    assert_eq!(outcome, Outcome::Success("plain".into()));
    let heads = heads.lock().unwrap();
    assert!(!heads[0].contains("Referer"), "an https URL was told: {heads:?}");
}

#[tokio::test]
async fn https_reaches_ipv6_and_the_fallback() {
    for host in [None, Some("::1".to_owned()), Some("[::1]".to_owned())] {
        let listener = tokio::net::TcpListener::bind("[::1]:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err());
        let acceptor = TlsAcceptor::from(Arc::new(speaking(&[])));
        let serve = async {
            let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
            say(stream, "HTTP/1.1 204 Fine\r\n\r\n").await;
        };
        let get = HttpGet { scheme: Scheme::Https, host, ..get("/") };
        let (outcome, ()) = tokio::join!(probe(Handler::HttpGet(get), port), serve);
        assert_eq!(outcome, Outcome::Success(String::new()));
    }
}
