//! The daemon's process, as the kernel sees it.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::Host;

impl Host {
    /// As a crash would: SIGKILL, no word to the containers.
    pub fn kill_daemon(&mut self) -> Result<()> {
        let mut daemon = self.daemon.take().context("no daemon runs")?;
        daemon.kill()?;
        daemon.wait()?;
        Ok(())
    }

    pub fn daemon_pid(&self) -> Result<u32> {
        Ok(self.daemon.as_ref().context("no daemon runs")?.id())
    }

    /// Stops the daemon's every thread for a while, as a starved machine would.
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
