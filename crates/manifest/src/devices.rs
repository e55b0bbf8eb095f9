//! Devices of containers, as annotations:
//! `probelet.io/CONTAINER.devices: "/dev/fuse,/dev/snd:/dev/snd:rw"`.

use probelet_domain::spec::{ContainerSpec, Device, PodSpec};

pub const DEVICES: &str = "devices";

/// Reads `CONTAINER.devices`; `None` for another setting.
pub fn read(spec: &mut PodSpec, setting: &str, text: &str) -> Option<Result<(), &'static str>> {
    let name = setting.strip_suffix(DEVICES)?.strip_suffix('.')?;
    let devices = text.split(',').map(|one| device(one.trim())).collect::<Option<Vec<_>>>();
    let container = spec.at_mut(spec.place_of(name)?)?;
    let taken = devices.map(|devices| container.devices = devices);
    Some(taken.ok_or("must be a list of HOST[:CONTAINER[:rwm]]"))
}

/// One device, written as for Docker's `--device`.
fn device(text: &str) -> Option<Device> {
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, access) = match parts.as_slice() {
        [host] => (*host, *host, "rwm"),
        [host, container] if container.starts_with('/') => (*host, *container, "rwm"),
        [host, access] => (*host, *host, *access),
        [host, container, access] => (*host, *container, *access),
        _ => return None,
    };
    let [host, container, access] = [host, container, access].map(str::to_owned);
    Some(Device { host, container, access })
}

/// The setting and its value; nothing if the container has no devices.
pub fn render(container: &ContainerSpec) -> Option<(String, String)> {
    let one = |d: &Device| format!("{}:{}:{}", d.host, d.container, d.access);
    let all: Vec<String> = container.devices.iter().map(one).collect();
    (!all.is_empty()).then(|| (setting_of(container), all.join(",")))
}

fn setting_of(container: &ContainerSpec) -> String {
    format!("{}.{DEVICES}", container.name)
}

/// The setting that an error's field stands for; `None` if it is another field.
pub fn setting_for(spec: &PodSpec, field: &str) -> Option<String> {
    let (at, _) = field.split_once(".devices")?;
    let index = spec.place_at(at)?;
    Some(setting_of(spec.at(index)?))
}
