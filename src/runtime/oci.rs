//! From the domain's specs to the OCI runtime spec that runc gets. No I/O.
//!
//! Written as JSON, not with oci-spec's builders: those start from defaults of their own
//! (capabilities, rlimits, `noNewPrivileges`) which are not Kubernetes'.

use std::path::{Path, PathBuf};

use oci_spec::image::{Config, ImageConfiguration};
use serde_json::{Map, Value, json};

use super::RuntimeError;
use crate::domain::signal;
use crate::domain::spec::{ContainerSpec, PodSpec};

pub(super) mod words;

use words::{Env, expand};

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What of the machine shows in a spec.
#[derive(Debug, Clone)]
pub struct Host {
    /// A pure cgroup v2 host, where a container gets a cgroup namespace.
    pub cgroup2: bool,
    pub cgroups_path: String,
    /// What the machine is called.
    pub node_name: String,
    /// Namespaces that are there already, by type; of the others a container gets its own.
    pub shared: Vec<(&'static str, PathBuf)>,
    /// Where the termination message goes.
    pub message_path: Option<PathBuf>,
}

/// Whether a spec could be made of this image, before there is a pod.
pub fn check_image(config: &ImageConfiguration, spec: &ContainerSpec) -> Result<(), RuntimeError> {
    let image = config.config().clone().unwrap_or_default();
    user(&image)?;
    args(&image, spec, &Env::default()).map(drop)
}

/// The spec of a container from an image, as the kubelet with containerd's defaults makes it.
pub fn from_image(
    config: &ImageConfiguration,
    pod: &PodSpec,
    spec: &ContainerSpec,
    host: &Host,
) -> Result<Vec<u8>, RuntimeError> {
    let image = config.config().clone().unwrap_or_default();
    let hostname = hostname(pod);
    // As in the kubelet, `$(VAR)` sees the spec's variables, not the image's.
    let mut own = Env::default();
    for var in &spec.env {
        // What comes from elsewhere is taken as it is there.
        let value = match &var.from {
            None => expand(&var.value, &own),
            Some(_) => pod.value_of(var, &host.node_name),
        };
        own.set(&var.name, value);
    }
    let mut env = Env::default();
    env.set_all([PATH.to_owned(), format!("HOSTNAME={hostname}")]);
    env.set_all(image.env().iter().flatten().cloned());
    env.set_all(own.lines());

    let cwd = spec.working_dir.as_deref().filter(|dir| !dir.is_empty());
    let cwd = cwd.or(image.working_dir().as_deref().filter(|dir| !dir.is_empty()));
    let (uid, gid) = user(&image)?;
    let mut namespaces = vec!["pid", "ipc", "uts", "mount", "network"];
    let mut mounts = mounts();
    if host.cgroup2 {
        namespaces.push("cgroup");
        let options = ["nosuid", "noexec", "nodev", "relatime", "ro"];
        mounts.push(mount("/sys/fs/cgroup", "cgroup", "cgroup", &options));
    }
    if let Some(message) = &host.message_path {
        let (message, options) = (message.to_string_lossy(), ["rbind", "rprivate", "rw"]);
        mounts.push(mount(&spec.termination_message.path, "bind", &message, &options));
    }
    let namespaces: Vec<Value> = namespaces.iter().map(|kind| namespace(kind, host)).collect();
    let spec = json!({
        "ociVersion": "1.0.2",
        "hostname": hostname,
        "root": { "path": "rootfs", "readonly": false },
        "process": {
            "user": { "uid": uid, "gid": gid },
            "args": args(&image, spec, &own)?,
            "env": env.lines().collect::<Vec<_>>(),
            "cwd": cwd.unwrap_or("/"),
            "capabilities": {
                "bounding": CAPABILITIES,
                "effective": CAPABILITIES,
                "permitted": CAPABILITIES,
            },
            "noNewPrivileges": false,
        },
        "mounts": mounts,
        "linux": {
            "cgroupsPath": host.cgroups_path,
            "namespaces": namespaces,
            "resources": { "devices": devices() },
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
        },
    });
    Ok(spec.to_string().into_bytes())
}

fn namespace(kind: &str, host: &Host) -> Value {
    match host.shared.iter().find(|(shared, _)| *shared == kind) {
        Some((_, path)) => json!({ "type": kind, "path": path.display().to_string() }),
        None => json!({ "type": kind }),
    }
}

/// The user's own spec, on `rootfs`. Nothing else is changed but what can't work here: a
/// terminal, which nobody would hold the other end of.
pub fn from_bundle(text: &str, rootfs: &Path, cgroups_path: &str) -> Result<Vec<u8>, RuntimeError> {
    let bad = |reason: String| RuntimeError::Invalid { field: "ociSpec", reason };
    let no_spec = |error: serde_json::Error| bad(format!("not an OCI runtime spec: {error}"));
    // The text itself stays the spec; the typed value would lose what oci-spec doesn't know.
    let mut spec: Map<String, Value> = serde_json::from_str(text).map_err(no_spec)?;
    let mut checked = spec.clone();
    if let Some(process) = checked.get_mut("process").and_then(Value::as_object_mut) {
        // oci-spec insists on a user, runc does not.
        process.entry("user").or_insert_with(|| json!({ "uid": 0, "gid": 0 }));
    }
    let typed: oci_spec::runtime::Spec =
        serde_json::from_value(Value::Object(checked)).map_err(no_spec)?;
    let process = typed.process().as_ref().ok_or_else(|| bad("process: required".to_owned()))?;
    if process.args().as_ref().is_none_or(Vec::is_empty) {
        return Err(bad("process.args: required".to_owned()));
    }
    if !process.cwd().is_absolute() {
        return Err(bad("process.cwd: must be an absolute path".to_owned()));
    }
    let root = object(&mut spec, "root").ok_or_else(|| bad("root: not an object".to_owned()))?;
    let path = root.get("path").and_then(Value::as_str).map(Path::new);
    if let Some(path) = path.filter(|path| path.is_absolute() && *path != rootfs) {
        return Err(bad(format!("root.path: {} is not rootfs", path.display())));
    }
    if path != Some(rootfs) {
        let rootfs = rootfs.to_str().ok_or_else(|| RuntimeError::Invalid {
            field: "rootfs",
            reason: "must be UTF-8".to_owned(),
        })?;
        root.insert("path".to_owned(), rootfs.into());
    }
    let linux = object(&mut spec, "linux").ok_or_else(|| bad("linux: not an object".to_owned()))?;
    if linux.get("cgroupsPath").and_then(Value::as_str).is_none_or(str::is_empty) {
        linux.insert("cgroupsPath".to_owned(), cgroups_path.into());
    }
    if let Some(terminal) = object(&mut spec, "process").and_then(|p| p.get_mut("terminal")) {
        *terminal = false.into();
    }
    Ok(Value::Object(spec).to_string().into_bytes())
}

/// The object under `key`, made where it is missing or null.
fn object<'a>(map: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    let value = map.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

/// As the kubelet cuts it: 63 characters, not ending in a hyphen or a dot.
fn hostname(pod: &PodSpec) -> String {
    let wanted = pod.hostname.as_deref().filter(|name| !name.is_empty()).unwrap_or(&pod.name);
    let cut: String = wanted.chars().take(63).collect();
    cut.trim_end_matches(['-', '.']).to_owned()
}

fn args(image: &Config, spec: &ContainerSpec, env: &Env) -> Result<Vec<String>, RuntimeError> {
    let expanded =
        |words: &[String]| words.iter().map(|word| expand(word, env)).collect::<Vec<_>>();
    let mut words = expanded(&spec.command);
    let mut rest = expanded(&spec.args);
    if words.is_empty() {
        words = image.entrypoint().clone().unwrap_or_default();
        if rest.is_empty() {
            rest = image.cmd().clone().unwrap_or_default();
        }
    }
    words.append(&mut rest);
    if words.is_empty() {
        let reason = "no command specified: neither here nor in the image".to_owned();
        return Err(RuntimeError::Invalid { field: "command", reason });
    }
    Ok(words)
}

/// Numbers only: a name would have to be looked up in the image's own `/etc/passwd`.
fn user(image: &Config) -> Result<(u32, u32), RuntimeError> {
    let wanted = image.user().as_deref().unwrap_or_default();
    let (user, group) = wanted.split_once(':').unwrap_or((wanted, ""));
    let number = |name: &str| match name {
        "" | "root" => Some(0),
        name => name.parse::<u32>().ok(),
    };
    number(user).zip(number(group)).ok_or_else(|| RuntimeError::Invalid {
        field: "image",
        reason: format!(
            "the image runs as user {wanted:?}; only numeric users (UID or UID:GID) and root \
             are supported"
        ),
    })
}

/// What ends a container of this image, if it says so.
pub fn stop_signal(config: &ImageConfiguration) -> Result<Option<i32>, RuntimeError> {
    let image = config.config().clone().unwrap_or_default();
    let Some(text) = image.stop_signal().as_deref().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    signal::parse(text).map(Some).ok_or_else(|| RuntimeError::Invalid {
        field: "image",
        reason: format!("the image's StopSignal {text:?} is no signal"),
    })
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Value {
    json!({ "destination": destination, "type": kind, "source": source, "options": options })
}

/// containerd's defaults without `/run`, which Kubernetes leaves to the image.
fn mounts() -> Vec<Value> {
    let plain = ["nosuid", "noexec", "nodev"];
    let pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
    let shm = ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"];
    let dev = ["nosuid", "strictatime", "mode=755", "size=65536k"];
    vec![
        mount("/proc", "proc", "proc", &plain),
        mount("/dev", "tmpfs", "tmpfs", &dev),
        mount("/dev/pts", "devpts", "devpts", &pts),
        mount("/dev/shm", "tmpfs", "shm", &shm),
        mount("/dev/mqueue", "mqueue", "mqueue", &plain),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
    ]
}

/// Nothing but the harmless character devices: null, random, full, tty, zero, urandom,
/// console, terminals and their multiplexer.
fn devices() -> Vec<Value> {
    let mut rules = vec![json!({ "allow": false, "access": "rwm" })];
    for (major, minor) in [(1, 3), (1, 8), (1, 7), (5, 0), (1, 5), (1, 9), (5, 1), (5, 2)] {
        rules.push(json!({
            "allow": true, "type": "c", "major": major, "minor": minor, "access": "rwm",
        }));
    }
    rules.push(json!({ "allow": true, "type": "c", "major": 136, "access": "rwm" }));
    rules
}

const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

const MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];

const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

#[cfg(test)]
mod tests;
