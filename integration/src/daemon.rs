//! Starts, kills and suspends the daemon.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};

use crate::{Host, SOON, eventually, probelet_bin, spawn};

impl Host {
    pub fn start_daemon(&mut self) -> Result<()> {
        self.start_daemon_with(&[])
    }

    pub fn start_daemon_with(&mut self, flags: &[&str]) -> Result<()> {
        self.spawn_daemon_with(flags)?;
        self.wait_daemon()
    }

    /// Starts the daemon without waiting until it answers.
    pub fn spawn_daemon(&mut self) -> Result<()> {
        self.spawn_daemon_with(&[])
    }

    /// Starts the daemon with another boot id, as after a reboot of the host.
    pub fn start_daemon_in_another_boot(&mut self) -> Result<()> {
        self.start_daemon_reading("/proc/sys/kernel/random/boot_id", "another\n")
    }

    /// Starts a daemon for which the file `path` of `/proc` has this text.
    pub fn start_daemon_reading(&mut self, path: &str, text: &str) -> Result<()> {
        let file = self.path("proc-file");
        std::fs::write(&file, text)?;
        let script =
            format!(r#"mount --make-rprivate /proc && mount --bind "$0" {path} && exec "$@""#);
        let mut command = Command::new("unshare");
        // Shared mounts stay shared, because containerd must see the daemon's mounts.
        command.args(["--mount", "--propagation", "unchanged", "sh", "-c", &script]).arg(file);
        self.start_daemon_by(command, &[])
    }

    fn spawn_daemon_with(&mut self, flags: &[&str]) -> Result<()> {
        self.spawn_daemon_of(&probelet_bin(), flags)
    }

    /// Starts this binary as the daemon, without waiting for it.
    pub fn spawn_daemon_of(&mut self, binary: &Path, flags: &[&str]) -> Result<()> {
        self.spawn_daemon_by(Command::new(binary), flags)
    }

    /// Starts the daemon by a program that gets the daemon's command line as its last arguments.
    pub fn start_daemon_by(&mut self, mut program: Command, flags: &[&str]) -> Result<()> {
        program.arg(probelet_bin());
        self.spawn_daemon_by(program, flags)?;
        self.wait_daemon()
    }

    fn spawn_daemon_by(&mut self, mut command: Command, flags: &[&str]) -> Result<()> {
        command
            .args(["serve", "--socket"])
            .arg(self.socket())
            .arg("--containerd-address")
            .arg(self.containerd_socket())
            .args(["--containerd-namespace", &self.namespace])
            .arg("--run-dir")
            .arg(self.path("run"))
            .arg("--log-dir")
            .arg(self.path("log"))
            .arg("--seccomp-dir")
            .arg(self.path("seccomp"))
            .arg("--data-dir")
            .arg(self.path("data"))
            // Not the machine's own CNI configuration.
            .arg("--cni-conf-dir")
            .arg(self.path("cni"))
            .args(&self.flags)
            .args(flags);
        self.daemon = Some(spawn(&mut command, &self.path("probelet.log"))?);
        Ok(())
    }

    /// Waits until the daemon answers and each pod is recovered.
    pub fn wait_daemon(&mut self) -> Result<()> {
        let mut daemon = self.daemon.take().context("there is no daemon")?;
        let answers = eventually("probelet answers", SOON, || {
            if let Ok(Some(status)) = daemon.try_wait() {
                return Some(Err(anyhow!("probelet ended: {status}")));
            }
            let answers = self.probelet(["get", "pods"]).is_ok() && self.supervises_all();
            answers.then_some(Ok(()))
        });
        self.daemon = Some(daemon);
        let answers = answers.and_then(|ended| ended);
        answers.inspect_err(|_| self.show_logs())
    }

    /// Whether each pod has its actor, as the health service reports. True if it cannot be called,
    /// because grpcurl is not installed.
    fn supervises_all(&self) -> bool {
        const MISSING: i32 = 127;
        let request = ["-d", r#"{"service": "supervision"}"#];
        let answer = self.try_grpcurl(&request, &["grpc.health.v1.Health/Check"], "");
        answer.is_ok_and(|done| done.code == Some(MISSING) || done.stdout.contains(r#""SERVING""#))
    }

    /// Kills the daemon by SIGKILL, as a crash would. The containers run on.
    pub fn kill_daemon(&mut self) -> Result<()> {
        let mut daemon = self.daemon.take().context("no daemon runs")?;
        daemon.kill()?;
        daemon.wait()?;
        Ok(())
    }

    pub fn daemon_pid(&self) -> Result<u32> {
        Ok(self.daemon.as_ref().context("no daemon runs")?.id())
    }

    /// Suspends all threads of the daemon for this time, as on a starved machine.
    pub fn hold_up_daemon(&self, length: Duration) -> Result<()> {
        let daemon = self.daemon_pid()?;
        signal(daemon, Signal::STOP)?;
        thread::sleep(length);
        signal(daemon, Signal::CONT)
    }
}

pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no process id")?;
    Ok(kill_process(pid, signal)?)
}

/// The shim of a container, which is the parent of its init process.
pub fn shim_of(pid: u32) -> Result<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    Ok(after_name.split_whitespace().nth(1).context("no parent")?.parse()?)
}
