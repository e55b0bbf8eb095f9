//! What is wanted: pods, containers and probes, in Kubernetes' terms and with its defaults.
//!
//! The fields are public so that a spec can be written down; only [`PodSpec::validate`] makes
//! the [`Validated`] one that the supervisor takes. Rules and texts follow Kubernetes' own
//! validation (`pkg/apis/core/validation`), so a path reads as it does from `kubectl apply`.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod change;
mod message;
mod place;
#[cfg(test)]
pub(crate) mod sample;
mod validate;

pub use change::Change;
pub use message::{MessagePolicy, TerminationMessage};
pub use place::Role;
pub use validate::{SpecError, SpecErrors};

/// A value that has passed its checks; there is no other way to come by one.
#[derive(Debug, Clone, PartialEq)]
pub struct Validated<T>(T);

impl<T> Validated<T> {
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Validated<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodSpec {
    pub namespace: String,
    pub name: String,
    /// Made by probelet at creation, a random UUID.
    pub uid: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub restart_policy: RestartPolicy,
    /// SIGTERM to SIGKILL; Kubernetes' default is 30 s.
    pub termination_grace: Duration,
    /// From the pod's creation; when it is over the pod has failed.
    #[serde(default)]
    pub active_deadline: Option<Duration>,
    pub hostname: Option<String>,
    /// Run one by one before the others; one that always restarts is a sidecar.
    #[serde(default)]
    pub init_containers: Vec<ContainerSpec>,
    pub containers: Vec<ContainerSpec>,
    /// By the name of a container those that restart with it.
    #[serde(default)]
    pub dependents: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    pub name: String,
    pub source: Source,
    /// Replaces the image's ENTRYPOINT where not empty.
    pub command: Vec<String>,
    /// Replaces the image's CMD where not empty; a `command` alone drops the image's CMD.
    pub args: Vec<String>,
    /// Later entries win over earlier ones and over the image's.
    pub env: Vec<EnvVar>,
    pub working_dir: Option<String>,
    pub ports: Vec<ContainerPort>,
    pub probes: Probes,
    #[serde(default)]
    pub lifecycle: Lifecycle,
    pub restart_policy: Option<RestartPolicy>,
    /// Looked at in order when the container has exited by itself; beat the policy.
    #[serde(default)]
    pub restart_policy_rules: Vec<RestartRule>,
    #[serde(default)]
    pub termination_message: TerminationMessage,
    pub backoff: BackoffLimits,
}

/// What a container is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Source {
    /// An image that containerd's store knows; each attempt gets a fresh snapshot of it.
    Image(String),
    /// A runtime spec as the user wrote it, on a root filesystem that all attempts share.
    Bundle { oci_spec: String, rootfs: PathBuf },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvVar {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerPort {
    pub name: Option<String>,
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`; informational.
    pub protocol: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RestartPolicy {
    #[default]
    Always,
    OnFailure,
    Never,
}

/// What follows an exit with one of these codes (or with none of them).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartRule {
    pub action: RestartAction,
    pub operator: ExitCodeOperator,
    pub values: Vec<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartAction {
    Restart,
    /// In a pod of one container the same.
    RestartAllContainers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitCodeOperator {
    In,
    NotIn,
}

impl RestartRule {
    pub fn matches(&self, exit_code: i32) -> bool {
        self.values.contains(&exit_code) == (self.operator == ExitCodeOperator::In)
    }
}

/// The back-off ladder: 0, `base`, 2·`base`, … up to `cap`; an instance that ran `reset` forgets it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BackoffLimits {
    pub base: Duration,
    pub cap: Duration,
    pub reset: Duration,
}

impl Default for BackoffLimits {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(10),
            cap: Duration::from_secs(300),
            reset: Duration::from_secs(600),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Probes {
    pub startup: Option<ProbeSpec>,
    pub readiness: Option<ProbeSpec>,
    pub liveness: Option<ProbeSpec>,
}

/// What happens beside the process at its beginning and its end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Lifecycle {
    /// Runs when the process has started; probes wait for it, and its failure ends the process.
    pub post_start: Option<HookHandler>,
    /// Runs before the stop signal, within the grace.
    pub pre_stop: Option<HookHandler>,
    /// In place of the image's, which is in place of SIGTERM.
    pub stop_signal: Option<i32>,
    /// Sent to a container that a probe has condemned, before it is seen what it does: a Java
    /// process writes its threads into its log on SIGQUIT.
    #[serde(default)]
    pub evidence_signal: Option<i32>,
    /// Run in it then; its output is kept with the evidence.
    #[serde(default)]
    pub evidence_exec: Option<Exec>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum HookHandler {
    Exec(Exec),
    HttpGet(HttpGet),
    Sleep(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookKind {
    PostStart,
    PreStop,
}

impl HookKind {
    /// As Kubernetes' fields are called.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PostStart => "postStart",
            Self::PreStop => "preStop",
        }
    }
}

impl Lifecycle {
    pub fn get(&self, kind: HookKind) -> Option<&HookHandler> {
        match kind {
            HookKind::PostStart => self.post_start.as_ref(),
            HookKind::PreStop => self.pre_stop.as_ref(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProbeKind {
    Startup,
    Readiness,
    Liveness,
}

impl ProbeKind {
    pub const ALL: [Self; 3] = [Self::Startup, Self::Readiness, Self::Liveness];

    /// Whether an instance with these levels has nothing left to pass for this kind.
    pub fn is_passed(self, started: bool, ready: bool) -> bool {
        match self {
            Self::Startup => started,
            Self::Readiness => ready,
            Self::Liveness => true,
        }
    }

    /// As event messages begin: `Liveness probe failed: …`.
    pub fn title(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }

    /// As kill messages say it: `failed liveness probe`.
    pub fn lower(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Readiness => "readiness",
            Self::Liveness => "liveness",
        }
    }
}

impl Probes {
    pub fn get(&self, kind: ProbeKind) -> Option<&ProbeSpec> {
        match kind {
            ProbeKind::Startup => self.startup.as_ref(),
            ProbeKind::Readiness => self.readiness.as_ref(),
            ProbeKind::Liveness => self.liveness.as_ref(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeSpec {
    pub handler: Handler,
    pub initial_delay: Duration,
    pub period: Duration,
    /// A faster period until the probe has passed for the first time in an incarnation. What
    /// fails between the steady period's ticks does not count; what passes does.
    #[serde(default)]
    pub startup_period: Option<Duration>,
    pub timeout: Duration,
    pub success_threshold: u32,
    pub failure_threshold: u32,
    /// For a kill that this probe decides; beats the pod's.
    pub termination_grace: Option<Duration>,
    #[serde(default)]
    pub on_failure: Option<OnFailure>,
}

/// What follows when a liveness or startup probe has failed as often as its threshold says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum OnFailure {
    /// The instance is ended; the restart policy says what comes after it.
    #[default]
    Restart,
    /// The instance is ended, and no other starts until somebody wants one.
    Stop,
    /// It is told, and that is all.
    Notify,
}

impl OnFailure {
    pub const ALL: [Self; 3] = [Self::Restart, Self::Stop, Self::Notify];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Notify => "notify",
        }
    }
}

impl ProbeSpec {
    /// Kubernetes' defaults: at once, every 10 s, 1 s to answer, one success, three failures.
    pub fn new(handler: Handler) -> Self {
        Self {
            handler,
            initial_delay: Duration::ZERO,
            period: Duration::from_secs(10),
            startup_period: None,
            timeout: Duration::from_secs(1),
            success_threshold: 1,
            failure_threshold: 3,
            termination_grace: None,
            on_failure: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Handler {
    HttpGet(HttpGet),
    TcpSocket(TcpSocket),
    Grpc(Grpc),
    Exec(Exec),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpGet {
    #[serde(default)]
    pub scheme: Scheme,
    /// Empty: 127.0.0.1, then ::1, inside the task's network namespace.
    pub host: Option<String>,
    pub port: PortRef,
    /// With its query, as written; Kubernetes' default is `/`.
    pub path: String,
    pub headers: Vec<Header>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Scheme {
    #[default]
    Http,
    /// Neither certificate nor name are verified, as in Kubernetes.
    Https,
}

impl Scheme {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TcpSocket {
    pub host: Option<String>,
    pub port: PortRef,
}

/// `grpc.health.v1.Health/Check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grpc {
    /// Kubernetes knows only numbers here; the API takes names too.
    pub port: PortRef,
    /// Empty: the server as a whole.
    pub service: String,
    /// TLS without verification, which Kubernetes does not have.
    #[serde(default)]
    pub tls: bool,
}

/// A command in the container, run as its own process would be; no shell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exec {
    pub command: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    pub name: String,
    pub value: String,
}

/// A port by number or by the name that the container's `ports` give it. A name that is not
/// there is found out when the probe runs, as in Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PortRef {
    Number(u16),
    Name(String),
}

impl std::fmt::Display for PortRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(port) => port.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl ContainerSpec {
    /// The number behind a port; the error is the text that the kubelet's prober gives.
    pub fn resolve_port(&self, port: &PortRef) -> Result<u16, String> {
        match port {
            PortRef::Number(number) => Ok(*number),
            PortRef::Name(name) => self
                .ports
                .iter()
                .find(|p| p.name.as_ref() == Some(name))
                .map(|p| p.port)
                .ok_or_else(|| format!("strconv.Atoi: parsing {name:?}: invalid syntax")),
        }
    }

    /// The image as the user named it, or the root filesystem's path for a bundle.
    pub fn image(&self) -> String {
        match &self.source {
            Source::Image(reference) => reference.clone(),
            Source::Bundle { rootfs, .. } => rootfs.display().to_string(),
        }
    }
}
