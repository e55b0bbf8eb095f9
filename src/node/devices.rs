//! The host's devices that a container requests.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{major, minor};

use super::error::NodeError;
use crate::domain::spec::{ContainerSpec, Device};
use probelet_oci::DeviceNode;

/// Entries of `/dev` that each container has separately or not at all.
const NOT_THESE: [&str; 5] = ["pts", "shm", "fd", "mqueue", "console"];
const ALL: &str = "rwm";
/// Limit for nested folders below `/dev`.
const DEEPEST: u32 = 8;

pub fn of(container: &ContainerSpec) -> Result<Vec<DeviceNode>, NodeError> {
    let mut nodes = Vec::new();
    if container.security.is_privileged() {
        let all = Device { host: "/dev".into(), container: "/dev".into(), access: ALL.into() };
        add(&mut nodes, &all, &NOT_THESE, DEEPEST).map_err(|error| invalid("/dev", &error))?;
    }
    for device in &container.devices {
        add(&mut nodes, device, &[], DEEPEST).map_err(|error| invalid(&device.host, &error))?;
    }
    Ok(nodes)
}

fn invalid(path: &str, error: &io::Error) -> NodeError {
    let reason = format!("error gathering device information of {path:?}: {error}");
    NodeError::Invalid { field: "devices".into(), reason }
}

/// Adds a device, or all devices of a folder.
fn add(nodes: &mut Vec<DeviceNode>, device: &Device, but: &[&str], depth: u32) -> io::Result<()> {
    // A named device may be a link, as in /dev/disk. The entries of a folder are listed themselves.
    let found = fs::metadata(&device.host)?;
    if !found.is_dir() {
        let node = node(device, &found);
        nodes.push(node.ok_or_else(|| io::Error::other("not a device node"))?);
        return Ok(());
    }
    for entry in fs::read_dir(&device.host)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !but.contains(name)) else { continue };
        let join = |folder: &str| Path::new(folder).join(name).display().to_string();
        let below = Device {
            host: join(&device.host),
            container: join(&device.container),
            access: device.access.clone(),
        };
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 {
            add(nodes, &below, &[], depth.saturating_sub(1))?;
        } else if kind.is_char_device() || kind.is_block_device() {
            // A device that disappeared meanwhile is skipped.
            nodes.extend(fs::metadata(&below.host).ok().and_then(|found| node(&below, &found)));
        }
    }
    Ok(())
}

fn node(device: &Device, found: &Metadata) -> Option<DeviceNode> {
    let kind = match found.file_type() {
        kind if kind.is_char_device() => 'c',
        kind if kind.is_block_device() => 'b',
        _ => return None,
    };
    Some(DeviceNode {
        path: device.container.clone(),
        kind,
        major: major(found.rdev()),
        minor: minor(found.rdev()),
        mode: found.mode() & 0o777,
        uid: found.uid(),
        gid: found.gid(),
        access: device.access.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::sample;

    fn made(security: impl FnOnce(&mut ContainerSpec)) -> Result<Vec<DeviceNode>, String> {
        let mut container = sample::pod().containers.remove(0);
        security(&mut container);
        of(&container).map_err(|error| error.to_string())
    }

    fn device(host: &str) -> Device {
        Device { host: host.into(), container: "/dev/x".into(), access: "rw".into() }
    }

    #[test]
    fn a_device_is_named_as_asked_and_a_privileged_container_has_all() {
        let one = made(|container| container.devices = vec![device("/dev/null")]).unwrap();
        let expected = DeviceNode {
            path: "/dev/x".into(),
            kind: 'c',
            major: 1,
            minor: 3,
            mode: 0o666,
            uid: 0,
            gid: 0,
            access: "rw".into(),
        };
        assert_eq!(one, [expected]);
        let all = made(|container| container.security.privileged = Some(true)).unwrap();
        assert!(all.iter().any(|node| node.path == "/dev/null"));
        assert!(!all.iter().any(|node| node.path.starts_with("/dev/pts")));
    }

    #[test]
    fn what_is_no_device_is_named() {
        let missing = made(|container| container.devices = vec![device("/dev/nope")]);
        assert!(missing.unwrap_err().starts_with("devices: error gathering device information"));
        let file = made(|container| container.devices = vec![device("/proc/version")]);
        assert!(file.unwrap_err().ends_with("not a device node"));
    }
}
