//! Certificates of clients over TCP: a trusted root has signed them, with the extended key usage
//! `clientAuth`. Without that usage the owner of any server's certificate of the same root would be
//! root of the host.

use std::cell::Cell;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::WebPkiSupportedAlgorithms;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage};

/// The object identifier 1.3.6.1.5.5.7.3.2, `id-kp-clientAuth`, in DER.
const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

#[derive(Debug)]
pub struct ClientAuth {
    chain: Arc<dyn ClientCertVerifier>,
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientAuth {
    /// Each client has to show a certificate.
    pub fn new(
        roots: RootCertStore,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Result<Self, VerifierBuilderError> {
        let roots = Arc::new(roots);
        let chain = WebPkiClientVerifier::builder(roots.clone()).build()?;
        Ok(Self { chain, roots, algorithms })
    }

    /// A client may show no certificate; one that is shown is verified.
    pub fn optional(
        roots: RootCertStore,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Result<Self, VerifierBuilderError> {
        let roots = Arc::new(roots);
        let chain = WebPkiClientVerifier::builder(roots.clone()).allow_unauthenticated().build()?;
        Ok(Self { chain, roots, algorithms })
    }
}

/// Requires the usage in the first certificate, which is the client's. Authorities need no usage; the
/// usages that they have are checked with the chain.
struct FirstCertificateUsage {
    usage: KeyUsage,
    is_checked: Cell<bool>,
}

impl ExtendedKeyUsageValidator for FirstCertificateUsage {
    fn validate(&self, usages: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        if self.is_checked.replace(true) { Ok(()) } else { self.usage.validate(usages) }
    }
}

impl ClientCertVerifier for ClientAuth {
    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(certificate, intermediates, now)?;
        // rustls' own check passes a certificate that names no usage at all.
        let usage = FirstCertificateUsage {
            usage: KeyUsage::required(CLIENT_AUTH),
            is_checked: Cell::new(false),
        };
        EndEntityCert::try_from(certificate)
            .and_then(|certificate| {
                let (algorithms, roots) = (self.algorithms.all, &self.roots.roots);
                certificate
                    .verify_for_usage(algorithms, roots, intermediates, now, usage, None, None)
                    .map(drop)
            })
            .map_err(|error| match error {
                webpki::Error::RequiredEkuNotFoundContext(_) => {
                    Error::InvalidCertificate(CertificateError::InvalidPurpose)
                }
                error => Error::General(error.to_string()),
            })?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
