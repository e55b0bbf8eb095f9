//! Probes are sent from inside the container's network namespace, and never reach a server on the
//! host's loopback.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::Command;

use anyhow::{Result, ensure};
use probelet_integration::{Host, with_host};
use serde_json::{Value, json};

/// A listener on a free port of the host. Connections stay in its backlog, so that the test can
/// check whether there were any.
struct HostServer(TcpListener);

impl HostServer {
    fn new(address: &str) -> Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    fn port(&self) -> Result<u16> {
        Ok(self.0.local_addr()?.port())
    }

    fn was_reached(&self) -> Result<bool> {
        match self.0.accept() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn probe(url: &str) -> Value {
    json!({ "url": url, "timeout": "0.5s" })
}

fn expect_refused(host: &Host, name: &str, url: &str) -> Result<()> {
    let said = host.probe_once(name, &probe(url))?;
    ensure!(said.outcome == "failure", "{url}: {said:?}");
    ensure!(said.output.contains("connection refused"), "{url}: {said:?}");
    Ok(())
}

/// Sets the path of the OCI spec's network namespace.
fn join(spec: &mut Value, path: &str) {
    for namespace in spec["linux"]["namespaces"].as_array_mut().into_iter().flatten() {
        if namespace["type"] == "network" {
            namespace["path"] = json!(path);
        }
    }
}

#[test]
fn the_containers_loopback_is_probed_and_never_the_hosts() -> Result<()> {
    with_host(|host| {
        let (web, health) = (HostServer::new("127.0.0.1")?, HostServer::new("127.0.0.1")?);
        let (web_port, health_port) = (web.port()?, health.port()?);
        let servers = format!("http 127.0.0.1:{web_port} + grpc 127.0.0.1:{health_port}");
        host.target("app", &servers, json!({}))?;
        for url in [
            format!("http://:{web_port}/"),
            format!("http://localhost:{web_port}/"),
            format!("tcp://:{web_port}"),
            format!("grpc://:{health_port}"),
        ] {
            host.probe_until_success("app", &probe(&url))?;
        }

        // The container has no server on these ports, but the host has.
        let down = [HostServer::new("127.0.0.1")?, HostServer::new("::1")?];
        for server in &down {
            let port = server.port()?;
            for scheme in ["http", "https", "tcp", "grpc"] {
                expect_refused(host, "app", &format!("{scheme}://:{port}"))?;
            }
        }
        for server in [web, health].iter().chain(&down) {
            ensure!(!server.was_reached()?, "a probe reached the host's port {}", server.port()?);
        }
        Ok(())
    })
}

#[test]
fn a_server_on_ipv6_only_and_a_name_in_the_containers_hosts_file_are_reached() -> Result<()> {
    with_host(|host| {
        let servers =
            "http [::1]:8080 + grpc [::1]:9000 + http 127.0.0.7:8081 + http [::1]:8443 --tls";
        let (_, rootfs) = host.target_bundle("app", servers, |_| {})?;
        for url in [
            "http://:8080/",
            "http://[::1]:8080/",
            "http://localhost:8080/",
            "tcp://:8080",
            "grpc://:9000",
            "https://:8443/",
        ] {
            host.probe_until_success("app", &probe(url))?;
        }

        // Only the container's own hosts file has this name.
        fs::create_dir(rootfs.join("etc"))?;
        fs::write(rootfs.join("etc/hosts"), "127.0.0.7 db.probelet.internal db\n")?;
        for url in ["http://db.probelet.internal:8081/", "http://db:8081/", "tcp://db:8081"] {
            host.probe_until_success("app", &probe(url))?;
        }
        let said = host.probe_once("app", &probe("http://db:8081/headers"))?;
        ensure!(said.output.starts_with("Host: db:8081\r\n"), "{said:?}");
        // No resolver answers in this namespace.
        let said = host.probe_once("app", &probe("http://unheard-of.invalid:8081/"))?;
        ensure!(said.outcome == "failure", "{said:?}");
        ensure!(said.output.contains("dial tcp: lookup unheard-of.invalid"), "{said:?}");
        Ok(())
    })
}

#[test]
fn with_the_hosts_network_probes_use_the_hosts_loopback() -> Result<()> {
    with_host(|host| {
        let free = HostServer::new("127.0.0.1")?.port()?;
        host.target_bundle("app", &format!("http 127.0.0.1:{free}"), |spec| {
            if let Some(namespaces) = spec["linux"]["namespaces"].as_array_mut() {
                namespaces.retain(|namespace| namespace["type"] != "network");
            }
        })?;
        host.probe_until_success("app", &probe(&format!("http://:{free}/")))?;
        let server = HostServer::new("127.0.0.1")?;
        let said = host.probe_once("app", &probe(&format!("tcp://:{}", server.port()?)))?;
        ensure!(said.outcome == "success" && server.was_reached()?, "{said:?}");
        Ok(())
    })
}

#[test]
fn probes_use_a_network_namespace_that_is_shared_or_given_by_path() -> Result<()> {
    with_host(|host| {
        let server = HostServer::new("127.0.0.1")?;
        let (there, down) = (server.port()?, HostServer::new("127.0.0.1")?);
        let (first, _) = host.target_bundle("first", &format!("http 127.0.0.1:{there}"), |_| {})?;
        let namespace = format!("/proc/{}/ns/net", first["pid"]);
        host.target_bundle("second", "http 127.0.0.1:8082", |spec| join(spec, &namespace))?;

        let given = pinned_namespace(host)?;
        let servers = format!("http 127.0.0.1:{there}");
        host.target_bundle("third", &servers, |spec| join(spec, &given))?;

        // The two containers that share a namespace reach each other's servers, and no others.
        for (name, port) in [("first", there), ("second", 8082), ("third", there)] {
            host.probe_until_success(name, &probe(&format!("http://:{port}/")))?;
        }
        for (name, port) in [("first", 8082), ("second", there)] {
            host.probe_until_success(name, &probe(&format!("http://:{port}/")))?;
        }
        expect_refused(host, "third", "http://:8082/")?;
        for name in ["first", "second", "third"] {
            expect_refused(host, name, &format!("tcp://:{}", down.port()?))?;
        }
        ensure!(!server.was_reached()? && !down.was_reached()?, "a probe reached the host");
        Ok(())
    })
}

/// Creates a network namespace that only a mount keeps. It is removed with the host's folder.
fn pinned_namespace(host: &Host) -> Result<String> {
    let path = host.path("given.netns");
    File::create(&path)?;
    let mut unshare = Command::new("unshare");
    unshare.arg(format!("--net={}", path.display())).args(["ip", "link", "set", "lo", "up"]);
    let output = unshare.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(path.display().to_string())
}
