//! Specs of probes: handler, times, thresholds, and the consequence of a failure.

use std::time::Duration;

/// The probes of a container, at most one of each kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Probes {
    /// Kubernetes' `startupProbe`: the other probes begin when it has passed.
    pub startup: Option<ProbeSpec>,
    /// Kubernetes' `readinessProbe`: decides whether the container is ready.
    pub readiness: Option<ProbeSpec>,
    /// Kubernetes' `livenessProbe`: its failure restarts the container, unless `on_failure`
    /// differs.
    pub liveness: Option<ProbeSpec>,
}

/// Purpose of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeKind {
    /// Decides when the container has started.
    Startup,
    /// Decides whether the container is ready.
    Readiness,
    /// Decides whether the container must be restarted.
    Liveness,
}

impl ProbeKind {
    /// All kinds, in the order of a container's start.
    pub const ALL: [Self; 3] = [Self::Startup, Self::Readiness, Self::Liveness];

    /// Returns whether an instance with these levels has passed a probe of this kind. A liveness
    /// probe counts as passed from the start.
    pub fn is_passed(self, started: bool, ready: bool) -> bool {
        match self {
            Self::Startup => started,
            Self::Readiness => ready,
            Self::Liveness => true,
        }
    }

    /// Name with a capital, as at the beginning of event messages: `Liveness probe failed: …`.
    pub fn title(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }

    /// Name in lower case, as in kill messages: `failed liveness probe`.
    pub fn lower(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Readiness => "readiness",
            Self::Liveness => "liveness",
        }
    }
}

impl Probes {
    /// Returns the container's probe of this kind, if it has one.
    pub fn get(&self, kind: ProbeKind) -> Option<&ProbeSpec> {
        match kind {
            ProbeKind::Startup => self.startup.as_ref(),
            ProbeKind::Readiness => self.readiness.as_ref(),
            ProbeKind::Liveness => self.liveness.as_ref(),
        }
    }
}

/// A probe: what it does, how often, and when its result counts. Times are at most 68 years.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeSpec {
    /// Request, connection or command that the probe makes.
    pub handler: Handler,
    /// Time from the container's start to the first attempt; 0 by default.
    pub initial_delay: Duration,
    /// Time between two attempts; 10 s by default, at least 100 ms.
    pub period: Duration,
    /// Shorter period until the probe has passed for the first time in an incarnation; `period` if
    /// unset. A failure between the ticks of `period` does not count, a success does.
    pub startup_period: Option<Duration>,
    /// Time that an attempt may take; 1 s by default, at least 10 ms.
    pub timeout: Duration,
    /// Successes in a row that make the probe pass; 1, which only a readiness probe can raise.
    pub success_threshold: u32,
    /// Failures in a row that make the probe fail; 3 by default, at least 1.
    pub failure_threshold: u32,
    /// Grace of a kill that this probe decides; the pod's if unset.
    pub termination_grace: Option<Duration>,
    /// Consequence of a failed liveness or startup probe; `Restart` if unset. Readiness has none.
    pub on_failure: Option<OnFailure>,
    /// How the command of an exec probe runs; the daemon's setting if unset.
    pub exec_via: Option<ExecVia>,
}

/// The way in which the command of an exec probe runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExecVia {
    /// Through containerd, its shim and runc; the default.
    #[default]
    Containerd,
    /// By a process of the daemon that joins the container.
    Direct,
}

impl ExecVia {
    /// All ways.
    pub const ALL: [Self; 2] = [Self::Containerd, Self::Direct];

    /// The way as manifests and annotations write it, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::Direct => "direct",
        }
    }
}

/// Consequence when a liveness or startup probe has failed `failure_threshold` times in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The instance is stopped, and the restart policy decides what follows; the default.
    #[default]
    Restart,
    /// The instance is stopped, and no other starts until a caller asks for it.
    Stop,
    /// The failure is published as an event, and the instance runs on.
    Notify,
}

impl OnFailure {
    /// All choices.
    pub const ALL: [Self; 3] = [Self::Restart, Self::Stop, Self::Notify];

    /// The choice as manifests and annotations write it, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Notify => "notify",
        }
    }
}

impl ProbeSpec {
    /// Makes a probe with Kubernetes' defaults: no initial delay, a period of 10 s, a timeout of 1
    /// s, one success, three failures.
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
            exec_via: None,
        }
    }
}

/// Check that a probe makes; Kubernetes' `ProbeHandler`.
#[derive(Debug, Clone, PartialEq)]
pub enum Handler {
    /// Kubernetes' `httpGet`: passes on a final status from 200 to 399.
    HttpGet(HttpGet),
    /// Kubernetes' `tcpSocket`: passes when the connection opens.
    TcpSocket(TcpSocket),
    /// Kubernetes' `grpc`: passes when the health service answers `SERVING`.
    Grpc(Grpc),
    /// Kubernetes' `exec`: passes when the command exits with 0.
    Exec(Exec),
}

/// An HTTP GET request of a probe or hook; Kubernetes' `HTTPGetAction`.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpGet {
    /// URL scheme; HTTP by default.
    pub scheme: Scheme,
    /// Host name or address. If empty: the pod's address, else 127.0.0.1 and then ::1 in the
    /// network namespace of the task.
    pub host: Option<String>,
    /// Port of the request.
    pub port: PortRef,
    /// Path and query of the request, as written; Kubernetes' default is `/`.
    pub path: String,
    /// Additional headers. `Host`, `User-Agent` and `Accept` replace the defaults; headers that
    /// follow from the request, such as `Content-Length`, are ignored.
    pub headers: Vec<Header>,
}

/// URL scheme of an HTTP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// Plain HTTP; the default.
    #[default]
    Http,
    /// HTTPS; neither certificate nor name is verified, as in Kubernetes.
    Https,
}

impl Scheme {
    /// The scheme as Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }
}

/// A TCP connection that a probe opens; Kubernetes' `TCPSocketAction`.
#[derive(Debug, Clone, PartialEq)]
pub struct TcpSocket {
    /// Host name or address; the pod's address if empty, else 127.0.0.1, then ::1.
    pub host: Option<String>,
    /// Port of the connection.
    pub port: PortRef,
}

/// A call of `grpc.health.v1.Health/Check`; Kubernetes' `GRPCAction`.
#[derive(Debug, Clone, PartialEq)]
pub struct Grpc {
    /// Port of the call. Kubernetes accepts only a number here, probelet's API also a name.
    pub port: PortRef,
    /// Name of the service; the server as a whole if empty.
    pub service: String,
    /// Whether the call uses TLS, without verification. Kubernetes has no such field.
    pub tls: bool,
    /// Host of the call, which no spec can set: see [`ProbeSpec::aimed_at`].
    pub host: Option<String>,
}

/// A command that runs in the container without a shell, with the user, environment and limits of
/// the container's process.
#[derive(Debug, Clone, PartialEq)]
pub struct Exec {
    /// Program and its arguments; at least the program.
    pub command: Vec<String>,
}

/// A header of an HTTP request.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Header name of letters, digits and hyphens.
    pub name: String,
    /// Header value, as written.
    pub value: String,
}

/// A port by its number or by its name in the container's `ports`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortRef {
    /// Port number, from 1 to 65535.
    Number(u16),
    /// Name of one of the container's ports.
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
