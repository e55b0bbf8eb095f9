//! Starts and kills containerd.

use std::path::Path;
use std::process::{Child, Command};

use anyhow::{Result, ensure};

use crate::Host;
use crate::proxy::{self, Proxy};

impl Host {
    pub fn containerd_pid(&self) -> u32 {
        self.containerd.id()
    }

    /// Kills containerd by SIGKILL, as a crash would. Shims and containers run on.
    pub fn kill_containerd(&mut self) -> Result<()> {
        self.containerd.kill()?;
        self.containerd.wait()?;
        Ok(())
    }

    pub fn start_containerd(&mut self) -> Result<()> {
        self.spawn_containerd()?;
        self.wait_containerd()
    }

    /// Starts containerd without waiting until it answers.
    pub fn spawn_containerd(&mut self) -> Result<()> {
        ensure!(self.proxy.is_none(), "containerd would take the proxy's socket");
        self.containerd = spawn(self.dir.path())?;
        Ok(())
    }

    /// Puts a proxy between containerd and the daemons that are started from now on.
    pub fn put_proxy(&mut self) -> Result<&Proxy> {
        let (socket, direct) = (self.containerd_socket(), self.path("direct.sock"));
        Ok(self.proxy.insert(proxy::put_before(&socket, &direct)?))
    }

    /// The proxy, if there is one.
    pub fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }
}

pub(crate) fn spawn(dir: &Path) -> Result<Child> {
    let mut command = Command::new("containerd");
    command.arg("--config").arg(dir.join("containerd.toml"));
    // A test may put its own runc there.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", dir.join("bin").display()));
    crate::spawn(&mut command, &dir.join("containerd.log"))
}
