//! The authority with real files and real TLS handshakes.

use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::supervisor::now;

const HOUR: Duration = Duration::from_secs(3600);

fn listen() -> SocketAddr {
    "127.0.0.1:6443".parse().unwrap()
}

fn open(folder: &Path) -> Authority {
    Authority::open(folder, listen()).unwrap()
}

fn refused(folder: &Path) -> String {
    let error = Authority::open(folder, listen()).err().unwrap().to_string();
    error.replace(&folder.display().to_string(), "DIR")
}

fn grant(name: &str) -> Grant {
    Grant {
        name: name.to_owned(),
        role: Role::Admin,
        kind: CredentialKind::Certificate,
        ttl: HOUR,
        server: None,
    }
}

/// A kubeconfig file as a client reads it.
struct Kubeconfig(Value);

impl Kubeconfig {
    fn issue(authority: &Authority, grant: &Grant) -> Self {
        Self::issue_at(authority, grant, now().wall)
    }

    fn issue_at(authority: &Authority, grant: &Grant, now: SystemTime) -> Self {
        Self(serde_norway::from_str(&authority.issue(grant, now).unwrap()).unwrap())
    }

    fn text(&self, path: &str) -> Option<String> {
        Some(self.0.pointer(path)?.as_str().unwrap().to_owned())
    }

    fn data(&self, path: &str) -> Vec<u8> {
        STANDARD.decode(self.text(path).unwrap()).unwrap()
    }

    fn certificate(&self) -> CertificateDer<'static> {
        let pem = self.data("/users/0/user/client-certificate-data");
        CertificateDer::from_pem_slice(&pem).unwrap()
    }

    fn client(&self, shows_certificate: bool) -> ClientConfig {
        let authority = self.data("/clusters/0/cluster/certificate-authority-data");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&authority).unwrap()).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots);
        let mut client = if shows_certificate {
            let key = self.data("/users/0/user/client-key-data");
            let key = PrivateKeyDer::from_pem_slice(&key).unwrap();
            client.with_client_auth_cert(vec![self.certificate()], key).unwrap()
        } else {
            client.with_no_client_auth()
        };
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        client
    }
}

/// The certificate that the server has verified, or the server's error.
async fn handshake(
    server: &Authority,
    client: ClientConfig,
    name: &str,
) -> Result<Option<CertificateDer<'static>>, String> {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let acceptor = TlsAcceptor::from(server.server_config().unwrap());
    let connector = TlsConnector::from(Arc::new(client));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let (accepted, connected) =
        tokio::join!(acceptor.accept(ours), connector.connect(name, theirs));
    let accepted = accepted.map_err(|error| error.to_string())?;
    connected.map_err(|error| error.to_string())?;
    let session = accepted.get_ref().1;
    assert_eq!(session.alpn_protocol(), Some(b"http/1.1".as_slice()));
    Ok(session.peer_certificates().map(|shown| shown[0].clone().into_owned()))
}

#[tokio::test]
async fn a_kubeconfig_opens_a_connection_that_is_its_users() {
    let folder = tempfile::tempdir().unwrap();
    let authority = open(folder.path());
    let ann = Kubeconfig::issue(&authority, &Grant { role: Role::View, ..grant("ann") });
    assert_eq!(ann.text("/clusters/0/cluster/server").unwrap(), "https://127.0.0.1:6443");
    for name in ["127.0.0.1", "localhost", "::1"] {
        let shown = handshake(&authority, ann.client(true), name).await.unwrap().unwrap();
        let (holder, _) = authority.by_certificate(&shown, now().wall).unwrap();
        assert_eq!(holder, Holder { name: "ann".to_owned(), role: Role::View });
    }
    // Health and version are served without a certificate.
    assert_eq!(handshake(&authority, ann.client(false), "localhost").await, Ok(None));
    let foreign = handshake(&authority, ann.client(true), "other.example").await.unwrap_err();
    assert!(
        foreign.contains("not valid for name") || foreign.contains("BadCertificate"),
        "{foreign}"
    );
}

#[tokio::test]
async fn certificates_that_are_not_of_a_current_user_are_refused() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [authority, other] = folders.each_ref().map(|folder| open(folder.path()));
    let ann = Kubeconfig::issue(&authority, &grant("ann"));
    let of = |certificate: &Kubeconfig, authority: &Kubeconfig| {
        let (mut user, cluster) = (certificate.0.clone(), authority.0.clone());
        user["clusters"] = cluster["clusters"].clone();
        Kubeconfig(user).client(true)
    };
    // The same name, from another authority of the same name.
    let stranger = of(&Kubeconfig::issue(&other, &grant("ann")), &ann);
    let error = handshake(&authority, stranger, "localhost").await.unwrap_err();
    assert!(error.contains("invalid peer certificate"), "{error}");
    let past = now().wall - 2 * HOUR;
    let expired = Kubeconfig::issue_at(&authority, &grant("bob"), past);
    let error = handshake(&authority, expired.client(true), "localhost").await.unwrap_err();
    assert!(error.contains("expired"), "{error}");
    assert!(authority.by_certificate(&expired.certificate(), now().wall).is_none());
}

#[tokio::test]
async fn a_revocation_ends_all_credentials_of_the_user_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let authority = open(folder.path());
    let now = now().wall;
    let token = Grant { kind: CredentialKind::Token, ..grant("ann") };
    let certificate = Kubeconfig::issue(&authority, &grant("ann")).certificate();
    let token = Kubeconfig::issue(&authority, &token).text("/users/0/user/token").unwrap();
    let bob = Kubeconfig::issue(&authority, &grant("bob")).certificate();
    let (holder, validity) = authority.by_token(&token, now).unwrap();
    assert_eq!(holder.name, "ann");
    assert!(authority.by_token(&format!("{token}x"), now).is_none());
    // A token is no certificate, although both are known by a hash.
    let as_certificate = CertificateDer::from(token.as_bytes());
    assert!(authority.by_certificate(&as_certificate, now).is_none());
    assert!(authority.by_token(&token, now + 2 * HOUR).is_none(), "it expires");

    authority.revoke("ann").unwrap();
    validity.revoked().await;
    for authority in [&authority, &open(folder.path())] {
        assert!(authority.by_certificate(&certificate, now).is_none());
        assert!(authority.by_token(&token, now).is_none());
        assert!(authority.by_certificate(&bob, now).is_some());
        let error = authority.revoke("ann").unwrap_err();
        assert!(matches!(error, AuthorityError::UnknownName(_)), "{error}");
    }
}

#[test]
fn the_files_are_private_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let first = open(&data_dir);
    let certificate = Kubeconfig::issue(&first, &grant("ann"));
    let ca = data_dir.join("kube-ca");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&ca), 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&ca).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600);
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["ca.crt", "ca.key", "credentials.json", "tokens.key"]);
    let stored = std::fs::read_to_string(ca.join("credentials.json")).unwrap();
    assert!(!stored.contains("PRIVATE") && stored.contains("\"ann\""), "{stored}");

    let again = open(&data_dir);
    assert!(again.by_certificate(&certificate.certificate(), now().wall).is_some());
    let authority = "/clusters/0/cluster/certificate-authority-data";
    let other = Kubeconfig::issue(&again, &grant("bob"));
    assert_eq!(certificate.text(authority), other.text(authority));
    // A daemon that died between the two files.
    std::fs::remove_file(ca.join("ca.crt")).unwrap();
    open(&data_dir);
}

#[test]
fn files_that_cannot_be_used_prevent_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("kube-ca");
    open(folder.path());
    let chmod = |name: &str, mode| {
        std::fs::set_permissions(ca.join(name), PermissionsExt::from_mode(mode)).unwrap();
    };
    chmod("ca.key", 0o640);
    assert_eq!(refused(folder.path()), "DIR/kube-ca/ca.key: has mode 0640, so others can read it");
    chmod("ca.key", 0o600);
    chmod("", 0o755);
    assert_eq!(refused(folder.path()), "DIR/kube-ca: has mode 0755, so others can read it");
    chmod("", 0o700);
    let other = tempfile::tempdir().unwrap();
    open(other.path());
    std::fs::copy(other.path().join("kube-ca/ca.crt"), ca.join("ca.crt")).unwrap();
    assert_eq!(refused(folder.path()), "DIR/kube-ca/ca.crt: does not belong to ca.key");
    std::fs::remove_file(ca.join("ca.key")).unwrap();
    assert!(refused(folder.path()).starts_with("DIR/kube-ca/ca.key: is missing."));
    std::fs::remove_file(ca.join("ca.crt")).unwrap();
    std::fs::write(ca.join("credentials.json"), "{\"credentials\": [{}]}").unwrap();
    chmod("credentials.json", 0o600);
    let error = refused(folder.path());
    assert!(error.starts_with("DIR/kube-ca/credentials.json: missing field"), "{error}");
}

#[test]
fn requests_for_credentials_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let authority = open(folder.path());
    let wrong = |change: &dyn Fn(&mut Grant)| {
        let mut grant = grant("ann");
        change(&mut grant);
        authority.issue(&grant, now().wall).unwrap_err().to_string()
    };
    let name = "name: must be 1 to 64 letters, digits, '-', '_', '.' or '@'";
    for bad in ["", "system:masters", "a b", "a\n", &"x".repeat(65)] {
        assert_eq!(wrong(&|grant| grant.name = bad.to_owned()), name);
    }
    for bad in [Duration::from_secs(59), Duration::from_secs(11 * 366 * 24 * 3600), Duration::MAX] {
        let error = wrong(&|grant| grant.ttl = bad);
        assert_eq!(error, "ttl: must be from 1 minute to 10 years");
    }
    for bad in
        ["box", "http://box:1", "https://box/path", "https://u@box", "https://b_x", "https://box?a"]
    {
        let error = wrong(&|grant| grant.server = Some(bad.to_owned()));
        assert!(error.starts_with("server: "), "{bad}: {error}");
    }
}

#[test]
fn a_server_url_is_a_name_of_this_host_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let authority = open(folder.path());
    assert!(authority.serves("localhost") && authority.serves("LOCALHOST."));
    assert!(authority.serves("10.0.0.5") && authority.serves("[fd00::1]"));
    assert!(!authority.serves("box.example"));
    let server = Some("https://box.example:6443".to_owned());
    let with_server = Grant { server, ..grant("ann") };
    let first = Kubeconfig::issue(&authority, &with_server);
    assert_eq!(first.text("/clusters/0/cluster/server").unwrap(), "https://box.example:6443");
    // The certificate of the running daemon does not have the name yet.
    let tls_name = "/clusters/0/cluster/tls-server-name";
    assert_eq!(first.text(tls_name).as_deref(), Some("localhost"));
    assert!(authority.serves("box.example") && !authority.serves("evil.example"));
    let local = Grant { server: Some("https://localhost:6443".to_owned()), ..grant("ann") };
    assert_eq!(Kubeconfig::issue(&authority, &local).text(tls_name), None);
    authority.revoke("ann").unwrap();
    assert!(!authority.serves("box.example"));
}

#[tokio::test]
async fn a_server_url_is_in_the_next_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let server = Some("https://box.example:6443".to_owned());
    let ann = Kubeconfig::issue(&open(folder.path()), &Grant { server, ..grant("ann") });
    let restarted = open(folder.path());
    handshake(&restarted, ann.client(true), "box.example").await.unwrap();
    handshake(&restarted, ann.client(true), "localhost").await.unwrap();
}

#[test]
fn the_number_of_credentials_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let authority = open(folder.path());
    let list = |expires| {
        let one = format!(
            "{{\"name\":\"ann\",\"role\":\"view\",\"kind\":\"token\",\"sha256\":\"\",\"expires\":{expires}}}"
        );
        let all = vec![one; 1000].join(",");
        let path = folder.path().join("kube-ca/credentials.json");
        std::fs::write(&path, format!("{{\"credentials\":[{all}]}}")).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
    };
    drop(authority);
    list(4_000_000_000_u64);
    let full = open(folder.path()).issue(&grant("bob"), now().wall).unwrap_err();
    assert!(matches!(full, AuthorityError::Full(_)), "{full}");
    // Those that have expired do not count, and are forgotten.
    list(1);
    let authority = open(folder.path());
    authority.issue(&grant("bob"), now().wall).unwrap();
    assert!(authority.revoke("ann").is_err());
}
