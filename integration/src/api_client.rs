//! A client of the Kubernetes API that costs little itself: one connection, HTTP/1.1 over TLS. For
//! measurements; the tests use real clients.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The address of the API, and the credential for it.
#[derive(Clone)]
pub struct Access {
    address: String,
    token: String,
    tls: TlsConnector,
}

impl Access {
    /// Reads the output of `probelet kubeconfig --token`.
    pub fn from_kubeconfig(text: &str, address: &str) -> Result<Self> {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
            line.map(|value| value.trim().trim_matches('"')).with_context(|| format!("no {name}"))
        };
        let authority = STANDARD.decode(field("certificate-authority-data:")?)?;
        let authority = String::from_utf8(authority)?;
        let lines = authority.lines().filter(|line| !line.starts_with("-----"));
        let certificate = CertificateDer::from(STANDARD.decode(lines.collect::<String>())?);
        let mut roots = RootCertStore::empty();
        roots.add(certificate)?;
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(config));
        Ok(Self { address: address.to_owned(), token: field("token:")?.to_owned(), tls })
    }

    /// `HOST:PORT` of the API.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Opens a connection without HTTP, for bytes that no library sends.
    pub async fn open(&self) -> Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let (host, _) = self.address.rsplit_once(':').context("an address has a port")?;
        let name = ServerName::try_from(host.to_owned())?;
        Ok(self.tls.connect(name, stream).await?)
    }

    /// Opens a connection, which lives until it is dropped.
    pub async fn connect(&self) -> Result<Connection> {
        let stream = self.open().await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // The next request has the error.
            let _ = connection.await;
        });
        Ok(Connection { access: self.clone(), sender, _driver: driver })
    }
}

pub struct Connection {
    access: Access,
    sender: SendRequest<Full<Bytes>>,
    _driver: JoinSet<()>,
}

impl Connection {
    /// Sends a request and returns its successful answer, whose body is not read yet. `body` is
    /// the type of the content and the content.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        accept: &str,
        body: Option<(&str, String)>,
    ) -> Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.access.address)
            .header("accept", accept)
            .header("authorization", format!("Bearer {}", self.access.token));
        let content = match body {
            Some((kind, text)) => {
                request = request.header("content-type", kind);
                Bytes::from(text)
            }
            None => Bytes::new(),
        };
        let answer = self.sender.send_request(request.body(Full::new(content))?).await?;
        let status = answer.status();
        ensure!(status.is_success(), "{path}: {status}");
        Ok(answer)
    }
}

/// The next part of a streamed body; `None` at its end.
pub async fn next_part(body: &mut Incoming) -> Result<Option<Bytes>> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// The whole body.
pub async fn whole(mut body: Incoming) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(part) = next_part(&mut body).await? {
        all.extend_from_slice(&part);
    }
    Ok(all)
}
