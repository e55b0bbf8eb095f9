//! containerd's process: started, killed.

use std::path::Path;
use std::process::{Child, Command};

use anyhow::Result;

use crate::Host;

impl Host {
    pub fn containerd_pid(&self) -> u32 {
        self.containerd.id()
    }

    /// As a crash would; shims and containers go on.
    pub fn kill_containerd(&mut self) -> Result<()> {
        self.containerd.kill()?;
        self.containerd.wait()?;
        Ok(())
    }

    pub fn start_containerd(&mut self) -> Result<()> {
        self.containerd = spawn(self.dir.path())?;
        self.wait_containerd()
    }

    /// Starts it without waiting for it.
    pub fn spawn_containerd(&mut self) -> Result<()> {
        self.containerd = spawn(self.dir.path())?;
        Ok(())
    }
}

pub(crate) fn spawn(dir: &Path) -> Result<Child> {
    let mut command = Command::new("containerd");
    command.arg("--config").arg(dir.join("containerd.toml"));
    // For a runc of a test's own.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", dir.join("bin").display()));
    crate::spawn(&mut command, &dir.join("containerd.log"))
}
