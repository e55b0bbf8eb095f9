//! Logs, watches and commands by a WebSocket client that is not kubectl, and what one user may keep
//! open.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::Kube;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const LONG: Duration = Duration::from_secs(30);

/// A host with a pod, and a client of its API with a bearer token.
struct Client {
    kube: Kube,
    tls: TlsConnector,
    address: String,
    token: String,
}

impl Client {
    fn start() -> Result<Self> {
        let kube = Kube::start()?;
        kube.host.busybox_image(&json!({}))?;
        let script = "echo container is alive; trap 'exit 0' TERM; while :; do sleep 0.1; done";
        let run = ["run", "web", "--image", BUSYBOX_IMAGE, "--command", "--", "sh", "-c", script];
        kube.kubectl(&run)?;
        kube.kubectl(&["wait", "--for=condition=Ready", "pod/web", "--timeout=30s"])?;
        let config = kube.host.path("token");
        std::fs::write(
            &config,
            kube.host.probelet(["kubeconfig", "--name", "bearer", "--token"])?,
        )?;
        let view = ["config", "view", "--raw", "-o", "json"];
        let view: Value = serde_json::from_str(&kube.as_user(&config, &view, "")?.stdout)?;
        let token = view["users"][0]["user"]["token"].as_str().context("no token")?.to_owned();
        let server = view["clusters"][0]["cluster"]["server"].as_str().context("no server")?;
        let address = server.strip_prefix("https://").context("not https")?.to_owned();
        let authority = ["get", "cm", "kube-root-ca.crt", "-o", r"jsonpath={.data.ca\.crt}"];
        let authority = kube.kubectl(&authority)?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { kube, tls: TlsConnector::from(Arc::new(config)), address, token })
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        let (host, _) = self.address.rsplit_once(':').context("no port")?;
        let name = ServerName::try_from(host.to_owned())?;
        let stream = TcpStream::connect(&self.address).await?;
        Ok(self.tls.connect(name, stream).await?)
    }

    async fn open(
        &self,
        path: &str,
        protocol: &str,
    ) -> Result<WebSocketStream<TlsStream<TcpStream>>> {
        let mut request = format!("wss://{}{path}", self.address).into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Bearer {}", self.token).parse()?);
        headers.insert("sec-websocket-protocol", protocol.parse()?);
        let opened = tokio_tungstenite::client_async(request, self.connect().await?).await;
        let (socket, response) = opened?;
        let chosen = response.headers().get("sec-websocket-protocol");
        ensure!(chosen.is_some_and(|it| it == protocol), "{chosen:?}");
        Ok(socket)
    }

    /// The messages until the server closes the connection.
    async fn messages(&self, path: &str, protocol: &str) -> Result<Vec<Message>> {
        let mut socket = self.open(path, protocol).await?;
        let mut messages = Vec::new();
        let reading = async {
            while let Some(message) = socket.next().await {
                match message? {
                    Message::Close(_) => {}
                    Message::Ping(_) | Message::Pong(_) => {}
                    message => messages.push(message),
                }
            }
            anyhow::Ok(())
        };
        timeout(LONG, reading).await.context("the stream does not end")??;
        Ok(messages)
    }
}

fn run<F: Future<Output = Result<()>>>(test: F) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test)
}

const POD: &str = "/api/v1/namespaces/default/pods/web";

#[test]
fn logs_watches_and_commands_are_read_by_a_plain_client() -> Result<()> {
    let client = Client::start()?;
    run(async {
        let log = format!("{POD}/log?container=web");
        let parts = client.messages(&log, "binary.k8s.io").await?;
        let text: Vec<u8> = parts.iter().flat_map(|part| part.clone().into_data()).collect();
        ensure!(text == b"container is alive\n", "{}", String::from_utf8_lossy(&text));
        // Only the first version of the channels has no status at the end.
        let exec =
            format!("{POD}/exec?command=echo&command=remote&stdout=1&stderr=1&container=web");
        let parts = client.messages(&exec, "channel.k8s.io").await?;
        let data: Vec<_> = parts.iter().map(|part| part.clone().into_data()).collect();
        ensure!(data.iter().all(|part| part.len() <= 1 || part[0] == 1), "{data:?}");
        let output: Vec<u8> = data.iter().flat_map(|part| part.iter().skip(1).copied()).collect();
        ensure!(output == b"remote\n", "{output:?}");
        let watch = "/api/v1/namespaces/default/pods?watch=true&resourceVersion=0";
        let mut watch = client.open(watch, "base64.binary.k8s.io").await?;
        let first = next(&mut watch).await?;
        ensure!(first["type"] == "ADDED" && first["object"]["metadata"]["name"] == "web");
        client.kube.kubectl(&["label", "pod", "web", "a=b"])?;
        let second = next(&mut watch).await?;
        ensure!(second["object"]["metadata"]["labels"]["a"] == "b", "{second}");
        // Logs that stay open take no slots of commands.
        let follow = format!("{POD}/log?follow=true");
        let mut logs = Vec::new();
        for _ in 0..65 {
            logs.push(client.open(&follow, "binary.k8s.io").await?);
        }
        let done = client.kube.kubectl(&["exec", "web", "--", "echo", "here"])?;
        ensure!(done == "here\n", "{done}");
        Ok(())
    })
}

async fn next(socket: &mut WebSocketStream<TlsStream<TcpStream>>) -> Result<Value> {
    loop {
        let message = timeout(LONG, socket.next()).await?.context("the watch has ended")??;
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).with_context(|| text.to_string());
        }
    }
}

/// Requests whose bodies do not arrive are in progress.
#[test]
fn a_user_with_many_requests_waits_and_others_do_not() -> Result<()> {
    let client = Client::start()?;
    run(async {
        let (host, token) = (&client.address, &client.token);
        let head = |first: &str, length: usize| {
            format!(
                "{first} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
                 Content-Length: {length}\r\n\r\n"
            )
        };
        let mut held = Vec::new();
        for _ in 0..32 {
            let mut stream = client.connect().await?;
            let post = head("POST /api/v1/namespaces/default/configmaps", 100);
            stream.write_all(post.as_bytes()).await?;
            stream.flush().await?;
            held.push(stream);
        }
        let refused = async {
            loop {
                let mut stream = client.connect().await?;
                stream.write_all(head(&format!("GET {POD}"), 0).as_bytes()).await?;
                let mut answer = vec![0; 4096];
                let length = stream.read(&mut answer).await?;
                let answer = String::from_utf8_lossy(&answer[..length]).to_lowercase();
                if answer.starts_with("http/1.1 429") {
                    return anyhow::Ok(answer);
                }
                // The server may still be reading the heads.
                ensure!(answer.starts_with("http/1.1 200"), "{answer}");
            }
        };
        let refused = timeout(LONG, refused).await.context("no request is refused")??;
        ensure!(refused.contains("retry-after: 1"), "{refused}");
        ensure!(client.kube.kubectl(&["get", "pod", "web", "-o", "name"])? == "pod/web\n");
        drop(held);
        Ok(())
    })
}
