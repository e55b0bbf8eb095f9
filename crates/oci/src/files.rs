//! Mounts and devices of a container.

use serde_json::{Value, json};

use super::Host;
use probelet_domain::spec::{ContainerSpec, PodSpec, Propagation};

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Value {
    json!({ "destination": destination, "type": kind, "source": source, "options": options })
}

fn bind(destination: &str, source: &std::path::Path, options: &[&str]) -> Value {
    let options = [&["rbind", "rprivate"], options].concat();
    mount(destination, "bind", &source.to_string_lossy(), &options)
}

/// Returns the mounts: containerd's defaults without `/run`, which Kubernetes leaves to the image,
/// the kubelet's files, and the volumes.
pub fn mounts(pod: &PodSpec, container: &ContainerSpec, host: &Host) -> Vec<Value> {
    let plain = ["nosuid", "noexec", "nodev"];
    let pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
    let dev = ["nosuid", "strictatime", "mode=755", "size=65536k"];
    let access = if container.security.is_privileged() { "rw" } else { "ro" };
    let is_read_only = container.security.read_only_root_filesystem == Some(true);
    let root_access = if is_read_only { "ro" } else { "rw" };
    let mut all = vec![
        mount("/proc", "proc", "proc", &plain),
        mount("/dev", "tmpfs", "tmpfs", &dev),
        mount("/dev/pts", "devpts", "devpts", &pts),
        shm(pod, host),
        // In the host's IPC namespace, this mount shows the host's queues.
        mount("/dev/mqueue", "mqueue", "mqueue", &plain),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", access]),
    ];
    let options = ["nosuid", "noexec", "nodev", "relatime", access];
    all.push(mount("/sys/fs/cgroup", "cgroup", "cgroup", &options));
    // The files are writable if the root is, as in the kubelet, so that the container can add
    // entries.
    for (target, file) in [("/etc/hosts", "hosts"), ("/etc/resolv.conf", "resolv.conf")] {
        all.push(bind(target, &host.files.join(file), &[root_access]));
    }
    let message_path = &container.termination_message.path;
    all.extend(host.message_path.iter().map(|message| bind(message_path, message, &["rw"])));
    with_volumes(all, host)
}

/// Adds the volumes. A volume replaces a default mount at the same path, as in containerd. Outer
/// mounts come before inner ones.
fn with_volumes(mut all: Vec<Value>, host: &Host) -> Vec<Value> {
    if host.volumes.is_empty() {
        return all;
    }
    all.retain(|one| host.volumes.iter().all(|volume| one["destination"] != *volume.destination));
    all.extend(host.volumes.iter().map(|volume| {
        let source = volume.source.to_string_lossy();
        let propagation = match volume.propagation {
            Propagation::None => "rprivate",
            Propagation::HostToContainer => "rslave",
            Propagation::Bidirectional => "rshared",
        };
        let no_exec = volume.no_exec.then_some("noexec");
        let options = ["rbind", propagation, volume.access].into_iter().chain(no_exec);
        mount(&volume.destination, "bind", &source, &options.collect::<Vec<_>>())
    }));
    let depth = |mount: &Value| mount["destination"].as_str().map(|at| at.split('/').count());
    all.sort_by_key(depth);
    all
}

/// Returns the propagation of the root, which is the widest one of its volumes.
pub fn root_propagation(host: &Host) -> Option<Value> {
    let has = |wanted| host.volumes.iter().any(|volume| volume.propagation == wanted);
    if has(Propagation::Bidirectional) {
        Some(json!("rshared"))
    } else {
        has(Propagation::HostToContainer).then(|| json!("rslave"))
    }
}

fn shm(pod: &PodSpec, host: &Host) -> Value {
    if pod.host_namespaces.ipc {
        return bind("/dev/shm", "/dev/shm".as_ref(), &["rw"]);
    }
    match &host.shm {
        Some(path) => bind("/dev/shm", path, &["rw"]),
        None => {
            let options = ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"];
            mount("/dev/shm", "tmpfs", "shm", &options)
        }
    }
}

pub fn devices(host: &Host) -> Option<Value> {
    let all = host.devices.iter().map(|device| {
        json!({
            "path": device.path, "type": device.kind.to_string(), "major": device.major,
            "minor": device.minor, "fileMode": device.mode, "uid": device.uid, "gid": device.gid,
        })
    });
    let all: Vec<Value> = all.collect();
    (!all.is_empty()).then(|| all.into())
}

/// Returns the device rules of the cgroup: null, random, full, tty, zero, urandom, console, ptmx
/// and terminals are allowed, and the devices of the spec. A privileged container may use all
/// devices.
pub fn device_rules(container: &ContainerSpec, host: &Host) -> Vec<Value> {
    if container.security.is_privileged() {
        return vec![json!({ "allow": true, "access": "rwm" })];
    }
    let mut rules = vec![json!({ "allow": false, "access": "rwm" })];
    for (major, minor) in [(1, 3), (1, 8), (1, 7), (5, 0), (1, 5), (1, 9), (5, 1), (5, 2)] {
        rules.push(json!({
            "allow": true, "type": "c", "major": major, "minor": minor, "access": "rwm",
        }));
    }
    rules.push(json!({ "allow": true, "type": "c", "major": 136, "access": "rwm" }));
    rules.extend(host.devices.iter().map(|device| {
        json!({
            "allow": true, "type": device.kind.to_string(), "major": device.major,
            "minor": device.minor, "access": device.access,
        })
    }));
    rules
}
