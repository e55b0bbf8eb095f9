//! Servers that answer badly, over real connections.

use std::path::Path;
use std::sync::{Arc, Mutex};

use probelet_host::trusted;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::ring};

use crate::{ApiError, Body, Client, Identity, Method};

/// A server that sends `answer` to each request and then waits; it requires a client's certificate.
struct Server {
    folder: TempDir,
    requests: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

impl Server {
    async fn start(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        // The kubeconfig must be in a folder that only root can write to, which `/tmp` is in effect.
        let folder = tempfile::tempdir().unwrap();
        trusted::check(folder.path()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap();
        write(folder.path(), "ca.pem", &root.pem());
        let issuer = Issuer::new(params, key);
        for (name, host) in [("server", "api.example"), ("client", "node")] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            write(folder.path(), &format!("{name}.pem"), &certificate.pem());
            write(folder.path(), &format!("{name}.key"), &key.serialize_pem());
        }
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let chain = CertificateDer::pem_file_iter(folder.path().join("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.path().join("server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let user = "client-certificate: client.pem, client-key: client.key";
        write(folder.path(), "config", &config_of(port, user));
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let heard = requests.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut open = Vec::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut bytes = vec![0; 4096];
                let Ok(read) = stream.read(&mut bytes).await else { continue };
                heard.lock().unwrap().push(String::from_utf8_lossy(&bytes[..read]).into_owned());
                let _ = stream.write_all(&answer).await;
                let _ = stream.flush().await;
                open.push(stream);
            }
        });
        Self { folder, requests, _task: task }
    }

    fn identity(&self) -> Identity {
        Identity::read(&self.folder.path().join("config")).unwrap()
    }

    fn client(&self) -> Client {
        Client::new(self.identity()).unwrap()
    }
}

fn config_of(port: u16, user: &str) -> String {
    let cluster = format!(
        "server: 'https://127.0.0.1:{port}', certificate-authority: ca.pem, \
         tls-server-name: api.example"
    );
    format!(
        "current-context: x\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
    )
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_request_has_the_certificate_and_its_body() {
    let server = Server::start(answer("200 OK", r#"{"kind":"Node"}"#)).await;
    let object = json!({"a": 1});
    let body = Some(Body::StrategicPatch(&object));
    let node = server.client().send(Method::PATCH, "/api/v1/nodes/a?x=1", body).await.unwrap();
    assert_eq!(node, json!({"kind": "Node"}));
    let heard = server.requests.lock().unwrap().join("");
    assert!(heard.starts_with("PATCH /api/v1/nodes/a?x=1 HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains("content-type: application/strategic-merge-patch+json"), "{heard}");
    assert!(heard.ends_with(r#"{"a":1}"#), "{heard}");
}

#[tokio::test]
async fn each_answer_is_an_error_of_its_kind() {
    for (status, is_it) in [
        ("401 Unauthorized", (|e| matches!(e, ApiError::Unauthorized(_))) as fn(&ApiError) -> bool),
        ("403 Forbidden", |e| matches!(e, ApiError::Forbidden(text) if text == "why")),
        ("404 Not Found", |e| matches!(e, ApiError::NotFound(_))),
        ("409 Conflict", |e| matches!(e, ApiError::Conflict(_))),
        ("410 Gone", |e| matches!(e, ApiError::Gone(_))),
        ("422 Unprocessable Entity", |e| matches!(e, ApiError::Refused { code: 422, .. })),
        ("429 Too Many Requests", ApiError::is_away),
        ("503 Service Unavailable", ApiError::is_away),
        // A redirect is not followed.
        ("302 Found", |e| matches!(e, ApiError::Refused { code: 302, .. })),
    ] {
        let server = Server::start(answer(status, r#"{"message":"why"}"#)).await;
        let error = server.client().send(Method::GET, "/", None).await.unwrap_err();
        assert!(is_it(&error), "{status}: {error:?}");
        let error = server.client().watch("/").await.unwrap_err();
        assert!(is_it(&error), "{status}: {error:?}");
    }
    let server = Server::start(answer("200 OK", "<html>")).await;
    let error = server.client().send(Method::GET, "/", None).await.unwrap_err();
    assert!(matches!(error, ApiError::Unusable(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_has_a_limit_and_a_deadline() {
    let huge = answer("200 OK", &" ".repeat((16 << 20) + 1));
    let server = Server::start(huge).await;
    let error = server.client().send(Method::GET, "/", None).await.unwrap_err();
    assert_eq!(error, ApiError::Unusable("more than 16777216 bytes".to_owned()));
    let silent = Server::start("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{").await;
    let client = silent.client();
    let error = client.send(Method::GET, "/", None).await.unwrap_err();
    assert_eq!(error, ApiError::Away("no answer within 10 s".to_owned()));
}

#[tokio::test]
async fn a_watch_has_lines_and_an_end() {
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    // An event may come in parts, and several of them together.
    let text = [chunk("{\"a\":"), chunk("1}\n\n{\"b\":2}\n{"), chunk("}\n"), chunk("")].concat();
    let server = Server::start(format!("{head}{text}")).await;
    let mut watch = server.client().watch("/").await.unwrap();
    let mut lines = Vec::new();
    while let Some(line) = watch.next().await {
        lines.push(String::from_utf8(line.unwrap().to_vec()).unwrap());
    }
    assert_eq!(lines, ["{\"a\":1}", "{\"b\":2}", "{}"]);
    // A line without an end is not kept for ever.
    let long = chunk(&"x".repeat((4 << 20) + 1));
    let server = Server::start(format!("{head}{long}")).await;
    let mut watch = server.client().watch("/").await.unwrap();
    let error = watch.next().await.unwrap().unwrap_err();
    assert_eq!(error, ApiError::Unusable("an event of more than 4194304 bytes".to_owned()));
    // A watch that breaks is an error, not an end.
    let server = Server::start("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n").await;
    let mut watch = server.client().watch("/").await.unwrap();
    assert!(matches!(watch.next().await, Some(Err(ApiError::Away(_)))));
}

#[tokio::test]
async fn only_the_authority_of_the_kubeconfig_is_trusted() {
    let server = Server::start(answer("200 OK", "{}")).await;
    let other = Server::start(answer("200 OK", "{}")).await;
    std::fs::copy(other.folder.path().join("ca.pem"), server.folder.path().join("ca.pem")).unwrap();
    let error = server.client().send(Method::GET, "/", None).await.unwrap_err();
    assert!(matches!(&error, ApiError::Away(text) if text.contains("certificate")), "{error:?}");
}

#[tokio::test]
async fn an_identity_is_another_one_when_a_file_changes() {
    let server = Server::start(answer("200 OK", "{}")).await;
    let folder = server.folder.path();
    let first = server.identity().digest();
    assert_eq!(server.identity().digest(), first);
    write(folder, "token", "abc\n");
    write(folder, "config", &config_of(1, "tokenFile: token"));
    let with_token = server.identity();
    assert_eq!(with_token.token.as_deref(), Some("abc"));
    write(folder, "token", "abd\n");
    assert_ne!(server.identity().digest(), with_token.digest());
    assert!(!format!("{:?}", server.identity()).contains("abd"));
    write(folder, "token", "a\nb");
    assert!(Client::new(server.identity()).is_err());
    // A key that any user could replace decides what runs as root.
    use std::os::unix::fs::PermissionsExt;
    let open = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(folder.join("token"), open).unwrap();
    let error = Identity::read(&folder.join("config")).unwrap_err().to_string();
    assert!(error.contains("writable by everyone"), "{error}");
}
