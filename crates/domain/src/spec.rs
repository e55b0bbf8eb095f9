//! The specs of pods, containers and probes, in Kubernetes' terms and with its defaults.
//!
//! The fields are public so that a spec can be built; only [`PodSpec::validate`] makes the
//! [`Validated`] spec that the supervisor takes. Rules and texts follow Kubernetes' validation
//! (`pkg/apis/core/validation`), so a path reads as it does from `kubectl apply`.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use super::image::{PullPolicy, PullSecret};
use super::log::OwnLimits;
use super::pod_key::{ADOPTED_NAMESPACE, PodKey};

mod account_token;
mod adopted;
mod aim;
mod bare;
mod bundle;
pub mod capability;
mod change;
mod downward;
mod env;
mod gates;
mod lifecycle;
mod message;
mod origin;
mod place;
mod port;
mod probe;
mod resources;
pub mod sample;
mod security;
pub mod short_form;
mod stored;
mod streams;
mod submitted;
mod surroundings;
mod validate;
mod volume;

pub use account_token::{AccountToken, IssuedToken};
pub use adopted::{Adopted, OwnLabels};
pub use change::Change;
pub use downward::{Bound, PodField, Resource, ResourceField};
pub use env::{EnvSource, EnvVar};
pub use gates::{ConditionStatus, Gates, SetCondition, is_decided_condition};
pub use lifecycle::{HookHandler, HookKind, Lifecycle};
pub use message::{MessagePolicy, TerminationMessage};
pub use origin::Origin;
pub use place::Role;
pub use port::{ContainerPort, HostPort, mapped_ports};
pub use probe::{
    Exec, ExecVia, Grpc, Handler, Header, HttpGet, OnFailure, PortRef, ProbeKind, ProbeSpec,
    Probes, Scheme, TcpSocket,
};
pub use resources::{Amounts, QUOTA_PERIOD, QosClass, Resources, oom_score_adj};
pub use security::{
    AppArmorProfile, EffectiveSecurity, FsGroupChangePolicy, GroupsPolicy, Identity, PodSecurity,
    ProcMount, SeccompProfile, Security, Sysctl,
};
pub use stored::{MissingReference, ReferenceUser, StoredReferences};
pub use streams::Streams;
pub use submitted::Submitted;
pub use surroundings::{
    Device, DnsConfig, DnsPolicy, HostAlias, HostNamespaces, Hostname, Naming, NetworkMode,
};
pub use validate::{SUMMARY, SpecError, SpecErrors, metadata_rules};
pub use volume::{
    Content, DownwardField, DownwardItem, Files, HostPathType, Item, Medium, ObjectKind, Part,
    Propagation, RecursiveReadOnly, SubPath, Volume, VolumeImage, VolumeMount, VolumeSource,
    sub_path_flaw, volume_images, volume_limits,
};

/// A value that has passed its checks; it cannot be made without them.
#[derive(Debug, Clone, PartialEq)]
pub struct Validated<T>(T);

impl<T> Validated<T> {
    /// Returns the checked value, without the proof that it is valid.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl Validated<PodSpec> {
    /// Sets the manifest file of the pod, which cannot make the spec invalid.
    pub fn kept_by(mut self, origin: Origin) -> Self {
        self.0.origin = Some(origin);
        self
    }
}

impl Validated<PodSpec> {
    /// Sets the object of the Kubernetes API that the pod was made from.
    pub fn submitted_as(mut self, submitted: Submitted) -> Self {
        self.0.submitted = Some(Box::new(submitted));
        self
    }
}

impl<T> Deref for Validated<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// A pod: the manifest's settings, and the identifiers that probelet adds.
#[derive(Debug, Clone, PartialEq)]
pub struct PodSpec {
    /// Kubernetes' namespace of the pod; `default` for a manifest that has none.
    pub namespace: String,
    /// Name of the pod, unique in its namespace; `NAMESPACE/ID` for an adopted container.
    pub name: String,
    /// UID of the pod, a random UUID that probelet makes at creation.
    pub uid: String,
    /// Labels of the pod.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pod.
    pub annotations: BTreeMap<String, String>,
    /// Restart policy of the containers that set none; Kubernetes' default is `Always`.
    pub restart_policy: RestartPolicy,
    /// Time from SIGTERM to SIGKILL; Kubernetes' default is 30 s.
    pub termination_grace: Duration,
    /// Time from the pod's creation after which the pod fails; no limit if unset.
    pub active_deadline: Option<Duration>,
    /// Hostname of the pod, an RFC 1123 label; the pod's name if unset.
    pub hostname: Option<String>,
    /// Name of the service account, for the downward API; it has no other effect.
    pub service_account: Option<String>,
    /// Pull secrets for the registries of its images, in the order in which they are tried.
    pub pull_secrets: Vec<PullSecret>,
    /// Init containers, which run one by one before the others; one that always restarts is a
    /// sidecar.
    pub init_containers: Vec<ContainerSpec>,
    /// Regular containers, at least one; they start after the init containers.
    pub containers: Vec<ContainerSpec>,
    /// Containers that restart with another one, by the name of that container.
    pub dependents: BTreeMap<String, Vec<String>>,
    /// Security settings for all containers of the pod.
    pub security: PodSecurity,
    /// Namespaces of the host that the pod uses instead of new ones.
    pub host_namespaces: HostNamespaces,
    /// Whether the containers see each other's processes.
    pub share_process_namespace: bool,
    /// How the pod's network namespace is connected; CNI by default.
    pub network: NetworkMode,
    /// Subdomain, entries of `/etc/hosts` and DNS settings of the pod.
    pub naming: Naming,
    /// Volumes that the containers can mount, each with a unique name.
    pub volumes: Vec<Volume>,
    /// Readiness gates, and the conditions that callers have set.
    pub gates: Gates,
    /// File of the manifest directory that the pod is from; `None` for a pod that was applied.
    pub origin: Option<Origin>,
    /// True if a build without namespaces created the pod in another one than `default`: the ids
    /// and logs of its containers are those of a pod in `default`, and stay so.
    pub ids_of_default: bool,
    /// Object of the Kubernetes API that the pod was made from; `None` for a pod that has other
    /// origins, which is rendered from this spec.
    pub submitted: Option<Box<Submitted>>,
    /// References to objects that the Kubernetes API stores; `None` if the pod has copies of its
    /// own.
    pub stored: Option<StoredReferences>,
}

impl PodSpec {
    /// Key of the pod. The spec of an adopted container has containerd's namespace.
    pub fn key(&self) -> PodKey {
        let namespace = if self.is_adopted() { ADOPTED_NAMESPACE } else { &self.namespace };
        PodKey::new(namespace, &self.name)
    }

    /// Finalizers, for whose removal a deleted pod waits after its containers have ended.
    pub fn finalizers(&self) -> &[String] {
        self.submitted.as_ref().map_or(&[], |submitted| &submitted.finalizers)
    }
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerSpec {
    /// Name of the container: an RFC 1123 label, unique in the pod.
    pub name: String,
    /// Image, bundle or existing container that the container is made from.
    pub source: Source,
    /// When the image is pulled; Kubernetes' default for its tag if unset.
    pub pull_policy: Option<PullPolicy>,
    /// Command that replaces the image's ENTRYPOINT if it is not empty.
    pub command: Vec<String>,
    /// Arguments that replace the image's CMD if not empty; a `command` alone drops the image's
    /// CMD.
    pub args: Vec<String>,
    /// Environment variables. Later entries replace earlier ones and those of the image.
    pub env: Vec<EnvVar>,
    /// Absolute path of the working directory; the image's if unset or empty, else `/`.
    pub working_dir: Option<String>,
    /// Ports of the container, which probes can refer to by name.
    pub ports: Vec<ContainerPort>,
    /// Startup, readiness and liveness probes.
    pub probes: Probes,
    /// Hooks, stop signal, and evidence collected from a container that a probe fails.
    pub lifecycle: Lifecycle,
    /// Restart policy of the container; the pod's if unset. `Always` makes an init container a
    /// sidecar.
    pub restart_policy: Option<RestartPolicy>,
    /// Restart rules, which are checked in order when the container has exited by itself. The first
    /// that matches takes precedence over the policy.
    pub restart_policy_rules: Vec<RestartRule>,
    /// File and fallback of the termination message.
    pub termination_message: TerminationMessage,
    /// Waits between restarts.
    pub backoff: BackoffLimits,
    /// Security settings of the container, which take precedence over the pod's.
    pub security: Security,
    /// Requests and limits of CPU, memory and other resources.
    pub resources: Resources,
    /// Devices besides those that every container has.
    pub devices: Vec<Device>,
    /// Mounts of the pod's volumes.
    pub volume_mounts: Vec<VolumeMount>,
    /// Limits of the container's log, from the next start on.
    pub log_limits: OwnLimits,
    /// Input and terminal.
    pub streams: Streams,
}

/// Source of a container.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// An image of containerd's store, pulled if necessary; each attempt gets a new snapshot of it.
    Image(String),
    /// A runtime spec as the user wrote it, on a root filesystem that all attempts share.
    Bundle {
        /// The runtime spec, as JSON text.
        oci_spec: String,
        /// Absolute path of the root filesystem.
        rootfs: PathBuf,
    },
    /// A container that probelet did not make: its record, snapshot and spec are not changed.
    Adopted(Adopted),
}

/// Kubernetes' `restartPolicy`: when a container that has exited starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartPolicy {
    /// The container restarts after every exit; the default.
    #[default]
    Always,
    /// The container restarts after an exit code other than 0, and after a kill by a probe.
    OnFailure,
    /// The container does not restart, unless a restart rule matches.
    Never,
}

/// Rule for exits with one of these codes, or with none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartRule {
    /// What the rule does when it matches.
    pub action: RestartAction,
    /// Whether the exit code must be among the values or must not be.
    pub operator: ExitCodeOperator,
    /// Exit codes that the rule compares with, at most 255.
    pub values: Vec<i32>,
}

/// Kubernetes' `action` of a container restart rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartAction {
    /// Restarts the container.
    Restart,
    /// Restarts all containers of the pod; in a pod of one container the same as `Restart`.
    RestartAllContainers,
}

/// Kubernetes' `operator` of a restart rule's exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCodeOperator {
    /// Matches an exit code that is among the values.
    In,
    /// Matches an exit code that is not among the values.
    NotIn,
}

impl RestartRule {
    /// Returns whether the rule applies to a container that exited with `exit_code`.
    pub fn matches(&self, exit_code: i32) -> bool {
        self.values.contains(&exit_code) == (self.operator == ExitCodeOperator::In)
    }
}

/// Limits of the restart back-off: 0, `base`, 2·`base`, … up to `cap`. It begins again after an
/// instance that ran for `reset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackoffLimits {
    /// Wait before the second restart in a row; 10 s by default, more than 0. Each later wait
    /// doubles.
    pub base: Duration,
    /// Longest wait between two restarts; 5 min by default, at least `base`.
    pub cap: Duration,
    /// Run time after which the count of restarts begins anew; 10 min by default, more than 0.
    pub reset: Duration,
    /// Number of restarts in a row at most; no limit if unset.
    pub max_restarts: Option<u32>,
}

impl Default for BackoffLimits {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(10),
            cap: Duration::from_secs(300),
            reset: Duration::from_secs(600),
            max_restarts: None,
        }
    }
}

impl ContainerSpec {
    /// Returns the number of a port.
    ///
    /// # Errors
    ///
    /// The text that the kubelet's prober gives, if no port of the container has the name.
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

    /// Image as the user named it, or the path of the root filesystem for a bundle.
    pub fn image(&self) -> String {
        match &self.source {
            Source::Image(reference) => reference.clone(),
            Source::Bundle { rootfs, .. } => rootfs.display().to_string(),
            Source::Adopted(adopted) => adopted.image.clone(),
        }
    }
}
