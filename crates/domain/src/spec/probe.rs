//! Probes: what is asked of a container, how often, and what follows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Probes {
    pub startup: Option<ProbeSpec>,
    pub readiness: Option<ProbeSpec>,
    pub liveness: Option<ProbeSpec>,
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
    /// Empty: the pod's address, else 127.0.0.1, then ::1, inside the task's network namespace.
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
    /// No spec says it: see [`ProbeSpec::aimed_at`].
    #[serde(skip)]
    pub host: Option<String>,
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
