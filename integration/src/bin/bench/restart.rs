//! The time from a crash until the container runs again: by the daemon, with a new record and a new
//! snapshot each time; by ctr, which deletes and starts the task of the same container; and by others.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use probelet_integration::{Host, IMAGE, SOON, eventually, now};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::peers;
use crate::report::{Row, median};

const CREATE: &str = "probelet.v1.Containers/CreateContainer";
const REMOVE: &str = "probelet.v1.Containers/RemoveContainer";
pub const RUNS: usize = 20;

pub fn run() -> Result<Vec<Row>> {
    let mut host = Host::start()?;
    // The brake would hold back so many kills in a row.
    host.start_daemon_with(&["--no-brake"])?;
    let mut events = Events::watch(&host)?;
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        // By turns, so that both meet the same load.
        ours.push(by_daemon(&host, &events, run)?);
        raw.push(by_ctr(&host, &events, run)?);
    }
    let monitor = peers::by_monitor(&host, &events)?;
    events.end()?;
    let ours = median(ours);
    let row = |what, other, name| Row::alone(what, "ms", ours).beside(median(other), name);
    let mut rows = vec![
        row("from a crash to the next start", raw, "ctr task delete, ctr task start"),
        row("the same, beside containerd's monitor", monitor, "containerd.io/restart.status"),
    ];
    if let Some(podman) = peers::by_podman()? {
        rows.push(row("the same, beside podman", podman, "podman run --restart=always"));
    }
    Ok(rows)
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

pub fn crash(pid: u32) -> Result<Instant> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no process id")?;
    let start = now();
    kill_process(pid, Signal::KILL)?;
    Ok(start)
}

/// The lines of `ctr events`, each with the time at which it arrived.
pub struct Events {
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

    pub fn forget(&self) {
        while self.lines.try_recv().is_ok() {}
    }

    pub fn await_start(&self, id: &str) -> Result<Instant> {
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
