//! Callers with many idle connections, and a daemon with few descriptors.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, bounded, eventually, finish, free_address};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

/// The preface and the settings frame that an HTTP/2 client sends first.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

fn scrape(address: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    ensure!(text.starts_with("HTTP/1.1 200 "), "{text}");
    Ok(text)
}

/// Waits until the peer has closed the connection.
fn is_closed(stream: &mut UnixStream) -> Result<()> {
    stream.set_read_timeout(Some(SOON))?;
    loop {
        match stream.read(&mut [0; 256]) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
            read => read.map(drop)?,
        }
    }
}

#[test]
fn idle_connections_to_the_socket_and_the_metrics_page_are_closed_for_new_ones() -> Result<()> {
    let mut host = Host::start()?;
    let address = free_address()?;
    host.start_daemon_with(&["--metrics-address", &address, "--log-level", "debug"])?;
    let (mut watcher, _) = host.spawn_call("probelet.v1.Events/WatchEvents", &json!({}))?;
    let held = hold_idle_connections(&host, &address);
    if held.is_err() {
        // A connection that is not opened is a debug line.
        host.show_logs();
    }
    let (mut silent, mut idle, _scrapers) = held?;
    host.probelet(["get", "pods"])?;
    let page = scrape(&address)?;
    ensure!(page.contains(r#"probelet_slots_closed_total{slots="unix"}"#), "{page}");
    is_closed(silent.first_mut().context("none")?)?;
    is_closed(idle.first_mut().context("none")?)?;
    let fds = fs::read_dir(format!("/proc/{}/fd", host.daemon_pid()?))?.count();
    ensure!(fds < 400, "{fds} descriptors");
    // A connection with an open call is not closed.
    ensure!(watcher.try_wait()?.is_none(), "the watch has ended");
    watcher.kill()?;
    watcher.wait()?;
    // A connection without an HTTP/2 preface is closed.
    let mut other = UnixStream::connect(host.socket())?;
    other.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")?;
    is_closed(&mut other)?;
    Ok(())
}

type Held = (Vec<UnixStream>, Vec<UnixStream>, Vec<TcpStream>);

/// Opens 300 connections that send nothing and 200 that have no call, both to the socket, and 300
/// silent ones to the metrics.
fn hold_idle_connections(host: &Host, address: &str) -> Result<Held> {
    let (mut silent, mut idle, mut scrapers) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..300 {
        silent.push(UnixStream::connect(host.socket())?);
        scrapers.push(TcpStream::connect(address)?);
    }
    for number in 0..200 {
        let mut stream = UnixStream::connect(host.socket())?;
        stream.write_all(HELLO)?;
        // The connection is open once the daemon has answered.
        stream.set_read_timeout(Some(SOON))?;
        let read = stream.read(&mut [0; 9]).with_context(|| format!("caller {number}"))?;
        ensure!(read > 0, "caller {number} was not served");
        idle.push(stream);
    }
    Ok((silent, idle, scrapers))
}

#[test]
fn callers_cannot_use_up_the_descriptors_that_probes_need() -> Result<()> {
    let mut host = Host::start()?;
    let address = free_address()?;
    let mut few = Command::new("prlimit");
    few.arg("--nofile=128:128");
    host.start_daemon_by(few, &["--metrics-address", &address])?;
    let mut held = Vec::new();
    for _ in 0..300 {
        let mut stream = UnixStream::connect(host.socket())?;
        // A refused connection is closed already.
        let _ = stream.write_all(HELLO);
        held.push(stream);
    }
    let scrapers: Vec<_> = (0..300).map(|_| TcpStream::connect(&address)).collect();
    host.apply(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: web}}, spec: {{ \
         terminationGracePeriodSeconds: 0, containers: [{{name: app, image: {IMAGE}, \
         args: [serve, --fail-after, \"1\"], livenessProbe: {{httpGet: {{port: 8080}}, \
         periodSeconds: 1, failureThreshold: 1}}}}]}}}}"
    ))?;
    host.wait_status("web", SOON * 2, |status| status["restartCount"].as_u64() >= Some(1))?;
    scrape(&address)?;
    drop((held, scrapers));
    Ok(())
}

#[test]
fn running_out_of_descriptors_is_reported() -> Result<()> {
    let mut host = Host::start()?;
    host.start_daemon()?;
    let pid = i32::try_from(host.daemon_pid()?).ok().and_then(Pid::from_raw);
    let health = |wanted: &str| {
        eventually(&format!("descriptors are {wanted}"), SOON, || {
            let method = "grpc.health.v1.Health/Check";
            let answer = host.call(method, &json!({ "service": "descriptors" })).ok()?;
            (answer["status"] == wanted).then_some(())
        })
    };
    health("SERVING")?;
    let [most, _] = limits(host.daemon_pid()?)?;
    let set = |current| {
        prlimit(pid, Resource::Nofile, Rlimit { current: Some(current), maximum: Some(most) })
    };
    let held = (0..100).map(|_| {
        let mut stream = UnixStream::connect(host.socket())?;
        stream.write_all(HELLO)?;
        stream.set_read_timeout(Some(SOON))?;
        ensure!(stream.read(&mut [0; 9])? > 0, "not open");
        Ok(stream)
    });
    let _held = held.collect::<Result<Vec<_>>>()?;
    // A call needs a few descriptors too.
    set(fs::read_dir(format!("/proc/{}/fd", host.daemon_pid()?))?.count() as u64 + 4)?;
    health("NOT_SERVING")?;
    ensure!(fs::read_to_string(host.path("probelet.log"))?.contains("running out"));
    set(most)?;
    health("SERVING")
}

/// A CNI plugin that answers correctly and writes its limit of open files to a file.
const PLUGIN: &str = r#"#!/bin/sh
ulimit -Sn > "$(dirname "$0")/limit"
echo '{"cniVersion": "1.0.0", "ips": [{"address": "192.0.2.7/24"}]}'
"#;

#[test]
fn the_daemon_raises_its_own_limit_of_open_files_and_not_its_childrens() -> Result<()> {
    let mut host = Host::start()?;
    let folder = host.path("plugins");
    fs::create_dir_all(&folder)?;
    fs::create_dir_all(host.path("cni"))?;
    let plugin = folder.join("limit-test");
    fs::write(&plugin, PLUGIN)?;
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755))?;
    let list = json!({ "cniVersion": "1.0.0", "name": "n", "plugins": [{ "type": "limit-test" }] });
    fs::write(host.path("cni/10-test.conflist"), list.to_string())?;
    let mut low = Command::new("prlimit");
    low.arg("--nofile=512:4096");
    host.start_daemon_by(low, &[&format!("--cni-bin-dir={}", folder.display())])?;
    ensure!(limits(host.daemon_pid()?)? == [4096, 4096]);
    host.apply(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: web}}, spec: {{ \
         shareProcessNamespace: true, terminationGracePeriodSeconds: 0, \
         containers: [{{name: app, image: {IMAGE}, args: [sleep]}}]}}}}"
    ))?;
    let running = |status: &serde_json::Value| status["state"]["running"].is_object();
    host.wait_status("web", SOON * 2, running)?;
    ensure!(fs::read_to_string(folder.join("limit"))?.trim() == "512");
    let mut pgrep = bounded("pgrep");
    let pin = host.path("run/pidns").display().to_string();
    let found = finish(pgrep.args(["--full", &format!("hold {pin}")]), "")?.stdout;
    let pid = found.lines().next().context("no process holds the namespace")?.parse()?;
    ensure!(limits(pid)? == [512, 4096]);
    Ok(())
}

/// The soft and the hard limit of open files of a process.
fn limits(pid: u32) -> Result<[u64; 2]> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let line = limits.lines().find(|line| line.starts_with("Max open files")).context("no line")?;
    let mut numbers = line.split_whitespace().skip(3);
    let mut next = || -> Result<u64> { Ok(numbers.next().context("no limit")?.parse()?) };
    Ok([next()?, next()?])
}
