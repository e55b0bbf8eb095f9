//! From the domain's specs to the OCI runtime spec that runc gets. No I/O.
//!
//! Written as JSON, not with oci-spec's builders: those start from defaults of their own
//! (capabilities, rlimits, `noNewPrivileges`) which are not Kubernetes'.

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

use std::path::PathBuf;

use oci_spec::image::{Config, ImageConfiguration};
use serde_json::{Value, json};

use probelet_domain::node::NodeAddresses;
use probelet_domain::signal;
use probelet_domain::spec::capability;
use probelet_domain::spec::{ContainerSpec, PodSpec, Propagation};
use probelet_domain::user::{ImageUsers, user};

mod bundle;
mod files;
mod namespaces;
mod resources;
mod seccomp;
mod security;
mod user;
pub mod words;

pub use bundle::{from_bundle, shares_names};
pub use user::user_of;
pub use words::expand_all;
use words::{Env, TooLong, expand, expand_words, fits};

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The user's input cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidSpec {
    /// The field, relative to the container.
    pub field: &'static str,
    /// Why, in words for the user.
    pub reason: String,
}

/// What the machine is.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// A pure cgroup v2 host, where a container gets a cgroup namespace.
    pub cgroup2: bool,
    /// Whether a limit of swap can be set.
    pub swap_limit: bool,
    /// Bytes.
    pub memory: u64,
    /// Thousandths of a core.
    pub cpu: u64,
    /// The name of the host.
    pub hostname: String,
    /// The bits of those capabilities that a container can have at most.
    pub capabilities: u64,
    /// Whether the kernel has privileged ports that a namespace can do without.
    pub unprivileged_ports: bool,
    /// Whether all groups of the host can be allowed to ping.
    pub ping_groups: bool,
    /// The lowest that may be set, where not any may.
    pub least_oom_score_adj: Option<i64>,
}

/// What is there for one attempt.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// What the machine is.
    pub facts: Facts,
    /// The addresses of the host and of the pod, for `fieldRef`.
    pub node_addresses: NodeAddresses,
    /// The container's cgroup, absolute.
    pub cgroups_path: String,
    /// Namespaces that are there already, by type; of the others a container gets its own.
    pub shared: Vec<(&'static str, PathBuf)>,
    /// Where the termination message goes.
    pub message_path: Option<PathBuf>,
    /// The folder with the pod's `hosts` and `resolv.conf`.
    pub files: PathBuf,
    /// The `/dev/shm` of a pod of several.
    pub shm: Option<PathBuf>,
    /// The users and groups of the image.
    pub users: ImageUsers,
    /// Devices of the host that the container gets.
    pub devices: Vec<DeviceNode>,
    /// The content of a `Localhost` profile.
    pub seccomp: Option<Value>,
    /// The name of a loaded profile.
    pub app_armor: Option<String>,
    /// Volumes that are mounted into the container.
    pub volumes: Vec<VolumeBind>,
}

/// A volume, or a part of one, as a container gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeBind {
    /// The path in the container.
    pub destination: String,
    /// The path on the host.
    pub source: PathBuf,
    /// `rw`, `ro` or `rro`.
    pub access: &'static str,
    /// Nothing in it is run.
    pub no_exec: bool,
    /// Kubernetes' `mountPropagation`.
    pub propagation: Propagation,
}

/// A device of the host as a container gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNode {
    /// The path in the container.
    pub path: String,
    /// `c` or `b`.
    pub kind: char,
    /// The major number of the device.
    pub major: u32,
    /// The minor number of the device.
    pub minor: u32,
    /// The permissions of the node.
    pub mode: u32,
    /// The owner of the node.
    pub uid: u32,
    /// The group of the node.
    pub gid: u32,
    /// What the cgroup allows: some of `rwm`.
    pub access: String,
}

/// Whether a spec could be made of this image, before there is a pod.
pub fn check_image(config: &ImageConfiguration, spec: &ContainerSpec) -> Result<(), InvalidSpec> {
    let image = config.config().clone().unwrap_or_default();
    args(&image, spec, &Env::default()).map(drop)
}

/// The spec of a container from an image, as the kubelet with containerd's defaults makes it.
pub fn from_image(
    config: &ImageConfiguration,
    pod: &PodSpec,
    spec: &ContainerSpec,
    host: &Host,
) -> Result<Vec<u8>, InvalidSpec> {
    let image = config.config().clone().unwrap_or_default();
    let hostname = namespaces::hostname(pod, host);
    let own = own_env(pod, spec, &host.node_addresses)?;
    let mut env = Env::default();
    env.set_all([PATH.to_owned(), format!("HOSTNAME={hostname}")]);
    env.set_all(image.env().iter().flatten().cloned());
    env.set_all(own.lines());

    let cwd = spec.working_dir.as_deref().filter(|dir| !dir.is_empty());
    let cwd = cwd.or(image.working_dir().as_deref().filter(|dir| !dir.is_empty()));
    let user =
        user(pod, spec, &host.users).map_err(|reason| InvalidSpec { field: "image", reason })?;
    let capabilities = capability::of(&spec.security, host.facts.capabilities);
    let oom_score_adj = pod.oom_score_adj(spec, host.facts.memory);
    let oom_score_adj =
        host.facts.least_oom_score_adj.map_or(oom_score_adj, |l| l.max(oom_score_adj));
    let mut made = json!({
        "ociVersion": "1.0.2",
        "root": {
            "path": "rootfs",
            "readonly": spec.security.read_only_root_filesystem == Some(true),
        },
        "process": {
            "user": { "uid": user.uid, "gid": user.gid, "additionalGids": user.groups },
            "args": args(&image, spec, &own)?,
            "env": env.lines().collect::<Vec<_>>(),
            "cwd": cwd.unwrap_or("/"),
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
            },
            "noNewPrivileges": spec.security.allow_privilege_escalation == Some(false),
            "oomScoreAdj": oom_score_adj,
        },
        "mounts": files::mounts(pod, spec, host),
        "linux": {
            "cgroupsPath": host.cgroups_path,
            "namespaces": namespaces::namespaces(pod, spec, host),
            "resources": resources::resources(spec, host),
            "maskedPaths": security::masked(spec),
            "readonlyPaths": security::read_only(spec),
        },
    });
    // Nothing is said where nothing is asked for: the runtime's words on an empty one differ.
    let more = [
        ("/hostname", namespaces::has_own_name(pod).then(|| json!(hostname))),
        ("/linux/sysctl", security::sysctls(pod, &host.facts)),
        ("/linux/seccomp", security::seccomp(pod, spec, host, &capabilities)),
        ("/linux/devices", files::devices(host)),
        ("/linux/rootfsPropagation", files::root_propagation(host)),
        ("/process/apparmorProfile", host.app_armor.as_ref().map(|name| json!(name))),
    ];
    for (pointer, value) in more {
        let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
        let parent = made.pointer_mut(parent).and_then(Value::as_object_mut);
        if let (Some(parent), Some(value)) = (parent, value) {
            parent.insert(key.to_owned(), value);
        }
    }
    Ok(made.to_string().into_bytes())
}

/// The spec's variables: as in the kubelet, `$(VAR)` sees them and not the image's.
pub fn own_env(
    pod: &PodSpec,
    spec: &ContainerSpec,
    at: &NodeAddresses,
) -> Result<Env, InvalidSpec> {
    let too_long = |name: &str, error: TooLong| InvalidSpec {
        field: "env",
        reason: format!("{name}: {error}"),
    };
    let mut own = Env::default();
    let mut length = 0_usize;
    for var in &spec.env {
        // What comes from elsewhere is taken as it is there.
        let value = match &var.from {
            None => expand(&var.value, &own).map_err(|error| too_long(&var.name, error))?,
            Some(_) => pod.value_of(spec, var, at),
        };
        length = length.saturating_add(value.len());
        fits(length).map_err(|error| too_long(&var.name, error))?;
        own.set(&var.name, value);
    }
    Ok(own)
}

fn args(image: &Config, spec: &ContainerSpec, env: &Env) -> Result<Vec<String>, InvalidSpec> {
    let expanded = |field: &'static str, words: &[String]| {
        expand_words(words, env).map_err(|error| InvalidSpec { field, reason: error.to_string() })
    };
    let mut words = expanded("command", &spec.command)?;
    let mut rest = expanded("args", &spec.args)?;
    if words.is_empty() {
        words = image.entrypoint().clone().unwrap_or_default();
        if rest.is_empty() {
            rest = image.cmd().clone().unwrap_or_default();
        }
    }
    words.append(&mut rest);
    if words.is_empty() {
        let reason = "no command specified: neither here nor in the image".to_owned();
        return Err(InvalidSpec { field: "command", reason });
    }
    Ok(words)
}

/// What ends a container of this image, if it says so.
pub fn stop_signal(config: &ImageConfiguration) -> Result<Option<i32>, InvalidSpec> {
    let image = config.config().clone().unwrap_or_default();
    let Some(text) = image.stop_signal().as_deref().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    signal::parse(text).map(Some).ok_or_else(|| InvalidSpec {
        field: "image",
        reason: format!("the image's StopSignal {text:?} is no signal"),
    })
}

#[cfg(test)]
mod tests;
