//! One probe attempt: a handler and a task in, an [`Outcome`] out. No thresholds, no retries.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::domain::probe::Outcome;
use crate::domain::spec::{ContainerSpec, Handler, ProbeSpec};
use crate::runtime::Task;

mod dial;
mod exec;
mod executor;
mod grpc;
pub mod http;
mod resolve;
pub mod tcp;
mod tls;
mod wire;

#[async_trait]
pub trait Prober: Send + Sync + 'static {
    /// Never longer than `probe.timeout` (and a scheduler's delay); a command may have to wait
    /// for its turn before, which is bounded too and part of no latency.
    async fn attempt(
        &self,
        task: Arc<dyn Task>,
        container: &ContainerSpec,
        probe: &ProbeSpec,
    ) -> Attempt;
}

#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    pub outcome: Outcome,
    pub latency: Duration,
}

/// Probes over sockets that are born in the task's network namespace. What it answers, to the
/// letter where Go's client is quoted, is what the kubelet's probers answer.
#[derive(Debug, Clone, Default)]
pub struct NetProber {
    execs: exec::Queue,
}

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
            Handler::Exec(exec) => return self.execs.attempt(task, exec, probe.timeout).await,
        };
        let task = &task;
        let outcome = match (container.resolve_port(port), &probe.handler) {
            (Err(text), _) => Outcome::Error(text),
            (Ok(port), Handler::HttpGet(get)) => http::attempt(task, get, port, deadline).await,
            (Ok(port), Handler::TcpSocket(tcp)) => tcp::attempt(task, tcp, port, deadline).await,
            (Ok(port), Handler::Grpc(grpc)) => grpc::attempt(task, grpc, port, probe.timeout).await,
            (Ok(_), Handler::Exec(_)) => Outcome::Error("an exec probe has no port".into()),
        };
        Attempt { outcome, latency: start.elapsed() }
    }
}

#[cfg(test)]
mod tests;
