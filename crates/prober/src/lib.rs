//! Single attempts of probes and lifecycle hooks: a handler and a container are the input, an
//! [`Outcome`] is the result. Thresholds and retries are decided elsewhere.

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout_at};

use probelet_domain::probe::Outcome;
use probelet_domain::spec::{
    ContainerSpec, ExecVia, Handler, Header, HookHandler, HttpGet, ProbeSpec,
};
use probelet_domain::time::Later;

mod dial;
mod exec;
mod executor;
mod grpc;
pub mod http;
mod resolve;
mod share;
mod target;
pub mod tcp;
mod tls;
mod wire;

pub use share::Share;
pub use target::{EXEC_OUTPUT, ExecError, Executed, Target, Turn};
pub use tls::Anyone;

/// Returns the instant `length` from now, by tokio's clock, which tests can pause.
pub fn deadline_in(length: Duration) -> Instant {
    let now = Instant::now();
    now.into_std().later(length).into()
}

/// Makes single attempts. The caller decides on thresholds and periods.
#[async_trait]
pub trait Prober: Send + Sync + 'static {
    /// Makes one attempt, which takes `probe.timeout` and 50 ms at most. A command may wait for its
    /// permits before, for 30 s at most; that wait is not part of the latency.
    async fn attempt(
        &self,
        task: Arc<dyn Target>,
        container: &ContainerSpec,
        probe: &ProbeSpec,
    ) -> Attempt;

    /// Runs a lifecycle hook within `bound`.
    ///
    /// # Errors
    ///
    /// The failure of the hook, in the kubelet's text.
    async fn hook(
        &self,
        task: Arc<dyn Target>,
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
            HookHandler::HttpGet(get) => Handler::HttpGet(as_hook(get)),
        };
        // Hooks run as the runtime runs them, whatever is set for probes.
        let exec_via = Some(ExecVia::Containerd);
        let probe = ProbeSpec { timeout: bound, exec_via, ..ProbeSpec::new(handler) };
        // The wait for permits is part of the hook's time, because a stop waits for no longer.
        let attempt = tokio::time::timeout(bound, self.attempt(task, container, &probe)).await;
        match attempt.map(|attempt| attempt.outcome) {
            Ok(Outcome::Success(_) | Outcome::Warning(_)) => Ok(()),
            Ok(Outcome::Failure(text) | Outcome::Exited(_, text) | Outcome::Error(text)) => {
                Err(text)
            }
            Err(_) => Err("timed out before the hook could run".to_owned()),
        }
    }
}

/// Adds the kubelet's `User-Agent` of hooks, which differs from that of probes.
fn as_hook(get: &HttpGet) -> HttpGet {
    let mut get = get.clone();
    if !get.headers.iter().any(|header| header.name.eq_ignore_ascii_case("user-agent")) {
        let value = "kube-lifecycle/1.36".into();
        get.headers.push(Header { name: "User-Agent".into(), value });
    }
    get
}

/// Result of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Outcome of the attempt, with its text.
    pub outcome: Outcome,
    /// Duration of the attempt, without the wait for permits.
    pub latency: Duration,
}

/// Time after the timeout within which a handler can report the timeout itself, with a more
/// specific text.
const OVERHEAD: Duration = Duration::from_millis(50);

/// Prober over sockets in the container's network namespace. Its outcomes have the texts of the
/// kubelet and of Go's client.
#[derive(Debug, Clone, Default)]
pub struct NetProber {
    execs: exec::Queue,
    exec_via: ExecVia,
}

impl NetProber {
    /// Makes a prober. `exec_via` is for exec probes that do not set it.
    pub fn new(exec_via: ExecVia) -> Self {
        Self { exec_via, ..Self::default() }
    }
}

#[async_trait]
impl Prober for NetProber {
    async fn attempt(
        &self,
        task: Arc<dyn Target>,
        container: &ContainerSpec,
        probe: &ProbeSpec,
    ) -> Attempt {
        let start = Instant::now();
        let deadline = deadline_in(probe.timeout);
        let port = match &probe.handler {
            Handler::HttpGet(get) => &get.port,
            Handler::TcpSocket(tcp) => &tcp.port,
            Handler::Grpc(grpc) => &grpc.port,
            Handler::Exec(exec) => {
                let via = probe.exec_via.unwrap_or(self.exec_via);
                return self.execs.attempt(task, exec, probe.timeout, via).await;
            }
        };
        let task = &task;
        let work = async {
            match (container.resolve_port(port), &probe.handler) {
                (Err(text), _) => Outcome::Error(text),
                (Ok(port), Handler::HttpGet(get)) => http::attempt(task, get, port, deadline).await,
                (Ok(port), Handler::TcpSocket(tcp)) => {
                    tcp::attempt(task, tcp, port, deadline).await
                }
                (Ok(port), Handler::Grpc(grpc)) => {
                    grpc::attempt(task, grpc, port, probe.timeout).await
                }
                (Ok(_), Handler::Exec(_)) => Outcome::Error("an exec probe has no port".into()),
            }
        };
        let at_the_latest = deadline_in(probe.timeout.saturating_add(OVERHEAD));
        let share = task.probe_share();
        let outcome = timeout_at(at_the_latest, share.spend(work)).await;
        let outcome = outcome.unwrap_or_else(|_| {
            Outcome::Failure(
                "context deadline exceeded: the container's probes used up their share of a processor"
                    .to_owned(),
            )
        });
        Attempt { outcome: outcome.bounded(), latency: start.elapsed() }
    }
}

#[cfg(test)]
mod tests;
