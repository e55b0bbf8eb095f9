//! The containers of a record.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::convert::{Convert, choice, plain, record};
use super::pod::Device;
use super::probes::{Exec, HttpGet, Probes};
use super::security::Security;
use super::volumes::VolumeMount;
use crate::domain::{image, log, spec};

record!(ContainerSpec = spec::ContainerSpec {
    name: String,
    source: Source,
    #[serde(default)]
    pull_policy: Option<PullPolicy>,
    command: Vec<String>,
    args: Vec<String>,
    env: Vec<EnvVar>,
    working_dir: Option<String>,
    ports: Vec<ContainerPort>,
    probes: Probes,
    #[serde(default)]
    lifecycle: Lifecycle,
    restart_policy: Option<RestartPolicy>,
    #[serde(default)]
    restart_policy_rules: Vec<RestartRule>,
    #[serde(default)]
    termination_message: TerminationMessage,
    backoff: BackoffLimits,
    #[serde(default)]
    security: Security,
    #[serde(default)]
    resources: Resources,
    #[serde(default)]
    devices: Vec<Device>,
    #[serde(default)]
    volume_mounts: Vec<VolumeMount>,
    #[serde(default)]
    log_limits: OwnLimits,
    #[serde(default)]
    streams: Streams,
});

choice!(Source = spec::Source {
    Image(value: String),
    Bundle { oci_spec: String, rootfs: PathBuf },
    Adopted(value: Adopted),
});

plain!(#[derive(Default)] RestartPolicy = spec::RestartPolicy: #[default] Always, OnFailure, Never);

record!(RestartRule = spec::RestartRule {
    action: RestartAction,
    operator: ExitCodeOperator,
    values: Vec<i32>,
});

plain!(RestartAction = spec::RestartAction: Restart, RestartAllContainers);

plain!(ExitCodeOperator = spec::ExitCodeOperator: In, NotIn);

record!(BackoffLimits = spec::BackoffLimits {
    base: Duration,
    cap: Duration,
    reset: Duration,
    #[serde(default)]
    max_restarts: Option<u32>,
});

record!(Adopted = spec::Adopted {
    image: String,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    image_labels: Option<OwnLabels>,
    named: bool,
});

record!(EnvVar = spec::EnvVar {
    name: String,
    value: String,
    #[serde(default)]
    from: Option<EnvSource>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_stored: bool,
});

choice!(EnvSource = spec::EnvSource {
    ConfigMap { name: String, key: String },
    Secret { name: String, key: String },
    Field(value: PodField),
    Resource(value: ResourceField),
});

choice!(PodField = spec::PodField {
    Name,
    Namespace,
    Uid,
    Label(value: String),
    Annotation(value: String),
    NodeName,
    ServiceAccountName,
    HostIp,
    HostIps,
    PodIp,
    PodIps,
});

record!(ResourceField = spec::ResourceField {
    container: Option<String>,
    bound: Bound,
    resource: Resource,
    divisor: u64,
});

plain!(Bound = spec::Bound: Limit, Request);

choice!(Resource = spec::Resource {
    Cpu,
    Memory,
    HugePages(value: u64),
});

record!(
    #[derive(Default)]
    Lifecycle = spec::Lifecycle {
        post_start: Option<HookHandler>,
        pre_stop: Option<HookHandler>,
        stop_signal: Option<i32>,
        #[serde(default)]
        evidence_signal: Option<i32>,
        #[serde(default)]
        evidence_exec: Option<Exec>,
    }
);

choice!(HookHandler = spec::HookHandler {
    Exec(value: Exec),
    HttpGet(value: HttpGet),
    Sleep(value: Duration),
});

record!(TerminationMessage = spec::TerminationMessage { path: String, policy: MessagePolicy });

plain!(
    #[derive(Default)]
    MessagePolicy = spec::MessagePolicy:
    #[default] File, FallbackToLogsOnError
);

record!(ContainerPort = spec::ContainerPort {
    name: Option<String>,
    port: u16,
    protocol: String,
    #[serde(default)]
    host_port: Option<u16>,
    #[serde(default)]
    host_ip: Option<String>,
});

record!(
    #[derive(Default)]
    #[serde(default)]
    Resources = spec::Resources { requests: Amounts, limits: Amounts }
);

record!(
    #[derive(Default)]
    #[serde(default)]
    Amounts = spec::Amounts {
        cpu: Option<u64>,
        memory: Option<u64>,
        huge_pages: BTreeMap<u64, u64>,
        ephemeral_storage: Option<u64>,
    }
);

plain!(PullPolicy = image::PullPolicy: Always, IfNotPresent, Never);

record!(
    #[derive(Default)]
    #[serde(default)]
    OwnLimits = log::OwnLimits {
        size: Option<u64>,
        files: Option<u32>,
    }
);

record!(
    #[derive(Default)]
    #[serde(default)]
    Streams = spec::Streams { stdin: bool, stdin_once: bool, tty: bool }
);

impl Default for TerminationMessage {
    fn default() -> Self {
        spec::TerminationMessage::default().convert()
    }
}

/// Labels that an image defines, as pairs of name and value.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct OwnLabels(Vec<(String, String)>);

impl Convert<OwnLabels> for spec::OwnLabels {
    fn convert(self) -> OwnLabels {
        OwnLabels(self.into_iter().collect())
    }
}

impl Convert<spec::OwnLabels> for OwnLabels {
    fn convert(self) -> spec::OwnLabels {
        self.0.into_iter().collect()
    }
}
