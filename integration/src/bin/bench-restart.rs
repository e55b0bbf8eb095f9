//! Measures the time from a crash until the container runs again. A task is killed by its process
//! id, and the time until containerd's event `/tasks/start` is taken: once through the daemon (a
//! new record and a new snapshot each time), once with ctr (the task of the same container is
//! deleted and started). It also measures the time from the third failing probe to the end by
//! SIGTERM.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, now, root};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const CREATE: &str = "probelet.v1.Containers/CreateContainer";
const REMOVE: &str = "probelet.v1.Containers/RemoveContainer";

fn main() -> Result<()> {
    let runs = match std::env::args().nth(1) {
        Some(text) => text.parse().context("RUNS is a number")?,
        None => 20,
    };
    let mut host = Host::start()?;
    // The brake would hold back so many kills in a row.
    host.start_daemon_with(&["--no-brake"])?;
    let mut events = Events::watch(&host)?;

    let mut ours = Vec::new();
    for run in 0..runs {
        ours.push(by_daemon(&host, &events, run)?);
    }
    let mut raw = Vec::new();
    for run in 0..runs {
        raw.push(by_ctr(&host, &events, run)?);
    }
    let mut reaction = Vec::new();
    for run in 0..runs.min(5) {
        reaction.push(probe_to_sigterm(&host, run)?);
    }
    events.end()?;

    let (ours, raw) = (Summary::of(ours), Summary::of(raw));
    println!("crash -> running again, {runs} runs each, ms from kill(2) to /tasks/start:");
    println!("  probelet (new record, fresh snapshot)     {ours}");
    println!("  ctr task delete + ctr task start          {raw}");
    println!("  ratio of the medians                      {:.2}", ours.median / raw.median);
    println!("third failing probe answered -> process ended by SIGTERM (an upper bound), ms:");
    println!("  probelet                                  {}", Summary::of(reaction));
    Ok(())
}

/// Each run uses a new container, because only the first restart has no back-off.
fn by_daemon(host: &Host, events: &Events, run: usize) -> Result<Duration> {
    let name = format!("bench-{run}");
    let request = json!({ "name": name, "image": IMAGE, "args": ["sleep"], "start": true });
    host.call(CREATE, &request)?;
    let pid = eventually("it runs", SOON, || host.task_pid(&format!("{name}_0")).ok())?;
    events.forget();
    let start = crash(pid)?;
    let took = events.await_start(&format!("{name}_1"))?.duration_since(start);
    host.call(REMOVE, &json!({ "name": name, "gracePeriod": "0s" }))?;
    Ok(took)
}

fn by_ctr(host: &Host, events: &Events, run: usize) -> Result<Duration> {
    let id = format!("raw-{run}");
    host.ctr(["run", "--detach", IMAGE, &id, "/kubia-unhealthy", "sleep"])?;
    let pid = host.task_pid(&id)?;
    events.forget();
    let start = crash(pid)?;
    events.await_topic("/tasks/exit", &id)?;
    host.ctr(["task", "delete", &id])?;
    host.ctr(["task", "start", "--detach", &id])?;
    let took = events.await_start(&id)?.duration_since(start);
    host.ctr(["task", "delete", "--force", &id])?;
    host.ctr(["containers", "delete", &id])?;
    Ok(took)
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
    host.call(CREATE, &request)?;
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
    host.call(REMOVE, &this)?;
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

fn crash(pid: u32) -> Result<Instant> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no process id")?;
    let start = now();
    kill_process(pid, Signal::KILL)?;
    Ok(start)
}

/// The lines of `ctr events`, each with the time at which it arrived.
struct Events {
    child: Child,
    lines: Receiver<(Instant, String)>,
}

impl Events {
    fn watch(host: &Host) -> Result<Self> {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(host.containerd_socket());
        command.args(["--namespace", host.namespace(), "events"]);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("no pipe")?;
        let (sender, lines) = sync_channel(10_000);
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send((now(), line)).is_err() {
                    return;
                }
            }
        });
        let events = Self { child, lines };
        // The subscription is active once it delivers an event that is caused here.
        eventually("ctr events delivers an event", SOON, || {
            host.ctr(["images", "label", IMAGE, "bench=1"]).ok();
            events.lines.try_recv().ok()
        })?;
        Ok(events)
    }

    fn forget(&self) {
        while self.lines.try_recv().is_ok() {}
    }

    fn await_start(&self, id: &str) -> Result<Instant> {
        self.await_topic("/tasks/start", id)
    }

    fn await_topic(&self, topic: &str, id: &str) -> Result<Instant> {
        let quoted = format!("\"{id}\"");
        loop {
            let (at, line) = self
                .lines
                .recv_timeout(SOON)
                .with_context(|| format!("no {topic} event of {id} arrived"))?;
            if line.contains(topic) && line.contains(&quoted) {
                return Ok(at);
            }
        }
    }

    fn end(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

struct Summary {
    least: f64,
    median: f64,
    most: f64,
}

impl Summary {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |index: usize| times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
        let last = times.len().saturating_sub(1);
        Self { least: at(0), median: at(times.len() / 2), most: at(last) }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "median {:6.1}   least {:6.1}   most {:6.1}", self.median, self.least, self.most)
    }
}
