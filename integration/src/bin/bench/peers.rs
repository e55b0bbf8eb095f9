//! Restarts by others, of the same image: podman, and containerd's restart monitor.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, finish, now, root, succeed};
use tempfile::TempDir;

use crate::restart::{Events, RUNS, crash};

/// The monitor looks each 10 s, so a run takes up to that long.
const MONITOR_RUNS: usize = 3;
const STEP: Duration = Duration::from_millis(1);

/// From a crash until podman's file has the next process; `None` if there is no podman.
pub fn by_podman() -> Result<Option<Vec<Duration>>> {
    if Command::new("podman").arg("--version").output().is_err() {
        eprintln!("left out: podman is not installed");
        return Ok(None);
    }
    // podman refuses a folder whose path is longer than 50 characters.
    let podman = Podman { folder: tempfile::tempdir_in("/tmp")? };
    let image = root().join("target/images/kubia-unhealthy.tar");
    podman.run(["load", "--quiet", "--input", &image.to_string_lossy()])?;
    let mut times = Vec::new();
    for run in 0..RUNS {
        let taken = podman.restart(&format!("bench-{run}"));
        // Each run has a container of its own, as with the daemon.
        podman.run(["rm", "--force", "--all", "--time", "0"])?;
        times.push(taken?);
    }
    Ok(Some(times))
}

/// From a crash until containerd reports the start by its restart monitor.
pub fn by_monitor(host: &Host, events: &Events) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for run in 0..MONITOR_RUNS {
        let id = format!("monitored-{run}");
        let label = ["--label", "containerd.io/restart.status=running"];
        host.ctr(
            [&["run", "--detach"], &label[..], &[IMAGE, &id, "/kubia-unhealthy", "sleep"]].concat(),
        )?;
        let pid = host.task_pid(&id)?;
        events.forget();
        let start = crash(pid)?;
        times.push(events.await_start(&id)?.duration_since(start));
        host.ctr(["containers", "label", &id, "containerd.io/restart.status="])?;
        host.ctr(["task", "delete", "--force", &id])?;
        host.ctr(["containers", "delete", &id])?;
    }
    Ok(times)
}

/// podman with folders of its own.
struct Podman {
    folder: TempDir,
}

impl Podman {
    fn run<const N: usize>(&self, args: [&str; N]) -> Result<String> {
        let mut command = Command::new("podman");
        for (flag, folder) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(flag).arg(self.folder.path().join(folder));
        }
        command.args(["--cgroup-manager", "cgroupfs", "--events-backend", "file"]);
        succeed(finish(command.args(["--runtime", "runc"]).args(args), "")?)
    }

    fn restart(&self, name: &str) -> Result<Duration> {
        // podman asks for more open files than this machine may allow.
        let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
        let [nofile, files, nproc, processes] = limits;
        let id = self.run([
            "run",
            "--detach",
            "--name",
            name,
            "--network",
            "none",
            "--restart",
            "always",
            nofile,
            files,
            nproc,
            processes,
            IMAGE,
            "sleep",
        ])?;
        let data =
            self.folder.path().join("run/overlay-containers").join(id.trim()).join("userdata");
        let file = data.join("pidfile");
        let pid = eventually("podman's container runs", SOON, || pid_in(&file))?;
        let start = crash(pid)?;
        next(&file, pid, start)
    }
}

fn pid_in(file: &Path) -> Option<u32> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn next(file: &Path, before: u32, start: Instant) -> Result<Duration> {
    loop {
        if pid_in(file).is_some_and(|pid| pid != before) {
            return Ok(now().duration_since(start));
        }
        ensure!(start.elapsed() < SOON, "podman does not restart its container");
        thread::sleep(STEP);
    }
}
