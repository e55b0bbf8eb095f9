//! Connections to registries: TLS, and the proxies that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tower::Service;

use probelet_prober::Anyone;

pub type Connector = HttpsConnector<Route>;

/// The TLS configuration: trusts the host's certificates and `extra`, or any server if `verify` is
/// false. Fails if a certificate of `extra` is invalid.
pub fn tls(
    extra: &[CertificateDer<'static>],
    verify: bool,
) -> Result<ClientConfig, tokio_rustls::rustls::Error> {
    if !verify {
        let config = ClientConfig::builder().dangerous();
        let config = config.with_custom_certificate_verifier(Arc::new(Anyone));
        return Ok(config.with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    let host = rustls_native_certs::load_native_certs();
    for error in &host.errors {
        tracing::debug!(%error, "a certificate of the host cannot be read");
    }
    roots.add_parsable_certificates(host.certs);
    for certificate in extra {
        roots.add(certificate.clone())?;
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// The connector for HTTP and HTTPS. `timeout` bounds the opening of each TCP connection.
pub fn connector(tls: ClientConfig, proxies: Arc<Matcher>, timeout: Duration) -> Connector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(timeout));
    let https = |tls: ClientConfig| {
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1()
    };
    let proxy = https(tls.clone()).wrap_connector(tcp.clone());
    https(tls).wrap_connector(Route { tcp, proxy, proxies })
}

/// Opens the unencrypted connection to a server, directly or through a proxy.
#[derive(Debug, Clone)]
pub struct Route {
    tcp: HttpConnector,
    /// Connects to proxies, which may use TLS themselves.
    proxy: HttpsConnector<HttpConnector>,
    proxies: Arc<Matcher>,
}

type BoxError = Box<dyn Error + Send + Sync>;

impl Service<Uri> for Route {
    type Response = Routed;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Routed, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // The inner connectors are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.intercept(&server) else {
            let connecting = self.tcp.call(server);
            return Box::pin(async {
                Ok(Routed { stream: connecting.await?.into(), forwards: false })
            });
        };
        if server.scheme() == Some(&Scheme::HTTPS) {
            let mut tunnel = Tunnel::new(proxy.uri().clone(), self.proxy.clone());
            if let Some(login) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(login.clone());
            }
            let connecting = tunnel.call(server);
            return Box::pin(async { Ok(Routed { stream: connecting.await?, forwards: false }) });
        }
        let connecting = self.proxy.call(proxy.uri().clone());
        Box::pin(async { Ok(Routed { stream: connecting.await?, forwards: true }) })
    }
}

pub struct Routed {
    stream: MaybeHttpsStream<TokioIo<TcpStream>>,
    /// Whether the peer is a proxy that forwards plain HTTP. Requests to it have absolute URLs.
    forwards: bool,
}

impl Connection for Routed {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.forwards)
    }
}

impl Read for Routed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for Routed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
