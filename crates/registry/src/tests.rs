//! Registries that misbehave, over real connections.

use std::sync::atomic::AtomicUsize;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

const STALL: Duration = Duration::from_secs(60);
const LOGIN: &str = "authorization: basic dtpw";

/// The answer to a request, and an optional second part that is repeated without end. If the second
/// part is empty, the server closes the connection without announcing it.
type Script = dyn Fn(&str) -> (String, Option<String>) + Send + Sync;

/// A server that ends when it is dropped.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
    /// The bytes of the endless part that clients have accepted.
    sent: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(
        tls: Option<TlsAcceptor>,
        script: impl Fn(&str) -> (String, Option<String>) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (requests, sent) =
            (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let script: Arc<Script> = Arc::new(script);
        let mut tasks = JoinSet::new();
        let (heard, count) = (requests.clone(), sent.clone());
        tasks.spawn(async move {
            let mut talks = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, heard, count) = (script.clone(), heard.clone(), count.clone());
                let tls = tls.clone();
                talks.spawn(async move {
                    match tls {
                        None => talk(stream, &*script, &heard, &count).await,
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            talk(stream, &*script, &heard, &count).await;
                        }
                    }
                });
            }
        });
        Self { address, requests, sent, _tasks: tasks }
    }

    /// The requests so far, in lower case.
    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: &Script,
    heard: &Mutex<Vec<String>>,
    sent: &AtomicUsize,
) {
    let mut buffer = Vec::new();
    loop {
        while !buffer.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => buffer.push(byte),
                Err(_) => return,
            }
        }
        let request = String::from_utf8_lossy(&buffer).to_lowercase();
        buffer.clear();
        heard.lock().unwrap().push(request.clone());
        let (head, for_ever) = script(&request);
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
        if let Some(part) = for_ever {
            if part.is_empty() {
                return;
            }
            let part = part.repeat(1 + 4096 / part.len());
            while stream.write_all(part.as_bytes()).await.is_ok() {
                sent.fetch_add(part.len(), Relaxed);
            }
            return;
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn challenge(realm: &str) -> String {
    answer("401 Unauthorized", &format!("WWW-Authenticate: Bearer realm=\"{realm}\"\r\n"), "")
}

/// The origin of `ADDRESS/some/app:1`, with the login `u:p` for each registry.
async fn origin(address: &str, realms: &[&str], hosts: &str) -> (Origin, tempfile::TempDir) {
    install_tls();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    let login = r#"{"username": "u", "password": "p"}"#;
    std::fs::write(&config, format!(r#"{{"auths": {{"{address}": {login}}}}}"#)).unwrap();
    if !hosts.is_empty() {
        let of_host = folder.path().join(address);
        std::fs::create_dir_all(&of_host).unwrap();
        std::fs::write(of_host.join("hosts.toml"), hosts).unwrap();
    }
    let registries = Registries {
        hosts_dir: folder.path().to_owned(),
        config,
        realms: realms.iter().map(|realm| realm.parse().unwrap()).collect(),
        stall: STALL,
    };
    let reference = Reference::parse(&format!("{address}/some/app:1")).unwrap();
    (registries.origin(&reference, &[]).await.unwrap(), folder)
}

/// The error of a manifest request to a server without TLS, which must not be a timeout.
async fn refused(
    script: impl Fn(&str) -> (String, Option<String>) + Send + Sync + 'static,
) -> (String, Server) {
    let server = Server::start(None, script).await;
    let (origin, _folder) = origin(&server.address, &[], "").await;
    let error = origin.manifest(None).await.unwrap_err();
    assert!(!error.to_string().contains("no data arrived within"), "{error}");
    (error.to_string(), server)
}

#[tokio::test]
async fn no_answer_is_read_beyond_its_bound() {
    let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
    let chunk = chunk.as_str();
    let chunked = |status: &str| format!("HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let endless = |head: String, part: &str| {
        let part = part.to_owned();
        move |_: &str| (head.clone(), Some(part.clone()))
    };
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_owned();
    let attempts = [
        ("a manifest", refused(endless(chunked("200 OK"), chunk)).await, "more than 4194304 bytes"),
        ("its length", refused(endless(length, chunk)).await, "more than 4194304 bytes"),
        ("an error", refused(endless(chunked("404 Not Found"), chunk)).await, "status 404"),
        ("a failure", refused(endless(chunked("500 Oh No"), chunk)).await, "status 500"),
        ("a head", refused(endless("HTTP/1.1 200 OK\r\n".into(), "a: b\r\n")).await, ""),
        ("a header", refused(endless("HTTP/1.1 200 OK\r\na: ".into(), "b")).await, ""),
        ("a status", refused(endless("HTTP/1.1 200 ".into(), "b")).await, ""),
        (
            "informational answers",
            refused(endless(String::new(), "HTTP/1.1 103 Early Hints\r\n\r\n")).await,
            "too many informational answers",
        ),
        ("trailers", refused(endless(chunked("200 OK") + "0\r\n", "a: b\r\n")).await, ""),
        ("extensions", refused(endless(chunked("200 OK") + "1;", "a=b;")).await, ""),
    ];
    for (what, (error, server), expected) in attempts {
        assert!(error.contains(expected), "{what}: {error}");
        assert!(error.len() < 4096, "{what}: {} bytes", error.len());
        // The limit is generous, because the sockets buffer some of it.
        let sent = server.sent.load(Relaxed);
        assert!(sent < 64 << 20, "{what}: {sent} bytes were taken");
    }
}

#[tokio::test]
async fn a_request_on_a_closed_connection_is_sent_again() {
    let server = Server::start(None, |request| {
        let knows = request.contains(LOGIN);
        let basic = "WWW-Authenticate: Basic realm=\"r\"\r\n";
        let said = if knows { answer("200 OK", "", "{}") } else { answer("401 No", basic, "") };
        (said, Some(String::new()))
    })
    .await;
    // It is a race whether the client notices the close before its next request.
    for _ in 0..100 {
        let (origin, _folder) = origin(&server.address, &[], "").await;
        assert_eq!(origin.manifest(None).await.unwrap(), "{}");
    }
}

#[tokio::test]
async fn token_answers_and_redirects_are_bounded() {
    let (error, _) = refused(|request| {
        if request.starts_with("get /token") {
            return ("HTTP/1.1 200 OK\r\n\r\n".to_owned(), Some("x".to_owned()));
        }
        let host = request.split("host: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        (challenge(&format!("http://{host}/token")), None)
    })
    .await;
    assert!(error.contains("more than 262144 bytes"), "{error}");

    let (error, server) =
        refused(|_| (answer("307 Away", "Location: /v2/again\r\n", ""), None)).await;
    assert!(error.contains("more than 10 redirects"), "{error}");
    assert_eq!(server.requests().len(), 11);
}

#[tokio::test]
async fn a_login_is_not_sent_to_a_foreign_realm_unless_it_is_configured() {
    let realm = Server::start(None, |_| (answer("200 OK", "", r#"{"token": "t"}"#), None)).await;
    let asks_for = format!("http://{}/token", realm.address);
    let registry = Server::start(None, move |request| {
        let knows = request.contains("authorization: bearer t\r\n");
        (if knows { answer("200 OK", "", "{}") } else { challenge(&asks_for) }, None)
    })
    .await;
    let (foreign, _folder) = origin(&registry.address, &[], "").await;
    let error = foreign.manifest(None).await.unwrap_err().to_string();
    let hint = format!("--registry-realm {}=http://{}", registry.address, realm.address);
    assert!(error.contains(&hint), "{error}");
    assert_eq!(realm.requests(), [""; 0]);
    assert!(registry.requests().iter().all(|request| !request.contains("authorization")));

    let configured = format!("{}=http://{}", registry.address, realm.address);
    let (known, _folder) = origin(&registry.address, &[&configured], "").await;
    assert_eq!(known.manifest(None).await.unwrap(), "{}");
    assert!(realm.requests()[0].contains(LOGIN), "{:?}", realm.requests());
    assert!(registry.requests().iter().all(|request| !request.contains(LOGIN)));
}

#[tokio::test]
async fn a_redirect_to_another_host_gets_no_login_and_no_token() {
    let storage = Server::start(None, |_| (answer("200 OK", "", "{}"), None)).await;
    for basic in [true, false] {
        let to = format!("Location: http://u:p@{}/blob?signed\r\n", storage.address);
        let registry = Server::start(None, move |request| {
            let host = request.split("host: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
            let said = if request.starts_with("get /token") {
                answer("200 OK", "", r#"{"token": "t"}"#)
            } else if request.contains("authorization: ") {
                answer("307 Away", &to, "")
            } else if basic {
                answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", "")
            } else {
                challenge(&format!("http://{host}/token"))
            };
            (said, None)
        })
        .await;
        let (origin, _folder) = origin(&registry.address, &[], "").await;
        assert_eq!(origin.manifest(None).await.unwrap(), "{}");
        let mut blob = origin.blob("sha256:00", 0).await.unwrap();
        assert_eq!(blob.next().await.unwrap().unwrap(), "{}");
        let header = if basic { LOGIN } else { "authorization: bearer t" };
        assert!(registry.requests().iter().any(|request| request.contains(header)));
    }
    let requests = storage.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|request| !request.contains("authorization")), "{requests:?}");
}

/// A server with TLS, and the text of a hosts.toml that trusts it.
async fn encrypted(
    script: impl Fn(&str) -> (String, Option<String>) + Send + Sync + 'static,
) -> (Server, String) {
    install_tls();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let (_, path) = file.keep().unwrap();
    let der = STANDARD.encode(made.cert.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n");
    std::fs::write(&path, pem).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![made.cert.der().clone()];
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let server = Server::start(Some(acceptor), script).await;
    let hosts = format!("server = \"https://{}\"\nca = {path:?}\n", server.address);
    (server, hosts)
}

#[tokio::test]
async fn a_login_is_never_sent_from_https_to_http() {
    let open = Server::start(None, |_| (answer("200 OK", "", "{}"), None)).await;
    // The plain host as realm, although it is configured.
    let realm = format!("http://{}/token", open.address);
    let (registry, hosts) = encrypted(move |_| (challenge(&realm), None)).await;
    let configured = format!("{}=http://{}", registry.address, open.address);
    let (asked, _folder) = origin(&registry.address, &[&configured], &hosts).await;
    let error = asked.manifest(None).await.unwrap_err().to_string();
    assert!(error.contains("wants its login sent to http://"), "{error}");
    assert_eq!(open.requests(), [""; 0]);

    // The plain host as target of a redirect: it is not followed for a tag, and for a blob it gets
    // no login.
    let to = format!("Location: http://{}/x\r\n", open.address);
    let (registry, hosts) = encrypted(move |request| {
        let basic = "WWW-Authenticate: Basic realm=\"r\"\r\n";
        let knows = request.contains(LOGIN);
        let said = if knows { answer("307 Away", &to, "") } else { answer("401 No", basic, "") };
        (said, None)
    })
    .await;
    let (asked, _folder) = origin(&registry.address, &[], &hosts).await;
    let error = asked.manifest(None).await.unwrap_err().to_string();
    assert!(error.contains("is not followed"), "{error}");
    assert_eq!(open.requests(), [""; 0]);
    let mut blob = asked.blob("sha256:00", 0).await.unwrap();
    assert_eq!(blob.next().await.unwrap().unwrap(), "{}");
    assert!(registry.requests().iter().any(|request| request.contains(LOGIN)));
    let requests = open.requests();
    assert!(requests.len() == 1 && !requests[0].contains("authorization"), "{requests:?}");
}

#[tokio::test]
async fn a_manifest_by_digest_is_compared_with_it() {
    let server = Server::start(None, |_| (answer("200 OK", "", "{}"), None)).await;
    let (origin, _folder) = origin(&server.address, &[], "").await;
    // printf '{}' | sha256sum
    let right = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(origin.manifest(Some(right)).await.unwrap(), "{}");
    let wrong = right.replace('4', "5");
    let error = origin.manifest(Some(&wrong)).await.unwrap_err();
    assert!(error.to_string().contains("its digest is not sha256:55"), "{error}");
}
