//! Many containers with three probes each for some minutes: the probes are punctual, and the
//! daemon's memory and descriptors do not grow. The servers log when each probe arrives.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use probelet_integration::measure::{Size, lateness, monotonic, quantile, time_wait};
use probelet_integration::target::TARGET_IMAGE;
use probelet_integration::{Host, SOON, eventually};
use serde_json::{Value, json};

/// The period of the probes, in microseconds.
const PERIOD: i64 = 1_000_000;
/// The largest lateness at the 99th percentile, in microseconds.
const MAX_P99: i64 = 50_000;

/// Runs the test, prints a report and returns the violations.
pub fn soak(minutes: u32, containers: usize) -> Result<Vec<String>> {
    let mut host = Host::start()?;
    host.import("prober-target")?;
    host.start_daemon()?;
    measure(&host, minutes, containers).inspect_err(|_| host.show_logs())
}

fn measure(host: &Host, minutes: u32, containers: usize) -> Result<Vec<String>> {
    let daemon = host.daemon_pid()?;
    let name = |number: usize| format!("app-{number}");
    for number in 0..containers {
        create(host, &name(number))?;
    }
    let ready = |list: &[Value]| list.iter().filter(|c| c["ready"] == true).count();
    eventually("all are ready", SOON * 4, || {
        (ready(&list(host).ok()?) == containers).then_some(())
    })?;

    // Earlier failures do not count: the servers did not listen yet.
    let before = list(host)?;
    let length = Duration::from_secs(60) * minutes;
    let begin = monotonic();
    // One-time allocations are over after this time.
    let warm = Duration::from_secs(60).min(length / 4);
    thread::sleep(warm);
    let first = settled(daemon)?;
    thread::sleep(length - warm);
    let last = settled(daemon)?;
    let end = monotonic();

    let after = list(host)?;
    let since = |what: &str| sum(&after, what).saturating_sub(sum(&before, what));
    let (failures, errors) = (since("failures"), since("errors"));
    let restarts: u64 = after.iter().filter_map(|c| c["restartCount"].as_u64()).sum();
    let waiting = after.iter().filter_map(|c| c["pid"].as_u64()).map(time_wait);
    let waiting: usize = waiting.sum::<Result<_>>()?;
    let (mut late, mut missed) = (Vec::new(), 0);
    for container in &after {
        let log = container["logPath"].as_str().context("no log path")?;
        for arrivals in arrivals(log, begin..end)?.values() {
            let (these, without) = lateness(arrivals, PERIOD);
            late.extend(these);
            missed += without;
        }
    }
    late.sort_unstable();
    let [median, p99, most] = [0.5, 0.99, 1.0].map(|share| quantile(&late, share));

    let cpu = last.cpu_seconds - first.cpu_seconds;
    let share = cpu / (length - warm).as_secs_f64();
    let probes = late.len();
    let per_probe = share * (end - begin) as f64 / probes.max(1) as f64;
    let ms = |micros: i64| micros as f64 / 1e3;
    println!("{containers} containers, three probes each, {minutes} min, {probes} arrivals");
    println!(
        "lateness     p50 {:.2} ms   p99 {:.2} ms   max {:.2} ms",
        ms(median),
        ms(p99),
        ms(most)
    );
    println!("missed       {missed} of the expected arrivals");
    println!("outcomes     {failures} failures, {errors} errors");
    println!("restarts     {restarts}");
    println!(
        "resident     {} KiB after {warm:?}, {} KiB at the end",
        first.resident >> 10,
        last.resident >> 10
    );
    println!("descriptors  {} after {warm:?}, {} at the end", first.descriptors, last.descriptors);
    println!("TIME_WAIT    {waiting} in all the containers' namespaces");
    println!("CPU          {:.1} % of a core, {per_probe:.0} us a probe", share * 100.0);

    let slack = first.resident / 20 + (1 << 20);
    let checks = [
        (restarts > 0, "containers were restarted"),
        (failures + errors > 0, "probes of healthy servers failed"),
        (p99 > MAX_P99, "probes are late: p99 over 50 ms"),
        (probes == 0, "no probe arrived"),
        (last.resident > first.resident + slack, "the daemon's memory grows"),
        (last.descriptors > first.descriptors + 4, "the daemon's descriptors grow"),
        // A socket stays in TIME_WAIT for a minute, so leftovers of probes would add up.
        (waiting > containers, "probes leave sockets in TIME_WAIT"),
    ];
    Ok(checks.iter().filter(|(wrong, _)| *wrong).map(|(_, text)| (*text).to_owned()).collect())
}

fn create(host: &Host, name: &str) -> Result<()> {
    let probe = |kind: &str| json!({ "url": format!("http://:8080/ok/{kind}"), "period": "1s" });
    let request = json!({
        "name": name, "image": TARGET_IMAGE, "start": true, "terminationGracePeriod": "0s",
        "args": ["http", "127.0.0.1:8080", "--log"],
        "startupProbe": probe("startup"), "livenessProbe": probe("liveness"),
        "readinessProbe": probe("readiness"),
    });
    host.call("probelet.v1.Containers/CreateContainer", &request)?;
    // Containers are started one after the other, because starts are not measured.
    let running = json!({ "name": name, "running": true });
    host.call("probelet.v1.Containers/WaitContainer", &running).map(drop)
}

fn list(host: &Host) -> Result<Vec<Value>> {
    let mut list = host.call("probelet.v1.Containers/ListContainers", &json!({}))?;
    match list["containers"].take() {
        Value::Array(containers) => Ok(containers),
        other => bail!("no containers: {other}"),
    }
}

/// The sum of a counter over all probes.
fn sum(containers: &[Value], what: &str) -> u64 {
    let probes = containers.iter().flat_map(|c| c["probes"].as_array().into_iter().flatten());
    probes.filter_map(|probe| probe[what].as_str()?.parse::<u64>().ok()).sum()
}

/// The daemon's size, with the lowest of 50 counts of descriptors, so that those of running probes
/// do not count.
fn settled(daemon: u32) -> Result<Size> {
    let mut least = Size::of(daemon)?;
    for _ in 0..50 {
        thread::sleep(Duration::from_millis(20));
        let size = Size::of(daemon)?;
        least.descriptors = least.descriptors.min(size.descriptors);
    }
    Ok(least)
}

/// The times of requests by path, from a server's log of lines `PATH MICROSECONDS`.
fn arrivals(log: &str, during: std::ops::Range<i64>) -> Result<BTreeMap<String, Vec<i64>>> {
    let text = fs::read_to_string(log).with_context(|| format!("cannot read {log}"))?;
    let mut arrivals: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for line in text.lines() {
        if let Some((path, at)) = line.split_once(' ')
            && let Ok(at) = at.parse()
            && during.contains(&at)
        {
            arrivals.entry(path.to_owned()).or_default().push(at);
        }
    }
    Ok(arrivals)
}
