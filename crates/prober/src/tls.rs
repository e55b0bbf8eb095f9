//! TLS connections of probes. As in the kubelet, the certificate is not verified, because a probe
//! checks whether the server answers, not its identity.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{ClientConfig, Resumption};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    AlertDescription, DigitallySignedStruct, Error, InvalidMessage, SignatureScheme, version,
};
use tokio_rustls::{TlsConnector, client};

use super::wire::{Stream, is_end};

/// Protocols that are offered inside TLS.
#[derive(Debug, Clone, Copy)]
pub enum Protocols {
    /// HTTP/2 if the server supports it, else HTTP/1.1.
    Http,
    /// HTTP/2 alone.
    Grpc,
}

static CONFIGS: LazyLock<Result<[Arc<ClientConfig>; 2], Error>> = LazyLock::new(|| {
    let provider = Arc::new(ring::default_provider());
    let mut http = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    // Each attempt makes a full handshake.
    http.resumption = Resumption::disabled();
    let mut grpc = http.clone();
    http.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    grpc.alpn_protocols = vec![b"h2".to_vec()];
    Ok([Arc::new(http), Arc::new(grpc)])
});

/// Makes the handshake with the server of a URL's `hostname`.
pub async fn connect<S: Stream>(
    stream: S,
    hostname: &str,
    peer: SocketAddr,
    protocols: Protocols,
) -> io::Result<Tls<S>> {
    let [http, grpc] = CONFIGS.as_ref().map_err(io::Error::other)?;
    let config = match protocols {
        Protocols::Http => http,
        Protocols::Grpc => grpc,
    };
    // An address is never sent as SNI. So a hostname that is not valid in TLS is replaced by the
    // address and not sent.
    let name = ServerName::try_from(hostname.to_owned())
        .unwrap_or_else(|_| ServerName::IpAddress(peer.ip().into()));
    TlsConnector::from(config.clone()).connect(name, stream).await.map(Tls).map_err(with_gos_text)
}

/// Returns an error that has only Go's text, because the HTTP/2 library passes on nothing else of
/// it.
fn with_gos_text(error: io::Error) -> io::Error {
    let text = match error.get_ref().and_then(|error| error.downcast_ref()) {
        None => return error,
        Some(Error::AlertReceived(alert)) => format!("remote error: tls: {}", alert_text(*alert)),
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "tls: first record does not look like a TLS handshake".to_owned()
        }
        Some(error) => format!("tls: {error}"),
    };
    io::Error::other(text)
}

#[derive(Debug)]
pub struct Tls<S>(client::TlsStream<S>);

impl<S> Tls<S> {
    pub fn is_h2(&self) -> bool {
        self.0.get_ref().1.alpn_protocol() == Some(b"h2")
    }
}

impl<S: Stream> AsyncRead for Tls<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.0).poll_read(context, buffer)) {
            // Many servers close without `close_notify`. HTTP decides whether the answer was
            // complete.
            Err(error) if is_end(&error) => Poll::Ready(Ok(())),
            done => Poll::Ready(done.map_err(with_gos_text)),
        }
    }
}

impl<S: Stream> AsyncWrite for Tls<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// Verifier that accepts every certificate and does not parse it: expired, self-signed, of another
/// name, or X.509 v1.
#[derive(Debug)]
pub struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        use SignatureScheme::*;
        vec![
            RSA_PSS_SHA256,
            ECDSA_NISTP256_SHA256,
            ED25519,
            RSA_PSS_SHA384,
            RSA_PSS_SHA512,
            RSA_PKCS1_SHA256,
            RSA_PKCS1_SHA384,
            RSA_PKCS1_SHA512,
            ECDSA_NISTP384_SHA384,
            ECDSA_NISTP521_SHA512,
            ED448,
            RSA_PKCS1_SHA1,
            ECDSA_SHA1_Legacy,
        ]
    }
}

/// Returns Go's text of an alert (`crypto/tls/alert.go`).
fn alert_text(alert: AlertDescription) -> String {
    use AlertDescription::*;
    let text = match alert {
        CloseNotify => "close notify",
        UnexpectedMessage => "unexpected message",
        BadRecordMac => "bad record MAC",
        DecryptionFailed => "decryption failed",
        RecordOverflow => "record overflow",
        DecompressionFailure => "decompression failure",
        HandshakeFailure => "handshake failure",
        BadCertificate => "bad certificate",
        UnsupportedCertificate => "unsupported certificate",
        CertificateRevoked => "revoked certificate",
        CertificateExpired => "expired certificate",
        CertificateUnknown => "unknown certificate",
        IllegalParameter => "illegal parameter",
        UnknownCA => "unknown certificate authority",
        AccessDenied => "access denied",
        DecodeError => "error decoding message",
        DecryptError => "error decrypting message",
        ExportRestriction => "export restriction",
        ProtocolVersion => "protocol version not supported",
        InsufficientSecurity => "insufficient security level",
        InternalError => "internal error",
        InappropriateFallback => "inappropriate fallback",
        UserCanceled => "user canceled",
        NoRenegotiation => "no renegotiation",
        MissingExtension => "missing extension",
        UnsupportedExtension => "unsupported extension",
        CertificateUnobtainable => "certificate unobtainable",
        UnrecognisedName => "unrecognized name",
        BadCertificateStatusResponse => "bad certificate status response",
        BadCertificateHashValue => "bad certificate hash value",
        UnknownPSKIdentity => "unknown PSK identity",
        CertificateRequired => "certificate required",
        NoApplicationProtocol => "no application protocol",
        EncryptedClientHelloRequired => "encrypted client hello required",
        other => return format!("alert({})", u8::from(other)),
    };
    text.to_owned()
}

#[cfg(test)]
pub mod tests;
