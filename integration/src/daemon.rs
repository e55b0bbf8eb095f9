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
        let pid = Pid::from_child(self.daemon.as_ref().context("no daemon runs")?);
        kill_process(pid, Signal::STOP)?;
        thread::sleep(length);
        Ok(kill_process(pid, Signal::CONT)?)
    }
}
