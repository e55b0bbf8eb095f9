//! The CPU time of a probe, in the daemon and in a raw program that probes the same servers.

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use probelet_integration::measure::Size;
use probelet_integration::{Host, IMAGE, SOON, eventually, root};
use serde_json::{Value, json};

use crate::report::Row;

const PODS: usize = 100;
const SECONDS: u32 = 20;

/// What is measured: the handler, the period of each of the pods, and the rate of all of them.
const RATES: [(&str, &str, u32); 3] =
    [("http", "1s", 100), ("http", "0.1s", 1000), ("tcp", "1s", 100)];

pub fn run() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut host = Host::start()?;
    for (handler, period, rate) in RATES {
        host.start_daemon_with(&["--no-brake"])?;
        for number in 0..PODS {
            create(&host, number, handler, period)?;
        }
        let pids = running(&host, PODS)?;
        thread::sleep(Duration::from_secs(3));
        let before = Size::of(host.daemon_pid()?)?.cpu_seconds;
        let attempts = attempts(&host)?;
        thread::sleep(Duration::from_secs(SECONDS.into()));
        let made = self::attempts(&host)?.saturating_sub(attempts);
        let cpu = Size::of(host.daemon_pid()?)?.cpu_seconds - before;
        ensure!(made > 0, "no probe ran");
        // The servers go on without the daemon.
        host.kill_daemon()?;
        let floor = floor(handler, rate, &pids)?;
        let what = format!("CPU time of a probe, {handler}, {rate} a second");
        let row = Row::alone(what, "us", cpu * 1e6 / made as f64);
        rows.push(row.beside(floor, "socket in the namespace, one request"));
        host.start_daemon()?;
        for number in 0..PODS {
            let this = json!({ "name": name(number), "gracePeriod": "0s" });
            host.call("probelet.v1.Containers/RemoveContainer", &this)?;
        }
        host.kill_daemon()?;
    }
    Ok(rows)
}

/// Makes pods with servers that never fail, up to this number, each probed once in a period.
pub fn apply_pods(host: &Host, pods: usize, period: &str) -> Result<()> {
    for number in 0..pods {
        let exists = host.container(&name(number)).is_ok();
        if !exists {
            create(host, number, "http", period)?;
        }
    }
    running(host, pods).map(drop)
}

fn name(number: usize) -> String {
    format!("bench-{number}")
}

fn create(host: &Host, number: usize, handler: &str, period: &str) -> Result<()> {
    let url = if handler == "http" { "http://:8080/" } else { "tcp://:8080" };
    let request = json!({
        "name": name(number), "image": IMAGE, "start": true,
        "args": ["serve", "--fail-after", u64::MAX.to_string()],
        "livenessProbe": { "url": url, "period": period, "failureThreshold": 100 },
    });
    host.call("probelet.v1.Containers/CreateContainer", &request).map(drop)
}

pub fn running(host: &Host, pods: usize) -> Result<Vec<u64>> {
    eventually("all servers run", SOON * 8, || {
        let pids: Vec<u64> =
            list(host).ok()?.iter().filter_map(|it| it.get("pid")?.as_u64()).collect();
        (pids.len() >= pods).then_some(pids)
    })
}

fn attempts(host: &Host) -> Result<u64> {
    let of = |probe: &Value| probe.get("successes").and_then(number);
    let sum = list(host)?
        .iter()
        .filter_map(|it| it.get("probes")?.as_array())
        .flatten()
        .filter_map(of)
        .sum();
    Ok(sum)
}

/// A 64-bit number, which the JSON of protobuf has as a text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

pub fn list(host: &Host) -> Result<Vec<Value>> {
    let answer = host.call("probelet.v1.Containers/ListContainers", &json!({}))?;
    Ok(answer.get("containers").and_then(Value::as_array).cloned().unwrap_or_default())
}

/// The CPU time of a probe of the raw program, in microseconds.
fn floor(handler: &str, rate: u32, pids: &[u64]) -> Result<f64> {
    let mut command = Command::new(floor_bin());
    command.args([handler, &rate.to_string(), &SECONDS.to_string(), "8080"]);
    let output =
        command.args(pids.iter().map(u64::to_string)).output().context("probelet-floor")?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [probes, failures, micros] = numbers[..] else {
        anyhow::bail!("probelet-floor: {}", String::from_utf8_lossy(&output.stderr))
    };
    ensure!(failures == 0, "{failures} of {probes} raw probes failed");
    Ok(micros as f64 / probes as f64)
}

fn floor_bin() -> PathBuf {
    std::env::var_os("FLOOR_BIN")
        .map_or_else(|| root().join("target/release/probelet-floor"), PathBuf::from)
}
