//! Many pods: their start, the daemon's load and memory, and how soon a new daemon answers for them.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use probelet_integration::measure::Size;
use probelet_integration::{Host, IMAGE, now};

use crate::probes::{list, running};
use crate::report::Row;
use crate::size::resident;

const PODS: usize = 500;
const LOAD: Duration = Duration::from_secs(20);
/// The pause between two questions to a daemon that starts.
const ASK_AGAIN: Duration = Duration::from_millis(10);

pub fn run() -> Result<Vec<Row>> {
    let mut host = Host::start()?;
    host.start_daemon_with(&["--no-brake"])?;
    let start = now();
    host.apply(&manifest())?;
    running(&host, PODS)?;
    let up = start.elapsed().as_secs_f64();
    let memory = resident(&host)?;
    let share = load(&host)?;
    host.kill_daemon()?;
    let raw = raw_look(&host)?;
    let start = now();
    host.spawn_daemon()?;
    let answered = first_answer(&host, start)?;
    // The pods are removed by a daemon, so that nothing of them is left.
    host.wait_daemon()?;
    host.probelet(["delete", "pod", "--all", "--force"]).context("delete")?;
    Ok(vec![
        Row::alone("500 pods, from apply to all running", "s", up),
        Row::alone("resident memory with 500 pods probed each second", "MiB", memory),
        Row::alone("share of a core with 500 pods probed each second", "%", share),
        Row::alone("from the start of a daemon to its list of 500 pods", "ms", answered)
            .beside(raw, "ctr containers list, ctr tasks list"),
    ])
}

/// Servers that never fail, each probed once a second.
fn manifest() -> String {
    let pod = |number| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: bench-{number}}}\nspec:\n  containers:\n  \
             - name: main\n    image: {IMAGE}\n    imagePullPolicy: Never\n    \
             args: [serve, --fail-after, \"{}\"]\n    \
             livenessProbe: {{httpGet: {{port: 8080}}, periodSeconds: 1}}\n---\n",
            u64::MAX
        )
    };
    (0..PODS).map(pod).collect()
}

/// The daemon's share of a core in percent.
fn load(host: &Host) -> Result<f64> {
    let before = Size::of(host.daemon_pid()?)?.cpu_seconds;
    thread::sleep(LOAD);
    let used = Size::of(host.daemon_pid()?)?.cpu_seconds - before;
    Ok(used / LOAD.as_secs_f64() * 100.0)
}

/// What containerd needs to tell all containers and the states of their tasks.
fn raw_look(host: &Host) -> Result<f64> {
    let start = now();
    host.ctr(["containers", "list", "--quiet"])?;
    let tasks = host.ctr(["tasks", "list", "--quiet"])?;
    let took = start.elapsed();
    ensure!(tasks.lines().count() >= PODS, "only {} tasks", tasks.lines().count());
    Ok(took.as_secs_f64() * 1000.0)
}

fn first_answer(host: &Host, start: Instant) -> Result<f64> {
    loop {
        if let Ok(pods) = list(host) {
            let took = start.elapsed();
            ensure!(pods.len() == PODS, "the first answer has {} pods", pods.len());
            return Ok(took.as_secs_f64() * 1000.0);
        }
        ensure!(start.elapsed() < Duration::from_secs(60), "the daemon does not answer");
        thread::sleep(ASK_AGAIN);
    }
}
