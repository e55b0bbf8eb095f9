//! The metrics page of the daemon.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, free_address};

fn get(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn shows(address: &str, line: &str) -> Result<()> {
    let mut last = String::new();
    let seen = eventually(line, SOON * 2, || {
        last = get(address, "/metrics").ok()?;
        last.lines().any(|shown| shown.starts_with(line)).then_some(())
    });
    seen.with_context(|| last)
}

#[test]
fn a_scrape_has_containers_probes_and_containerd() -> Result<()> {
    let mut host = Host::start()?;
    let address = free_address()?;
    host.start_daemon_with(&["--metrics-address", &address])?;
    host.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: web }}\nspec:\n  \
         terminationGracePeriodSeconds: 1\n  containers:\n  \
         - {{ name: app, image: {IMAGE}, args: [serve, --fail-after, \"1\"], livenessProbe: \
         {{ httpGet: {{ port: 8080 }}, periodSeconds: 1, failureThreshold: 1 }} }}\n"
    ))?;
    let labels = r#"namespace="default",pod="web",container="app""#;
    for line in [
        r#"probelet_containers{state="running"} 1.0"#,
        &format!(r#"probelet_probes_total{{{labels},probe="liveness",outcome="failure"}}"#),
        &format!(r#"probelet_container_ends_total{{{labels},cause="liveness"}}"#),
        &format!("probelet_container_restarts_total{{{labels}}}"),
        "probelet_brake_granted_total",
        "probelet_containerd_up 1.0",
        "process_open_fds",
    ] {
        shows(&address, line)?;
    }
    ensure!(get(&address, "/metrics/web")?.starts_with("HTTP/1.1 404 "));
    host.kill_containerd()?;
    shows(&address, "probelet_containerd_up 0.0")?;
    shows(&address, r#"probelet_containerd_failed_calls_total{call="Version","#)?;
    host.start_containerd()?;
    shows(&address, "probelet_containerd_up 1.0")?;
    // The metrics of a pod disappear with it.
    host.probelet(["delete", "pod", "web", "--grace-period", "0"])?;
    shows(&address, r#"probelet_containers{state="running"} 0.0"#)?;
    ensure!(!get(&address, "/metrics")?.contains(r#"pod="web""#));
    Ok(())
}
