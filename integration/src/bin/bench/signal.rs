//! The time from the answer to the third failing probe until SIGTERM has ended the process.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, SOON, eventually, root};
use serde_json::{Value, json};

use crate::report::{Row, median};

const RUNS: usize = 10;

pub fn run() -> Result<Vec<Row>> {
    let mut host = Host::start()?;
    host.start_daemon_with(&["--no-brake"])?;
    let times = (0..RUNS).map(|run| probe_to_sigterm(&host, run)).collect::<Result<_>>()?;
    let what = "from the third failing answer to the end by SIGTERM";
    Ok(vec![Row::alone(what, "ms", median(times))])
}

/// The time from the answer to the third failing probe until the process has ended. The server logs
/// when it answers a probe. It runs in the host's process namespace, so SIGTERM ends it at once (a
/// PID 1 would ignore the signal), and the time of the exit is an upper bound of the signal's.
fn probe_to_sigterm(host: &Host, run: usize) -> Result<Duration> {
    let name = format!("react-{run}");
    let text = std::fs::read_to_string(root().join("examples/hand-written-oci.json"))?;
    let mut request: Value = serde_json::from_str(&text)?;
    let rootfs = host.path(&name);
    std::fs::create_dir(&rootfs)?;
    let binary = root().join("target/images/rootfs/kubia-unhealthy");
    std::fs::copy(binary, rootfs.join("kubia-unhealthy"))?;
    request["name"] = json!(name);
    request["rootfs"] = json!(rootfs);
    request["livenessProbe"]["period"] = json!("0.200s");
    request["restartPolicy"] = json!("NEVER");
    let spec = &mut request["ociSpec"];
    spec["process"]["args"] = json!(["/kubia-unhealthy", "serve", "--fail-after", "0", "--times"]);
    if let Some(namespaces) = spec["linux"]["namespaces"].as_array_mut() {
        namespaces.retain(|namespace| namespace["type"] != "pid");
    }
    host.call("probelet.v1.Containers/CreateContainer", &request)?;
    let this = json!({ "name": name });
    let ended = eventually("SIGTERM ended it", SOON, || {
        let seen = host.call("probelet.v1.Containers/GetContainer", &this).ok()?;
        seen["state"]["terminated"].is_object().then_some(seen)
    })?;
    let path = ended["logPath"].as_str().unwrap_or_default();
    // The logger may write a moment after the process has ended.
    let third: u64 = eventually("three answers in its log", SOON, || {
        let log = std::fs::read_to_string(path).ok()?;
        log.lines().filter_map(|line| line.rsplit_once(" at ")?.1.parse().ok()).nth(2)
    })?;
    let finished = &ended["state"]["terminated"]["finishedAt"];
    let finished = micros(finished.as_str().unwrap_or_default())?;
    host.call("probelet.v1.Containers/RemoveContainer", &this)?;
    Ok(Duration::from_micros(finished.saturating_sub(third)))
}

/// Unix time in microseconds of an RFC 3339 timestamp, by `date`.
fn micros(timestamp: &str) -> Result<u64> {
    let output = Command::new("date").args(["+%s%6N", "--date", timestamp]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let micros: u64 = text.trim().parse().with_context(|| format!("no time: {timestamp:?}"))?;
    // A timestamp in whole seconds would be useless for milliseconds.
    ensure!(!micros.is_multiple_of(1_000_000), "{timestamp} has no fractions of a second");
    Ok(micros)
}
