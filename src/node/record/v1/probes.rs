//! The probes of a record.

use std::time::Duration;

use super::convert::{Convert, choice, plain, record};
use crate::domain::spec;

record!(
    #[derive(Default)]
    Probes = spec::Probes {
        startup: Option<ProbeSpec>,
        readiness: Option<ProbeSpec>,
        liveness: Option<ProbeSpec>,
    }
);

record!(ProbeSpec = spec::ProbeSpec {
    handler: Handler,
    initial_delay: Duration,
    period: Duration,
    #[serde(default)]
    startup_period: Option<Duration>,
    timeout: Duration,
    success_threshold: u32,
    failure_threshold: u32,
    termination_grace: Option<Duration>,
    #[serde(default)]
    on_failure: Option<OnFailure>,
    #[serde(default)]
    exec_via: Option<ExecVia>,
});

plain!(#[derive(Default)] OnFailure = spec::OnFailure: #[default] Restart, Stop, Notify);

plain!(#[derive(Default)] ExecVia = spec::ExecVia: #[default] Containerd, Direct);

choice!(Handler = spec::Handler {
    HttpGet(value: HttpGet),
    TcpSocket(value: TcpSocket),
    Grpc(value: Grpc),
    Exec(value: Exec),
});

record!(HttpGet = spec::HttpGet {
    #[serde(default)]
    scheme: Scheme,
    host: Option<String>,
    port: PortRef,
    path: String,
    headers: Vec<Header>,
});

plain!(#[derive(Default)] Scheme = spec::Scheme: #[default] Http, Https);

record!(TcpSocket = spec::TcpSocket {
    host: Option<String>,
    port: PortRef,
});

record!(Grpc = spec::Grpc {
    port: PortRef,
    service: String,
    #[serde(default)]
    tls: bool,
    #[serde(skip)]
    host: Option<String>,
});

record!(Exec = spec::Exec {
    command: Vec<String>,
});

record!(Header = spec::Header { name: String, value: String });

choice!(PortRef = spec::PortRef {
    Number(value: u16),
    Name(value: String),
});
