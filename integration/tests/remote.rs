//! The API over TCP, which is served only to clients with a certificate.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use probelet_integration::certificates::{Authority, Usage};
use probelet_integration::{
    Done, Host, IMAGE, bounded, finish, grpcurl_bin, probelet_bin, succeed,
};

/// The certificates of both sides, and the address of the daemon.
struct Wire {
    address: String,
    authority: Authority,
    daemon: [PathBuf; 2],
    client: [PathBuf; 2],
}

impl Wire {
    fn new(folder: &Path) -> Result<Self> {
        let authority = Authority::new(folder, "root")?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let daemon = authority.sign_server("daemon", "127.0.0.1")?;
        let client = authority.sign_client("client")?;
        Ok(Self { address, authority, daemon, client })
    }

    fn start(host: &mut Host) -> Result<Self> {
        let wire = Self::new(&host.path("tls"))?;
        let flags = wire.serve_flags();
        host.start_daemon_with(&flags.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(wire)
    }

    fn serve_flags(&self) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let [cert, key] = &self.daemon;
        vec![
            format!("--listen={}", self.address),
            format!("--tls-cert={}", path(cert)),
            format!("--tls-key={}", path(key)),
            format!("--tls-client-ca={}", path(&self.authority.root)),
        ]
    }

    /// Runs the client over TCP with this certificate and key.
    fn probelet(&self, client: &[PathBuf; 2], words: &[&str], stdin: &str) -> Result<Done> {
        let mut command = bounded(probelet_bin());
        let [certificate, key] = client;
        command.arg("--address").arg(&self.address);
        command.arg("--client-certificate").arg(certificate).arg("--client-key").arg(key);
        command.arg("--certificate-authority").arg(&self.authority.root);
        // The arguments come last, because a command may end with its own.
        finish(command.args(words), stdin)
    }
}

fn pod(name: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{ \
         terminationGracePeriodSeconds: 1, containers: \
         [{{name: c, image: {IMAGE}, args: [sleep]}}]}}}}"
    )
}

#[test]
fn a_client_with_a_certificate_can_use_the_whole_api() -> Result<()> {
    let mut host = Host::start()?;
    let wire = Wire::start(&mut host)?;
    let run = |words: &[&str], stdin: &str| succeed(wire.probelet(&wire.client, words, stdin)?);
    ensure!(run(&["apply", "-f", "-"], &pod("web"))?.contains("pod/web created"));
    run(&["wait", "web", "--for", "condition=Ready"], "")?;
    ensure!(run(&["get", "pods"], "")?.contains("Running"));
    run(&["restart", "web"], "")?;
    let described = run(&["describe", "pod", "web"], "")?;
    let by = described.lines().find(|line| line.contains("Cause:")).context("no cause")?;
    ensure!(by.contains("operator: restart from 127.0.0.1:"), "{described}");

    let mut grpcurl = bounded(grpcurl_bin());
    let [certificate, key] = &wire.client;
    grpcurl.arg("-cacert").arg(&wire.authority.root);
    grpcurl.arg("-cert").arg(certificate).arg("-key").arg(key).args([&wire.address, "list"]);
    ensure!(succeed(finish(&mut grpcurl, "")?)?.contains("probelet.v1.Pods"));
    // The Unix socket is still served.
    host.probelet(["delete", "pod", "web"])?;
    Ok(())
}

#[test]
fn an_answer_with_a_thousand_errors_arrives_over_the_socket_and_over_tcp() -> Result<()> {
    let mut host = Host::start()?;
    let wire = Wire::start(&mut host)?;
    let bad = |n: usize| pod(&format!("bad-{n}")).replace("image:", "imag:");
    for count in [60, 1000] {
        let manifest = (0..count).map(bad).collect::<Vec<_>>().join("\n---\n");
        let ways = [
            host.try_probelet(["apply", "-f", "-"], &manifest)?,
            wire.probelet(&wire.client, &["apply", "-f", "-"], &manifest)?,
        ];
        for done in ways {
            let errors: Vec<&str> = done.stderr.lines().collect();
            let more = errors.last().context("no output")?;
            let listed = errors.len() - 1;
            ensure!(done.code == Some(1) && listed >= 10, "{done:?}");
            ensure!(errors.iter().take(listed).all(|line| line.contains(".imag: unknown field")));
            ensure!(more.starts_with(&format!("error: and {} more: ", count - listed)), "{more}");
        }
        let object = |n: usize| {
            format!(
                "{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {{\"name\": \"bad-{n}\"}}, \
                 \"spec\": {{\"containers\": [{{\"name\": \"c\", \"imag\": \"i\"}}]}}}}"
            )
        };
        let objects = (0..count).map(object).collect::<Vec<_>>().join(", ");
        let request = format!("{{\"objects\": [{objects}]}}");
        let method = "probelet.v1.Pods/ApplyPods";
        let mut grpcurl = bounded(grpcurl_bin());
        let [certificate, key] = &wire.client;
        grpcurl.arg("-cacert").arg(&wire.authority.root);
        grpcurl.arg("-cert").arg(certificate).arg("-key").arg(key);
        grpcurl.args(["-d", "@", &wire.address, method]);
        for done in
            [host.try_grpcurl(&["-d", "@"], &[method], &request)?, finish(&mut grpcurl, &request)?]
        {
            let text = &done.stderr;
            ensure!(text.contains("InvalidArgument") && text.contains("objects[0]"), "{done:?}");
            ensure!(text.contains(" more"), "{done:?}");
        }
    }
    ensure!(host.probelet(["get", "pods", "-o", "name"])?.is_empty());
    Ok(())
}

#[test]
fn a_client_without_a_certificate_of_the_configured_root_is_not_served() -> Result<()> {
    let mut host = Host::start()?;
    let wire = Wire::start(&mut host)?;
    let other = Authority::new(&host.path("other-root"), "root")?.sign_client("client")?;
    let done = wire.probelet(&other, &["get", "pods"], "")?;
    ensure!(done.code == Some(1) && done.stderr.contains("certificate"), "{done:?}");

    let mut grpcurl = bounded(grpcurl_bin());
    grpcurl.arg("-cacert").arg(&wire.authority.root).args([&wire.address, "list"]);
    ensure!(finish(&mut grpcurl, "")?.code != Some(0), "served without a certificate");
    let mut grpcurl = bounded(grpcurl_bin());
    grpcurl.args(["-plaintext", "-connect-timeout", "2", &wire.address, "list"]);
    ensure!(finish(&mut grpcurl, "")?.code != Some(0), "served in plain text");

    // The client refuses a daemon whose certificate is for another host.
    let named = wire.probelet(&wire.client, &["--tls-server-name", "other", "get", "pods"], "")?;
    ensure!(named.code == Some(1) && named.stderr.contains("certificate"), "{named:?}");
    Ok(())
}

#[test]
fn a_certificate_without_the_usage_client_auth_is_refused() -> Result<()> {
    let mut host = Host::start()?;
    let wire = Wire::start(&mut host)?;
    let refused = [
        vec![],
        vec![Usage::ServerAuth],
        vec![Usage::ServerAuth, Usage::EmailProtection],
        vec![Usage::Any],
    ];
    for (at, usages) in refused.iter().enumerate() {
        let client = wire.authority.sign(&format!("unfit{at}"), "somebody", usages)?;
        let done = wire.probelet(&client, &["get", "pods"], "")?;
        ensure!(done.code == Some(1), "{usages:?}: {done:?}");
        ensure!(done.stderr.contains("clientAuth"), "{usages:?}: {done:?}");
    }
    // Intermediate authorities need no extended key usage.
    let below = wire.authority.intermediate("below")?;
    let both = [Usage::ServerAuth, Usage::ClientAuth];
    for client in [below.sign_client("leaf")?, below.sign("both", "somebody", &both)?] {
        succeed(wire.probelet(&client, &["get", "pods"], "")?)?;
    }
    let client = below.sign("leaf-of-none", "somebody", &[])?;
    ensure!(wire.probelet(&client, &["get", "pods"], "")?.code == Some(1));
    Ok(())
}

#[test]
fn many_open_connections_do_not_keep_operators_out() -> Result<()> {
    let mut host = Host::start()?;
    let wire = Wire::start(&mut host)?;
    let mut opened = Vec::new();
    for at in 0..600 {
        let mut stream = TcpStream::connect(&wire.address)?;
        if at % 2 == 0 {
            // The beginning of a handshake that is never continued.
            stream.write_all(&[0x16, 3, 1, 2, 0, 1])?;
        }
        opened.push(stream);
    }
    // A client at the same address is served at its first attempt.
    succeed(wire.probelet(&wire.client, &["get", "pods"], "")?)?;
    host.apply(&pod("web"))?;
    let fds = fs::read_dir(format!("/proc/{}/fd", host.daemon_pid()?))?.count();
    ensure!(fds < 200, "{fds} descriptors");
    // The other connections are closed when their time is over.
    for stream in &mut opened {
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        match stream.read(&mut [0]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => bail!("still open: {other:?}"),
        }
    }
    // Invalid input ends only its own connection.
    TcpStream::connect(&wire.address)?.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    succeed(wire.probelet(&wire.client, &["get", "pods"], "")?)?;
    Ok(())
}

#[test]
fn the_daemon_does_not_start_without_certificate_key_and_client_roots() -> Result<()> {
    let host = Host::start()?;
    let wire = Wire::new(&host.path("tls"))?;
    let flags = wire.serve_flags();
    let other = wire.authority.sign_server("other", "127.0.0.1")?;
    let other_key = format!("--tls-key={}", other[1].display());
    let not_pem = host.path("not.pem");
    fs::write(&not_pem, "hello")?;
    let no_ca = format!("--tls-client-ca={}", not_pem.display());
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let taken = format!("--listen={}", taken.local_addr()?);
    for (flags, wanted) in [
        (vec![&flags[0]], "--listen needs --tls-cert, --tls-key and --tls-client-ca"),
        (vec![&flags[0], &flags[1], &flags[2]], "--listen needs --tls-cert"),
        (vec![&flags[3]], "need --listen"),
        (vec![&flags[0], &flags[1], &flags[2], &no_ca], "not.pem: no certificate"),
        (vec![&flags[0], &flags[1], &other_key, &flags[3]], "--tls-key "),
        (vec![&taken, &flags[1], &flags[2], &flags[3]], "--listen 127.0.0.1:"),
    ] {
        let words = std::iter::once("serve").chain(flags.iter().map(|flag| flag.as_str()));
        let done = host.try_probelet(words, "")?;
        ensure!(done.code == Some(2) && done.stderr.contains(wanted), "{wanted:?}: {done:?}");
        ensure!(!host.socket().exists(), "the socket was created");
        TcpStream::connect(&wire.address).err().context("the daemon listens")?;
    }
    Ok(())
}
