//! A host whose daemon serves the Kubernetes API, and kubectl for it.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{Done, Host, bounded, finish, free_address, succeed};

/// A host whose daemon serves the Kubernetes API.
pub struct Kube {
    pub host: Host,
    kubeconfig: PathBuf,
    address: String,
}

impl Kube {
    pub fn start() -> Result<Self> {
        let mut host = Host::start()?;
        let address = free_address()?;
        host.start_daemon_with(&["--kube-api", &address])?;
        let kubeconfig = host.path("kubeconfig");
        std::fs::write(&kubeconfig, host.probelet(["kubeconfig", "--name", "tester"])?)?;
        Ok(Self { host, kubeconfig, address })
    }

    /// Starts the daemon again, on the same address.
    pub fn start_daemon(&mut self) -> Result<()> {
        let address = self.address.clone();
        self.host.start_daemon_with(&["--kube-api", &address])
    }

    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.try_kubectl(args, "").and_then(succeed)
    }

    /// Runs kubectl with a manifest as its input.
    pub fn apply(&self, args: &[&str], manifest: &str) -> Result<String> {
        self.try_kubectl(args, manifest).and_then(succeed)
    }

    pub fn try_kubectl(&self, args: &[&str], stdin: &str) -> Result<Done> {
        self.as_user(&self.kubeconfig, args, stdin)
    }

    /// Runs kubectl with another kubeconfig.
    pub fn as_user(&self, kubeconfig: &PathBuf, args: &[&str], stdin: &str) -> Result<Done> {
        let program = std::env::var("KUBECTL").context("KUBECTL is not set")?;
        let mut command = bounded(program);
        command.env("KUBECONFIG", kubeconfig).env("HOME", self.host.path("home"));
        finish(command.args(args), stdin)
    }

    /// Runs kubectl, which must fail, and returns its error.
    pub fn refused(&self, args: &[&str], stdin: &str) -> Result<String> {
        let done = self.try_kubectl(args, stdin)?;
        ensure!(done.code != Some(0), "kubectl {args:?} succeeded: {}", done.stdout);
        Ok(done.stderr)
    }

    pub fn json(&self, args: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.kubectl(&[args, &["-o", "json"]].concat())?)?)
    }
}
