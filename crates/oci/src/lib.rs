//! OCI runtime specs of containers, made from the domain's specs without I/O.
//!
//! The specs are built as JSON, because oci-spec's builders have defaults (capabilities, rlimits,
//! `noNewPrivileges`) that differ from Kubernetes'.

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

use std::borrow::Cow;
use std::path::PathBuf;

use oci_spec::image::{Config, ImageConfiguration};
use serde_json::{Value, json};

use probelet_domain::downward::DownwardValues;
use probelet_domain::node::NodeAddresses;
use probelet_domain::signal;
use probelet_domain::spec::capability;
use probelet_domain::spec::{ContainerSpec, PodSpec, Propagation, oom_score_adj};
use probelet_domain::user::{ImageUsers, user};

mod bundle;
pub mod expansion;
mod files;
mod namespaces;
mod resources;
mod seccomp;
mod security;
mod user;

pub use bundle::{bundle_errors, from_bundle, shares_names};
pub use expansion::expand_all;
use expansion::{Env, TooLong, expand, expand_words, fits};
pub use user::user_of;

/// The type of a container's terminal, as in containerd's CRI plugin.
const TERM: &str = "TERM=xterm";
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Error in the user's input or in the image, for which no spec can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidSpec {
    /// Path of the field, relative to the container.
    pub field: Cow<'static, str>,
    /// Reason, as text for the user.
    pub reason: String,
}

/// Properties of the host that do not depend on a container.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Whether the host has only cgroup v2, so that a container gets a cgroup namespace.
    pub cgroup2: bool,
    /// Whether the kernel supports a limit of swap.
    pub swap_limit: bool,
    /// Memory of the host in bytes.
    pub memory: u64,
    /// CPU of the host in thousandths of a core.
    pub cpu: u64,
    /// Name of the host.
    pub hostname: String,
    /// Bits of the capabilities that a container can have at most.
    pub capabilities: u64,
    /// Whether the kernel has `net.ipv4.ip_unprivileged_port_start`.
    pub unprivileged_ports: bool,
    /// Whether `net.ipv4.ping_group_range` can be set to all groups.
    pub ping_groups: bool,
    /// Lowest `oom_score_adj` that the daemon may set; `None` if it may set every value.
    pub least_oom_score_adj: Option<i64>,
}

/// Resources of the host that were prepared for one attempt.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Properties of the host.
    pub facts: Facts,
    /// Addresses of the host and of the pod, for `fieldRef`.
    pub node_addresses: NodeAddresses,
    /// Absolute path of the container's cgroup.
    pub cgroups_path: String,
    /// Types and paths of existing namespaces that the container joins. It gets new ones of the
    /// other types.
    pub shared: Vec<(&'static str, PathBuf)>,
    /// File on the host for the termination message.
    pub message_path: Option<PathBuf>,
    /// Folder with the pod's `hosts` and `resolv.conf`.
    pub files: PathBuf,
    /// Folder that the containers of the pod share as `/dev/shm`; a new tmpfs if unset.
    pub shm: Option<PathBuf>,
    /// Users and groups of the image.
    pub users: ImageUsers,
    /// Devices of the host that the container gets.
    pub devices: Vec<DeviceNode>,
    /// Content of a `Localhost` seccomp profile.
    pub seccomp: Option<Value>,
    /// Name of the AppArmor profile, which is loaded; `None` without confinement.
    pub app_armor: Option<String>,
    /// Volumes that are mounted into the container.
    pub volumes: Vec<VolumeBind>,
}

/// Bind mount of a volume, or of a part of it, in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeBind {
    /// Path in the container.
    pub destination: String,
    /// Path on the host.
    pub source: PathBuf,
    /// Mount option for the access: `rw`, `ro` or `rro`.
    pub access: &'static str,
    /// Whether the mount is `noexec`.
    pub no_exec: bool,
    /// Kubernetes' `mountPropagation`.
    pub propagation: Propagation,
}

/// Device node of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNode {
    /// Path in the container.
    pub path: String,
    /// Type of the device: `c` (character) or `b` (block).
    pub kind: char,
    /// Major number of the device.
    pub major: u32,
    /// Minor number of the device.
    pub minor: u32,
    /// Permissions of the node.
    pub mode: u32,
    /// User id of the node's owner.
    pub uid: u32,
    /// Group id of the node.
    pub gid: u32,
    /// Access that the cgroup allows: some of `r`, `w` and `m`.
    pub access: String,
}

/// Checks whether a spec can be made from this image, before the pod is created.
///
/// # Errors
///
/// Neither the container nor the image has a command, or the command is too long.
pub fn check_image(config: &ImageConfiguration, spec: &ContainerSpec) -> Result<(), InvalidSpec> {
    let image = config.config().clone().unwrap_or_default();
    args(&image, spec, &Env::default()).map(drop)
}

/// Makes the spec of a container from an image, as the kubelet and containerd do with their
/// defaults.
///
/// # Errors
///
/// There is no command, a user or group cannot be resolved, or the command or the environment is
/// too long.
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
    env.set_all(spec.streams.tty.then(|| TERM.to_owned()));
    env.set_all(image.env().iter().flatten().cloned());
    env.set_all(own.lines());

    let cwd = spec.working_dir.as_deref().filter(|dir| !dir.is_empty());
    let cwd = cwd.or(image.working_dir().as_deref().filter(|dir| !dir.is_empty()));
    let user = user(pod, spec, &host.users)
        .map_err(|reason| InvalidSpec { field: "image".into(), reason })?;
    let capabilities = capability::of(&spec.security, host.facts.capabilities);
    let oom_score_adj = oom_score_adj(pod, spec, host.facts.memory);
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
    // An unset field is left out, because the runtime handles an empty one differently.
    let more = [
        ("/hostname", namespaces::has_own_name(pod).then(|| json!(hostname))),
        ("/linux/sysctl", security::sysctls(pod, &host.facts)),
        ("/linux/seccomp", security::seccomp(pod, spec, host, &capabilities)),
        ("/linux/devices", files::devices(host)),
        ("/linux/rootfsPropagation", files::root_propagation(host)),
        ("/process/terminal", spec.streams.tty.then_some(json!(true))),
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

/// Returns the variables of the container's spec. As in the kubelet, `$(VAR)` refers to earlier
/// ones of them and not to those of the image.
///
/// # Errors
///
/// A variable, or all of them together, are longer than the kernel accepts.
pub fn own_env(
    pod: &PodSpec,
    spec: &ContainerSpec,
    at: &NodeAddresses,
) -> Result<Env, InvalidSpec> {
    let too_long = |name: &str, error: TooLong| InvalidSpec {
        field: "env".into(),
        reason: format!("{name}: {error}"),
    };
    let values = DownwardValues::new(pod, at);
    let mut own = Env::default();
    let mut length = 0_usize;
    for var in &spec.env {
        // Values with a source are not expanded.
        let value = match &var.from {
            None => expand(&var.value, &own).map_err(|error| too_long(&var.name, error))?,
            Some(_) => values.variable(spec, var),
        };
        length = length.saturating_add(value.len());
        fits(length).map_err(|error| too_long(&var.name, error))?;
        own.set(&var.name, value);
    }
    Ok(own)
}

fn args(image: &Config, spec: &ContainerSpec, env: &Env) -> Result<Vec<String>, InvalidSpec> {
    let expanded = |field: &'static str, words: &[String]| {
        expand_words(words, env)
            .map_err(|error| InvalidSpec { field: field.into(), reason: error.to_string() })
    };
    let mut args = expanded("command", &spec.command)?;
    let mut rest = expanded("args", &spec.args)?;
    if args.is_empty() {
        args = image.entrypoint().clone().unwrap_or_default();
        if rest.is_empty() {
            rest = image.cmd().clone().unwrap_or_default();
        }
    }
    args.append(&mut rest);
    if args.is_empty() {
        let reason = "no command specified: neither here nor in the image".to_owned();
        return Err(InvalidSpec { field: "command".into(), reason });
    }
    Ok(args)
}

/// Returns the stop signal of an image; `None` if the image defines none.
///
/// # Errors
///
/// The image's `StopSignal` is not a signal.
pub fn stop_signal(config: &ImageConfiguration) -> Result<Option<i32>, InvalidSpec> {
    let image = config.config().clone().unwrap_or_default();
    let Some(text) = image.stop_signal().as_deref().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    signal::parse(text).map(Some).ok_or_else(|| InvalidSpec {
        field: "image".into(),
        reason: format!("the image's StopSignal {text:?} is no signal"),
    })
}

#[cfg(test)]
mod tests;
