//! One probe attempt: a handler and a task in, an [`Outcome`] out. No thresholds, no retries.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::domain::probe::Outcome;
use crate::domain::spec::{ContainerSpec, Handler, HookHandler, ProbeSpec};
use crate::runtime::Task;

mod exec;
mod grpc;
pub mod http;
pub mod tcp;

#[async_trait]
pub trait Prober: Send + Sync + 'static {
    /// Never longer than `probe.timeout` (and a scheduler's delay).
    async fn attempt(
        &self,
        task: Arc<dyn Task>,
        container: &ContainerSpec,
        probe: &ProbeSpec,
    ) -> Attempt;

    /// Runs a lifecycle hook; the error is its failure in the kubelet's words.
    async fn hook(
        &self,
        task: Arc<dyn Task>,
        container: &ContainerSpec,
        hook: &HookHandler,
        bound: Duration,
    ) -> Result<(), String>;
}

#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    pub outcome: Outcome,
    pub latency: Duration,
}

/// Probes over sockets that are born in the task's network namespace. What it answers, to the
/// letter where Go's client is quoted, is what the kubelet's probers answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct NetProber;

#[async_trait]
impl Prober for NetProber {
    async fn attempt(
        &self,
        task: Arc<dyn Task>,
        container: &ContainerSpec,
        probe: &ProbeSpec,
    ) -> Attempt {
        let start = Instant::now();
        let deadline = start + probe.timeout;
        let port = match &probe.handler {
            Handler::HttpGet(get) => &get.port,
            Handler::TcpSocket(tcp) => &tcp.port,
            Handler::Grpc(grpc) => &grpc.port,
            Handler::Exec(exec) => return exec::attempt(task, exec, probe.timeout).await,
        };
        let task = task.as_ref();
        let outcome = match (container.resolve_port(port), &probe.handler) {
            (Err(text), _) => Outcome::Error(text),
            (Ok(port), Handler::HttpGet(get)) => http::attempt(task, get, port, deadline).await,
            (Ok(port), Handler::TcpSocket(tcp)) => tcp::attempt(task, tcp, port, deadline).await,
            (Ok(port), Handler::Grpc(grpc)) => grpc::attempt(task, grpc, port, probe.timeout).await,
            (Ok(_), Handler::Exec(_)) => Outcome::Error("an exec probe has no port".into()),
        };
        Attempt { outcome, latency: start.elapsed() }
    }

    async fn hook(
        &self,
        task: Arc<dyn Task>,
        container: &ContainerSpec,
        hook: &HookHandler,
        bound: Duration,
    ) -> Result<(), String> {
        let handler = match hook {
            HookHandler::Sleep(length) => {
                let slept = tokio::time::timeout(bound, tokio::time::sleep(*length)).await;
                return slept.map_err(|_| "container terminated before sleep hook finished".into());
            }
            HookHandler::Exec(exec) => Handler::Exec(exec.clone()),
            HookHandler::HttpGet(get) => Handler::HttpGet(get.clone()),
        };
        let probe = ProbeSpec { timeout: bound, ..ProbeSpec::new(handler) };
        match self.attempt(task, container, &probe).await.outcome {
            Outcome::Success(_) | Outcome::Warning(_) => Ok(()),
            Outcome::Failure(text) | Outcome::Error(text) => Err(text),
        }
    }
}

#[cfg(test)]
mod tests;
