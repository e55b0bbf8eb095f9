//! A container that hostile inputs must not touch, and everything that they must not leave.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{Host, SOON, eventually, processes_with};

/// A probed container `bystander`, the daemon beside it, and what was there before the inputs.
pub struct Bystander {
    daemon: u32,
    container: Value,
    existing: BTreeSet<String>,
}

impl Bystander {
    /// Starts the container, whose liveness probe succeeds each second.
    pub fn start(host: &Host) -> Result<Self> {
        let probe = json!({ "exec": { "command": ["true"] }, "period": "1s" });
        let mut request = host.busybox("bystander", "exec sleep 100000")?;
        crate::target::extend(&mut request, json!({ "livenessProbe": probe, "start": true }));
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        host.wait_status("bystander", SOON, |status| status["state"]["running"].is_object())?;
        let container = Self::identity(host)?;
        let mut existing = BTreeSet::new();
        // The container is there as a whole once two looks agree.
        eventually("the bystander is all there", SOON, || {
            let now = remains(host).ok()?;
            let is_same = now == existing;
            existing = now;
            is_same.then_some(())
        })?;
        Ok(Self { daemon: host.daemon_pid()?, container, existing })
    }

    /// The process, the restarts and the probe of the container.
    fn identity(host: &Host) -> Result<Value> {
        let container = host.container("bystander")?;
        let status = container.get("status").cloned().unwrap_or_default();
        let pid = host.task_pid("bystander_0")?;
        Ok(json!({ "pid": pid, "restarts": status.get("restartCount") }))
    }

    /// Checks that the container is the same process and is probed, that the daemon is the same one
    /// and answers, and that nothing is there that was not before.
    pub fn is_unharmed(&self, host: &Host) -> Result<()> {
        ensure!(host.daemon_pid()? == self.daemon, "another daemon runs");
        let now = Self::identity(host).context("the bystander or the daemon has ended")?;
        ensure!(now == self.container, "{now} was {}", self.container);
        let failed = host.events()?.into_iter().filter(|event| {
            event.contains("bystander")
                && ["Unhealthy", "Killing"].iter().any(|w| event.contains(w))
        });
        let failed: Vec<_> = failed.collect();
        ensure!(failed.is_empty(), "{failed:?}");
        let mut left = Vec::new();
        let gone = eventually("nothing is left", SOON * 2, || {
            left = remains(host).ok()?.difference(&self.existing).cloned().collect();
            left.is_empty().then_some(())
        });
        gone.with_context(|| format!("left: {left:#?}"))
    }
}

/// Containers, tasks, snapshots, leases, mounts, files of the three folders, and processes that name
/// containerd's namespace or a folder of the host.
fn remains(host: &Host) -> Result<BTreeSet<String>> {
    let mut all: BTreeSet<String> = host.leftovers()?.into_iter().collect();
    let leases = host.ctr(["leases", "ls", "-q"])?;
    all.extend(leases.lines().map(|lease| format!("lease {lease}")));
    for folder in ["run", "log", "data"] {
        let mut files = Vec::new();
        below(&host.path(folder), &mut files);
        all.extend(files.iter().map(|path| format!("file {}", path.display())));
    }
    all.extend(processes_with(host.namespace()).into_iter().filter(|line| {
        // The clients of this test come and go.
        line.contains("containerd-shim") || line.contains("pod-pause")
    }));
    Ok(all)
}

/// Files and folders, of which those that hold a daemon's own state are left out.
fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        // What is mounted in a volume belongs to a container.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            below(&path, found);
        }
        found.push(path);
    }
}
